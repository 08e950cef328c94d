"""A detector's model card: training data, performance, and what it is not for (Mitchell et al. 2019)."""

from collections.abc import Mapping
from typing import Any

from core.images.labels import CLASSES
from core.training.recipe import PAPERS

# of each member's recipe, stated in the table
STATED = ("name", "epochs", "start", "learning_rate", "without_cue", "without_cue_share", "shift", "seed")


def model_card(detector: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Write a detector's model card as Markdown; every number is read from the manifests.

    Args:
        detector: its manifest.
        run: the manifest of the run on its test set.
    """
    recipe, side, members = detector["recipe"], detector["preprocess"]["size"], detector.get("members", [])
    arch = recipe.get("arch", PAPERS)
    network = "A ResNet-18" if arch == PAPERS else f"A network `{arch}`"
    if groups := recipe.get("groups"):
        network = f"A network of {groups} ResNet-18s side by side"
    if arch.startswith("patch:"):
        network = f"A network whose score is the mean of scores of {arch.removeprefix('patch:')}-pixel patches"
    settings = ", ".join(f"{key} {value}" for key, value in recipe.items() if key != "name")
    calibrated = members or any("val_accuracy" in epoch for epoch in detector["history"])
    temperature = (
        f"Margins are divided by {detector['temperature']:.3f} (fitted on the held-out split) to become probabilities."
        if calibrated
        else "No images were held out, so probabilities are the plain softmax and are not calibrated."
    )
    metrics, clean = run["metrics"]["all"], run["metrics"]["clean"]
    scores = "\n".join(
        "| {} | {precision:.4f} | {recall:.4f} | {f1:.4f} | {support} |".format(name, **metrics["per_class"][name])
        for name in CLASSES
    )
    return f"""# Detector `{detector["name"]}`

{network} for {side} x {side} pixels (first convolution with stride 1, no max-pooling, two outputs) that calls an image
REAL (a photograph) or FAKE (generated).

## Trained on

{detector["training_images"]} images of `{detector["training_set"]}` (fingerprint
`{detector["training_set_fingerprint"][:16]}`).
Settings: {settings}.
Computed in {detector["computed_in"]}. {temperature}
Weights are float16; everything below was computed with these rounded weights.
{_members(detector) if members else ""}
## How it does

On `{run["set"]}`, {metrics["images"]} images, tested once after training: accuracy {metrics["accuracy"]:.4f}
({clean.get("accuracy", float("nan")):.4f} on the {clean["images"]} images that are neither in the training
set nor repeated), calibration error {metrics["ece"]:.4f}.

| class | precision | recall | F1 | images |
| --- | --- | --- | --- | --- |
{scores}

## Not for

- Deciding whether any picture from the world is real. It knows images like its training set, {side} x {side} pixels,
  shrunk and saved the same way. Other generators, other cameras and other resampling change its verdicts.
- Evidence against a person. Its probability is about images drawn as its test set was, not about yours.
"""


def _members(detector: Mapping[str, Any]) -> str:
    rows = "\n".join(
        "| {name} | {weight:.3f} | {val_accuracy:.4f} | {settings} |".format(
            settings=", ".join(f"{key} {value}" for key, value in member["recipe"].items() if key in STATED), **member
        )
        for member in detector["members"]
    )
    return f"""
The networks were trained one by one. All held out the same images, which decided how much each margin counts:

| network | weight | accuracy on the held-out images | recipe |
| --- | --- | --- | --- |
{rows}
| joined | | {detector["val_accuracy"]:.4f} | |

The weights in this table were fitted on these held-out images, so the last row is slightly too good, and more so if the
networks were chosen by them. A network that starts with another's weights has that one's epochs behind it too.
"""
