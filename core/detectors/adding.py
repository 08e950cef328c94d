"""Adding a detector of others: read its source, complete what that leaves open, check it, store it."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.detectors.detector import CPU, Detector, Progress
from core.detectors.devices import pick_device
from core.detectors.manifest import About, Capability, Classes
from core.detectors.registry import KINDS, Brought, Kind, Request, SourceError, find_kind, first_line
from core.detectors.storage import load_detector, reference_pictures, save_detector
from core.images.image_set import DatasetError
from core.images.labels import CLASSES
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.storage import refuse_taken

SCALE = 1 / 255
# the option that states each field that a source may leave open
OPTIONS = {
    "size": "--size",
    "crop": "--crop",
    "interpolation": "--interpolation",
    "mean": "--mean",
    "std": "--std",
    "classes": "--classes",
    "fake": "--fake-classes",
    "outputs": "--outputs",
}


@dataclass(frozen=True)
class Checked:
    """The result of `check`.

    Attributes:
        margins: float32 (8,), of the reference pictures.
        warning: a sentence on a suspicious result; "" without one.
        pictures: number of labelled images; 0 if none were given.
        right: number of labelled images that are predicted correctly.
    """

    margins: NDArray[np.float32]
    warning: str = ""
    pictures: int = 0
    right: int = 0


def add(
    path: Path,
    request: Request,
    *,
    data: str | None = None,
    target_layer: str | None = None,
    temperature: float = 1.0,
    replace: bool = False,
    progress: Progress | None = None,
    report: Callable[[Detector, Checked], None] = lambda _detector, _checked: None,
) -> Detector:
    """Build a detector from a source, check it, save it, and load the saved copy.

    Args:
        path: the folder to write; its last part becomes the detector's name.
        request: the source and the user's settings.
        data: an image set with labelled test images, see `check`.
        target_layer, temperature: see `build_from`.
        replace: overwrite an existing folder.
        progress: see `check`.
        report: called with the detector and the result of `check` before `path` is written.

    Raises:
        ValueError: as for `build_from` and `check`; ContractError if the saved detector's outputs differ.
        TakenError: the folder exists and `replace` is false.
        WriteError: the folder could not be written.
    """
    if not replace:
        refuse_taken(path)
    detector = build_from(request, name=path.name, target_layer=target_layer, temperature=temperature)
    checked = check(detector, data, progress=progress)
    if checked.pictures:
        counts = {"pictures": checked.pictures, "right": checked.right}
        detector.manifest = {**detector.manifest, "checked": counts}
    report(detector, checked)
    pictures, card = reference_pictures(detector.preprocessing), model_card(detector, checked)
    with tempfile.TemporaryDirectory() as folder:
        # load a temporary copy first, so that a broken detector replaces no existing one
        trial = Path(folder) / path.name
        save_detector(trial, detector, model_card=card, reference=pictures)
        loaded = load_detector(trial, device=pick_device().type)
    # the last step: whoever stops it before has added nothing
    save_detector(path, detector, model_card=card, reference=pictures, replace=replace)
    return loaded


def build_from(
    request: Request, *, name: str = "unnamed", target_layer: str | None = None, temperature: float = 1.0
) -> Detector:
    """Build a detector from a source.

    Args:
        request: the source and the user's settings.
        name: the detector's name.
        target_layer: name of the layer to explain; when None, the last one with spatial output.
        temperature: margins are divided by it before they become probabilities; above 0.

    Raises:
        SourceError: the source cannot be read, or a required setting is missing.
        ValueError: a setting is impossible or does not fit the network.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0, not {temperature:g}")
    kind = kind_of(request.source)
    assert kind.read is not None  # noqa: S101 - it has a source
    brought = kind.read(request)
    preprocessing, classes = complete(brought, request)
    about = About(kind.name, brought.config, preprocessing, classes, target_layer or "", temperature)
    manifest = {"name": name, "source": Path(request.source).name}
    return kind.detector.from_about(brought.network, about, manifest=manifest, device=CPU)


def kind_of(source: str) -> Kind:
    """Find the kind that takes a source.

    Raises:
        SourceError: none does.
    """
    kinds = [kind for kind in map(find_kind, KINDS) if kind.source]
    if taking := [kind for kind in kinds if kind.takes(source)]:
        return taking[0]
    forms = "; ".join(kind.source for kind in kinds)
    raise SourceError(f"there is no folder {source!r}, and it is no other source that is known: {forms}")


def complete(brought: Brought, request: Request) -> tuple[Preprocessing, Classes]:
    """Merge the settings of a source and a user; the user's take precedence, and nothing is guessed.

    Raises:
        SourceError: a required setting is stated by neither; the message names the options that state it.
        ValueError: a setting is impossible.
    """
    fields: dict[str, Any] = {**brought.preprocess, **request.preprocess}
    other_size = fields.get("size") != brought.preprocess.get("size")
    if (other_size or not str(fields.get("crop", "after")).startswith("after")) and "resize" not in request.preprocess:
        # the source's resize length is only valid for the source's own size, and before a crop
        fields.pop("resize", None)
    fields |= {"classes": request.classes or brought.classes, "outputs": request.outputs or brought.outputs}
    fake = request.fake
    if fake is None and fields["classes"] and {name.upper() for name in fields["classes"]} <= set(CLASSES):
        fake = tuple(name for name in fields["classes"] if name.upper() == "FAKE")
    # of several classes, none is no answer
    fields["fake"] = fake if fake or len(fields["classes"] or ()) < 2 else None
    missing = [option for key, option in OPTIONS.items() if fields.get(key) is None]
    # None where the source knows several
    missing += ["--resize"] if fields.get("resize", 0) is None else []
    if missing:
        raise SourceError(f"{request.source} does not say everything; say it with {', '.join(missing)}")
    # mean and std as of pixels in 0..1, whatever scale they were meant for
    try:
        factor = SCALE / float(fields.get("scale", SCALE))
        scaled = {key: [float(value) * factor for value in fields[key]] for key in ("mean", "std")}
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"its scale, mean or deviation cannot be ({error}); say --scale, --mean and --std") from None
    preprocessing = Preprocessing.of({**fields, "resize": fields.get("resize") or fields["size"], **scaled})
    return preprocessing, Classes(tuple(fields["classes"]), tuple(fields["fake"]), fields["outputs"])


