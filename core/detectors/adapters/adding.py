"""Adding a detector of others: read its source, complete what that leaves open, check it, store it."""

import contextlib
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.detectors.adapters.adapter import Brought, OpenError, Request, SourceError
from core.detectors.adapters.description import Checked, model_card
from core.detectors.capabilities import Capability
from core.detectors.classes import Classes
from core.detectors.detector import Progress
from core.detectors.devices import pick_device
from core.detectors.manifest import About
from core.detectors.network import NetworkDetector
from core.detectors.reference import reference_pictures
from core.detectors.registry import KINDS, Kind, find_kind
from core.detectors.storage import load_detector, save_detector
from core.images.image_set import DatasetError
from core.images.labels import CLASSES
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.storage import refuse_taken

CPU = torch.device("cpu")
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


def kind_of(source: str) -> Kind:
    """Find the kind that takes a source.

    Raises:
        SourceError: none does.
    """
    try:
        Path(source).expanduser()
    except RuntimeError:
        raise SourceError(f"{source} begins with a user who is unknown here; write the whole path") from None
    kinds = [kind for kind in map(find_kind, KINDS) if kind.adapter is not None]
    for kind in kinds:
        if kind.adapter is not None and kind.adapter.takes(source):
            return kind
    known = "; ".join(kind.adapter.source for kind in kinds if kind.adapter is not None)
    raise SourceError(f"there is no folder {source!r}, and it is no other source that is known: {known}")


def bring(name: str, request: Request, *, target_layer: str | None = None, temperature: float = 1.0) -> NetworkDetector:
    """Build a detector from a source.

    Args:
        name: the detector's name.
        request: the source and the user's settings.
        target_layer: name of the layer to explain; when None, the last one with spatial output.
        temperature: margins are divided by it before they become probabilities; above 0.

    Raises:
        SourceError: the source cannot be read, or a required setting is missing.
        ValueError: a setting is impossible or does not fit the network.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be above 0, not {temperature:g}")
    kind = kind_of(request.source)
    assert kind.adapter is not None  # noqa: S101 - `kind_of` gives no other
    brought = kind.adapter.read(request)
    preprocessing, classes = complete(brought, request)
    about = About(kind.name, brought.config, preprocessing, classes, target_layer or "", temperature, {}, frozenset())
    manifest = {"name": name, "source": Path(request.source).name}
    return kind.wrap(brought.network, about, temperature=temperature, manifest=manifest, device=CPU)


def complete(brought: Brought, request: Request) -> tuple[Preprocessing, Classes]:
    """Merge the settings of a source and a user; the user's take precedence, and nothing is guessed.

    Raises:
        OpenError: a required setting is stated by neither.
        ValueError: a setting is impossible.
    """
    said: dict[str, Any] = {**brought.preprocess, **request.preprocess}
    other = said.get("size") != brought.preprocess.get("size")
    cropped = str(said.get("crop") or "after").startswith("after")
    if (other or not cropped) and "resize" not in request.preprocess:
        # the source's resize length is only valid for the source's own size, and before a crop
        said.pop("resize", None)
    said |= {"classes": request.classes or brought.classes, "outputs": request.outputs or brought.outputs}
    said["fake"] = request.fake if request.fake is not None else _named_fake(said["classes"])
    if not said["fake"] and len(said["classes"] or ()) > 1:
        # of several classes, none is no answer
        said["fake"] = None
    missing = [option for key, option in OPTIONS.items() if said.get(key) is None]
    # None where the source knows several
    if said.get("resize", 0) is None:
        missing.append("--resize")
    if missing:
        raise OpenError(request.source, tuple(missing))
    # mean and std as of pixels in 0..1, whatever scale they were meant for
    try:
        factor = SCALE / float(said.get("scale", SCALE))
        mean, std = (tuple(float(value) * factor for value in said[key]) for key in ("mean", "std"))
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"its scale, mean or deviation cannot be ({error}); say --scale, --mean and --std") from None
    preprocessing = Preprocessing.of(
        {
            "size": said["size"],
            "resize": said.get("resize") or said["size"],
            "crop": said["crop"],
            "interpolation": said["interpolation"],
            "mean": mean,
            "std": std,
        }
    )
    return preprocessing, Classes(tuple(said["classes"]), tuple(said["fake"]), said["outputs"])


def _named_fake(classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the FAKE ones of classes that are called FAKE and REAL; None where they are called otherwise."""
    if not classes or not {name.upper() for name in classes} <= set(CLASSES):
        return None
    return tuple(name for name in classes if name.upper() == "FAKE")


