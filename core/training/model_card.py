"""A detector's model card: training data, performance, and what it is not for (Mitchell et al. 2019)."""

from collections.abc import Mapping
from typing import Any

from core.images.labels import CLASSES
from core.training.recipe import PAPERS

# of each member's recipe, stated in the table
STATED = ("name", "start", "learning_rate", "without_cue", "without_cue_share", "shift", "seed")


def model_card(detector: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Write a detector's model card as Markdown; every number is read from the manifests.

    Args:
        detector: its manifest.
        run: the manifest of the run on its test set.
    """
    recipe, side = detector["recipe"], detector["preprocess"]["size"]
    settings = ", ".join(f"{key} {value}" for key, value in recipe.items() if key not in ("name", "width"))
    members = detector.get("members", [])
    made = _joined(detector) if members else f"Settings: {settings}.\nComputed in {detector['computed_in']}."
    temperature = (
        f"Margins are divided by {detector['temperature']:.3f} (fitted on the held-out split) to become probabilities."
        if members or any("val_accuracy" in epoch for epoch in detector["history"])
        else "No images were held out, so probabilities are the plain softmax and are not calibrated."
    )
    return f"""# Detector `{detector["name"]}`

{_network(recipe, side)} that calls an image REAL (a photograph) or FAKE (generated).

## Trained on

{detector["training_images"]} images of `{detector["training_set"]}` (fingerprint
`{detector["training_set_fingerprint"][:16]}`).
{made} {temperature}
Weights are float16; everything below was computed with these rounded weights.{_without_cue(recipe)}

## How it does

{_measured(run)}

## Not for

- Deciding whether any picture from the world is real. It knows images like its training set, {side} x {side} pixels,
  shrunk and saved the same way. Other generators, other cameras and other resampling change its verdicts.
- Evidence against a person. Its probability is about images drawn as its test set was, not about yours.
"""


def _without_cue(recipe: Mapping[str, Any]) -> str:
    if not recipe.get("without_cue"):
        return ""
    share = recipe.get("without_cue_share", 1.0)
    which = "Every training image" if share == 1 else f"Of the training images, a random {share:.0%} in each epoch"
    return f"""

{which} lost fine detail, at random strength, so that a verdict had to do without it; images that were held out or
tested are whole. What the detector reads of them is for the probes of its run to say."""


def _joined(detector: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f"| {member['name']} | {member['weight']:.3f} | {member['val_accuracy']:.4f} | "
        f"{member['recipe'].get('epochs', '')} | "
        f"{', '.join(f'{key} {value}' for key, value in member['recipe'].items() if key in STATED)} |"
        for member in detector["members"]
    )
    return f"""
The networks were trained one by one. All held out the same images, which decided how much each margin counts:

| network | weight | accuracy on the held-out images | epochs | recipe |
| --- | --- | --- | --- | --- |
{rows}
| joined | | {detector["val_accuracy"]:.4f} | | |

The weights in this table were fitted on these held-out images, so the last row is slightly too good, and more so if the
networks were chosen by them. A network that starts with another's weights has that one's epochs behind it too."""


def _network(recipe: Mapping[str, Any], side: int) -> str:
    if recipe.get("arch", PAPERS) == PAPERS:
        stem = "first convolution 3x3 with stride 1, no max-pooling, two outputs"
        if groups := recipe.get("groups"):
            width = recipe["width"] // groups
            parts = f"each of width {width}, for {side} x {side} pixels"
            return f"A network of {groups} ResNet-18s side by side, {parts}\n({stem}),"
        return f"A ResNet-18 for {side} x {side} pixels ({stem}), width\n{recipe['width']},"
    return f"A network `{recipe['arch']}` for {side} x {side} pixels (first convolution with stride 1, two outputs),"


def _measured(run: Mapping[str, Any]) -> str:
    metrics, clean = run["metrics"]["all"], run["metrics"]["clean"]
    accuracy, images = metrics["accuracy"], metrics["images"]
    rows = "\n".join(
        "| {} | {precision:.4f} | {recall:.4f} | {f1:.4f} | {support} |".format(name, **metrics["per_class"][name])
        for name in CLASSES
    )
    return f"""On `{run["set"]}`, {images} images, tested once after training: accuracy {accuracy:.4f}
({clean.get("accuracy", float("nan")):.4f} on the {clean["images"]} images that are neither in the training
set nor repeated),
calibration error {metrics["ece"]:.4f}.

| class | precision | recall | F1 | images |
| --- | --- | --- | --- | --- |
{rows}"""