def check(detector: Detector, data: str | None = None, *, progress: Progress | None = None) -> Checked:
    """Check that a detector's outputs are usable and, given labelled images, that most predictions are right.

    Args:
        detector: to check.
        data: an image set with a test split; None to check without labelled images.
        progress: called with (images done, N) while they are read, and again while they are judged.

    Raises:
        SourceError: outputs are not finite, not the declared probabilities or the same for all images, gradients for a
            map fail, or most predictions are wrong.
        DatasetError: the images cannot be read.
    """
    side = detector.side
    noise = np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype(np.uint8)
    flat = np.stack([np.full((side, side, 3), value, np.uint8) for value in (0, 255)])
    pictures = reference_pictures(detector.preprocessing)
    trial = np.concatenate([pictures, noise, flat])
    try:
        with torch.inference_mode():
            outputs = detector.network(detector.inputs(trial)).reshape(len(trial), -1).float().cpu().numpy()
    except Exception as error:  # noqa: BLE001 - networks of others raise whatever they like
        raise SourceError(
            f"it takes one picture but not {len(trial)} at once ({first_line(error)}); export or write it for any "
            "number of pictures"
        ) from None
    least, most = outputs.min(), outputs.max()
    inside = bool(least >= 0 and most <= 1)
    if not np.isfinite(outputs).all():
        raise SourceError("it gives answers that are not finite numbers; check its weights, --mean and --std")
    if detector.classes.outputs == "probabilities" and not inside:
        raise SourceError(f"it gives {least:.3g} to {most:.3g}, which are no probabilities; say --outputs logits")
    if np.ptp(outputs, axis=0).max() <= 1e-6 * max(1.0, float(np.abs(outputs).max())):
        raise SourceError("its answers do not depend on the picture; check its weights, --mean, --std and --scale")
    warning = ""
    if detector.classes.outputs == "logits" and inside:
        warning = "All its logits are between 0 and 1: if they are probabilities, say --outputs probabilities."
    margins = detector.margins(pictures)
    try:
        detector.full_pass(pictures[:1])
        if Capability.GRADIENTS in detector.capabilities:
            inputs = detector.inputs(pictures[:1]).requires_grad_(True)
            torch.autograd.grad(detector.scores(inputs.clone()).sum(), inputs)
    except RuntimeError as error:
        raise SourceError(
            f"it gives verdicts but no gradients ({first_line(error)}); where it has a part that computes without "
            "them, take that away, or export it to ONNX"
        ) from None
    if data is None:
        return Checked(margins, warning)
    try:
        images = load_image_set(data, "test", fit=detector.preprocessing, skip_bad=True, progress=progress)
    except DatasetError as error:
        where = f"{str(error).rstrip('.')}. Of a set for --check, folders or labels must say REAL and FAKE"
        raise DatasetError(f"{where} (--fake-classes is about the network's outputs here).") from None
    verdicts = detector.margins(np.asarray(images.pixels), progress=progress) > 0
    right = int((verdicts == images.labels.astype(bool)).sum())
    if 2 * right < len(images):
        raise SourceError(
            f"it is right on {right} of {len(images)} pictures of {data}, fewer than a coin would be; check "
            "--fake-classes, the order of --classes, and the preprocessing"
        )
    return Checked(margins, warning, len(images), right)


def describe_in_words(detector: Detector, checked: Checked) -> dict[str, str]:
    """Describe a detector that is being added, for the terminal and its card: heading -> words."""
    preprocessing, classes = detector.preprocessing, detector.classes
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (preprocessing.mean, preprocessing.std))
    crop = "stretched by" if preprocessing.crop == "none" else f"centre cut out {preprocessing.crop.partition('_')[0]}"
    words = {
        "Input": f"{preprocessing.size} x {preprocessing.size} pixels; {crop} resizing to {preprocessing.resize}",
        "Interpolation": preprocessing.interpolation,
        "Mean and deviation": f"{mean} and {std}, of values in 0..1",
        "Outputs": f"{', '.join(classes.names)} ({classes.outputs})",
        "FAKE": ", ".join(classes.fake) or "whatever the one output does not speak for",
        "Target layer": detector.target_layer or "none: it gives predictions only",
        "Layers": ", ".join(f"{name} ({h} x {w})" for name, (h, w) in detector.layers.items()) or "none",
        "Margins of eight pictures": ", ".join(f"{margin:+.2f}" for margin in checked.margins),
        "Check": "no pictures with known answers were given",
    }
    if checked.pictures:
        words["Check"] = f"right on {checked.right:,} of {checked.pictures:,} pictures with known answers"
    return words | ({"Note": checked.warning} if checked.warning else {})


def model_card(detector: Detector, checked: Checked) -> str:
    """Write the card of a detector that others made, as Markdown."""
    rows = "\n".join(f"- {heading}: {words}" for heading, words in describe_in_words(detector, checked).items())
    return f"""# Detector `{detector.name}`

Made by others, added from `{detector.manifest["source"]}`. What it was trained on is not known here, so leaks between
its training set and an image set are not found.

{rows}

## Not for

- Deciding whether any picture from the world is real.
- Evidence against a person.
"""