def check(detector: NetworkDetector, data: str | None = None, *, progress: Progress | None = None) -> Checked:
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
    asked = np.concatenate([pictures, noise, flat])
    try:
        outputs = raw_outputs(detector, asked)
    except Exception as error:  # noqa: BLE001 - networks of others raise whatever they like
        raise SourceError(
            f"it takes one picture but not {len(asked)} at once ({(str(error).splitlines() or [''])[0]}); export or "
            "write it for any number of pictures"
        ) from None
    if not np.isfinite(outputs).all():
        raise SourceError("it gives answers that are not finite numbers; check its weights, --mean and --std")
    inside = bool((outputs >= 0).all() and (outputs <= 1).all())
    if detector.classes.outputs == "probabilities" and not inside:
        raise SourceError(
            f"it gives {outputs.min():.3g} to {outputs.max():.3g}, which are no probabilities; say --outputs logits"
        )
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
            f"it gives verdicts but no gradients ({str(error).splitlines()[0]}); where it has a part that computes "
            "without them, take that away, or export it to ONNX"
        ) from None
    if data is None:
        return Checked(margins, warning=warning)
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
    return Checked(margins, len(images), right, warning)


def raw_outputs(detector: NetworkDetector, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compute what the network itself gives for uint8 (N, S, S, 3): float32 (N, K)."""
    with torch.inference_mode():
        outputs = detector.network(detector.inputs(pixels))
    found: NDArray[np.float32] = outputs.reshape(len(pixels), -1).float().cpu().numpy()
    return found


def add(
    path: Path,
    request: Request,
    *,
    data: str | None = None,
    target_layer: str | None = None,
    temperature: float = 1.0,
    replace: bool = False,
    progress: Progress | None = None,
    tell: Callable[[NetworkDetector, Checked], None] = lambda _detector, _checked: None,
) -> NetworkDetector:
    """Build a detector from a source, check it, save it, and load the saved copy.

    Args:
        path: the folder to write; its last part becomes the detector's name.
        request: the source and the user's settings.
        data: an image set with labelled test images, see `check`.
        target_layer, temperature: see `bring`.
        replace: overwrite an existing folder.
        progress: see `check`.
        tell: called with the detector and the result of `check` before `path` is written.

    Raises:
        ValueError: as for `bring` and `check`; ContractError if the saved detector's outputs differ.
        TakenError: the folder exists and `replace` is false.
        WriteError: the folder could not be written.
    """
    if not replace:
        refuse_taken(path)
    detector = bring(path.name, request, target_layer=target_layer, temperature=temperature)
    checked = check(detector, data, progress=progress)
    if checked.pictures:
        known = {"checked": {"pictures": checked.pictures, "right": checked.right}}
        detector.manifest = {**detector.manifest, **known}
    tell(detector, checked)
    pictures, card = reference_pictures(detector.preprocessing), model_card(detector, checked)
    with tempfile.TemporaryDirectory() as folder:
        # load a temporary copy first, so that a broken detector replaces no existing one
        trial = Path(folder) / path.name
        save_detector(trial, detector, model_card=card, reference=pictures)
        # code of others may hold tensors of its own, which stay on the CPU
        if (device := pick_device().type) != "cpu":
            # a GPU that others fill is no fault of the detector
            with contextlib.suppress(torch.OutOfMemoryError):
                load_detector(trial, device=device)
        loaded = load_detector(trial, device="cpu")
    # the last step: whoever stops it before has added nothing
    save_detector(path, detector, model_card=card, reference=pictures, replace=replace)
    return loaded
