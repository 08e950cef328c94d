"""Add a detector that others made."""

import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from core.arrays import Record
from core.detectors.detector import CPU, Detector, Progress, pick_device
from core.detectors.fetching import check_accuracy
from core.detectors.known import caution_of, find_known
from core.detectors.manifest import About, Capability, Classes
from core.detectors.noise import measure_noise
from core.detectors.registry import Brought, Kind, Request, SourceError, find_kind
from core.detectors.storage import load_detector, reference_pictures, save_detector
from core.images.labels import CLASSES, Crop
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.storage.atomic import refuse_taken
from core.storage.limits import first_line, printable

SCALE = 1 / 255
# whose rounding of crops -> the crop of the other
LIKE: dict[str | None, dict[str, Crop]] = {
    "torchvision": {"after_floor": "after", "before_fit": "before"},
    "pillow": {"after": "after_floor", "before": "before_fit"},
}
# what sources begin with -> their kind
PREFIXES = {"py": "python", **{kind: kind for kind in ("timm", "torchvision", "function", "layers", "ferretnet")}}
KERAS = (".h5", ".hdf5", ".keras")
WEIGHTS_ALONE = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
# what a source or the user must state
NEEDED = ("size", "crop", "interpolation", "mean", "std", "classes", "fake-classes", "outputs")
# what takes a while in adding a large network
STEPS = (
    "reading the source",
    "trying its outputs",
    "measuring its noise",
    "checking its answers",
    "writing it and reading it again",
)
NOT_FOR = """
## Not for

- Deciding whether any picture from the world is real.
- Evidence against a person.
"""


def add(
    path: Path,
    request: Request,
    *,
    known: str = "",
    data: str | None = None,
    target_layer: str | None = None,
    temperature: float = 1.0,
    replace: bool = False,
    progress: Progress | None = None,
    step: Callable[[int, int, str], None] | None = None,
) -> Detector:
    """Build a detector from a source, check it, save it, and load the saved copy.

    Args:
        path: the folder to write; its last part becomes the detector's name.
        request: the source and the user's settings.
        known: its name, if it was fetched by name: its accuracy must be the known one.
        data: an image set with a test split, see `check_answers`; None to add it without labelled images.
        target_layer, temperature: see `build_from`.
        replace: overwrite an existing folder.
        progress: see `check_answers`.
        step: called with (steps done, steps, what begins).

    Raises:
        ValueError: as for `build_from`, `check_outputs` and `check_answers`; ContractError if the saved detector's
            outputs differ.
        TakenError: the folder exists and `replace` is false.
        WriteError: the folder could not be written.
    """
    if not replace:
        refuse_taken(path)

    def begin(number: int) -> None:
        if step is not None:
            step(number, len(STEPS), STEPS[number])

    begin(0)
    detector = build_from(request, name=path.name, target_layer=target_layer, temperature=temperature)
    begin(1)
    check_outputs(detector)
    begin(2)
    pictures = reference_pictures(detector.preprocessing)
    detector, noise = measure_noise(detector, pictures)
    margins = detector.margins(pictures)
    findings = {
        "Margins of eight pictures (logits; above 0 is REAL)": ", ".join(f"{margin:+.2f}" for margin in margins),
        "Their p_real (0 to 1)": ", ".join(f"{share:.2f}" for share in detector.p_real(margins)),
    }
    begin(3)
    findings["Check"] = "no pictures with known answers were given"
    if data is not None:
        findings["Check"] = check_answers(detector, data, progress=progress)
    findings |= noise
    if known:
        about = find_known(known)
        detector.manifest = {**detector.manifest, "known": known}
        findings |= {"Fetched from": about.address or about.page, "Licence": about.licence}
        caution = caution_of(detector.manifest)
        if caution:
            findings["False alarms"] = caution
        if about.accuracy:
            findings["On CIFAKE"] = check_accuracy(detector, about, progress=progress)
    card = model_card(detector, findings)
    begin(4)
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
    if kind.name in ("transformers", "onnx") and request.weights is not None:
        raise SourceError(f"{request.source} has weights of its own; leave out --weights")
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
    name = PREFIXES.get(source.partition(":")[0])
    if name is not None:
        return find_kind(name)
    if Path(source).is_dir():
        return find_kind("transformers")
    if source.lower().endswith(".onnx"):
        return find_kind("onnx")
    missing = "" if Path(source).exists() else "there is no file or folder of this name; "
    raise SourceError(f"{source!r} is no source: {missing}{_way_for(source)}")


def _way_for(source: str) -> str:
    """Say how a detector in a file of this kind is added."""
    suffix = Path(source).suffix.lower()
    if suffix in KERAS:
        return (
            "a network of Keras is exported by model.export('model.onnx', format='onnx') and added as model.onnx, or "
            "loaded by a function of yours, function:FILE.py:FUNCTION"
        )
    if suffix in WEIGHTS_ALONE:
        return (
            f"weights need their network: timm:NAME, torchvision:NAME or py:FILE.py:FUNCTION with --weights {source}; "
            "py: takes a function that returns it"
        )
    if suffix == ".py":
        return f"name a function in it, py:{source}:FUNCTION for a network or function:{source}:FUNCTION for scores"
    return "see the command's --help"


def complete(brought: Brought, request: Request) -> tuple[Preprocessing, Classes]:
    """Merge the settings of a source and a user; the user's take precedence, and nothing is guessed.

    Raises:
        SourceError: a required setting is stated by neither; the message names the options that state it.
        ValueError: a setting is impossible.
    """
    stated: dict[str, Any] = {**brought.preprocess, **request.preprocess}
    crop = str(stated.get("crop", "after"))
    other_size = stated.get("size") != brought.preprocess.get("size")
    if "resize" not in request.preprocess and (other_size or not crop.startswith("after")):
        # the source's resize length is only valid for the source's own size, and before a crop
        stated.pop("resize", None)
    if stated.get("crop") is not None:
        stated["crop"] = LIKE.get(request.resize_like, {}).get(crop, crop)
    names = request.classes or brought.classes
    outputs = request.outputs or brought.outputs
    fake = request.fake
    if fake is None and names and {name.upper() for name in names} <= set(CLASSES):
        fake = tuple(name for name in names if name.upper() == "FAKE")
    stated |= {"classes": names, "outputs": outputs, "fake-classes": fake}
    if not fake and len(names or ()) > 1:
        # of several classes, none is no answer
        stated["fake-classes"] = None
    missing = [f"--{key}" for key in NEEDED if stated.get(key) is None]
    if stated.get("resize", 0) is None:
        # the source knows several
        missing.append("--resize")
    if missing or names is None or outputs is None or fake is None:
        sentence = f"{request.source} does not say everything; say it with {', '.join(missing)}"
        usual = _options({key: value for key, value in brought.usual.items() if stated.get(key) is None})
        if usual:
            sentence += f"; weights of the library's own, if yours were trained like them, go with {usual}"
        raise SourceError(sentence)
    # mean and std as of pixels in 0..1, whatever scale they were meant for
    try:
        factor = SCALE / float(stated.get("scale", SCALE))
        scaled = {key: [float(value) * factor for value in stated[key]] for key in ("mean", "std")}
    except (TypeError, ArithmeticError) as error:
        raise ValueError(f"its scale, mean or deviation cannot be ({error}); say --mean and --std") from None
    preprocessing = Preprocessing.of({"resize": 0, **stated, **scaled})
    return preprocessing, Classes(tuple(names), tuple(fake), outputs, request.threshold)


def _options(fields: Record) -> str:
    """Write fields of `Preprocessing` as options of the command; those that are None are left out."""
    options = []
    for key, value in fields.items():
        # mean and deviation are three numbers
        text = value
        if isinstance(value, tuple):
            text = ",".join(map(str, value))
        if text is not None:
            options.append(f"--{key} {text}")
    return " ".join(options)


def check_outputs(detector: Detector) -> None:
    """Check that a detector's outputs are usable.

    Raises:
        SourceError: outputs are not finite, not the declared probabilities or the same for all images, or gradients for
            a map fail.
    """
    pictures = reference_pictures(detector.preprocessing)
    noise = np.random.default_rng(0).integers(0, 256, (2, *pictures.shape[1:])).astype(np.uint8)
    trial = np.concatenate([pictures, noise, np.zeros_like(pictures[:1]), np.full_like(pictures[:1], 255)])
    try:
        with torch.inference_mode():
            outputs = detector.network(detector.inputs(trial)).reshape(len(trial), -1).float().cpu().numpy()
    except Exception as error:  # noqa: BLE001 - networks of others raise whatever they like
        raise SourceError(
            f"it takes one picture but not {len(trial)} at once ({first_line(error)}); export or write it for any "
            "number of pictures"
        ) from None
    if not np.isfinite(outputs).all():
        raise SourceError("it gives answers that are not finite numbers; check its weights, --mean and --std")
    least = outputs.min()
    most = outputs.max()
    if detector.classes.outputs == "probabilities" and not 0 <= least <= most <= 1:
        raise SourceError(f"it gives {least:.3g} to {most:.3g}, which are no probabilities; say --outputs logits")
    if np.ptp(outputs, axis=0).max() <= 1e-6 * max(1.0, float(np.abs(outputs).max())):
        raise SourceError("its answers do not depend on the picture; check its weights, --mean and --std")
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


def check_answers(detector: Detector, data: str, *, progress: Progress | None = None) -> str:
    """Check on labelled images that a detector's predictions are not clearly worse than chance; say how right they are.

    Args:
        detector: to check.
        data: an image set with a test split.
        progress: called with (images done, N) while they are read, and again while they are judged.

    Raises:
        SourceError: fewer predictions are right than chance would explain (binomial test at 1 %).
        DatasetError: the images cannot be read.
    """
    images = load_image_set(data, "test", fit=detector.preprocessing, skip_bad=True, progress=progress).needing_both()
    margins = detector.margins(np.asarray(images.pixels), progress=progress)
    real = images.labels.astype(bool)
    missed = int((~real & (margins > 0)).sum())
    accused = int((real & (margins <= 0)).sum())
    right = len(images) - missed - accused
    if binomtest(right, len(images), alternative="less").pvalue < 0.01:
        raise SourceError(
            f"it is right on {right} of {len(images)} pictures of {data}, fewer than a coin would be; check "
            "--fake-classes, --classes, and the preprocessing"
        )
    counts = f"FAKE called REAL: {missed} of {(~real).sum()}; REAL called FAKE: {accused} of {real.sum()}"
    accuracy = f"right on {right:,} of {len(images):,} pictures with known answers ({right / len(images):.4f})"
    return f"{accuracy}; AUROC {roc_auc_score(real, margins):.4f}; {counts}"


def model_card(detector: Detector, findings: Mapping[str, str]) -> str:
    """Write the card of a detector that others made, as Markdown; `findings` are further rows, heading -> words."""
    preprocessing = detector.preprocessing
    classes = detector.classes
    mean = ", ".join(f"{value:.4g}" for value in preprocessing.mean)
    std = ", ".join(f"{value:.4g}" for value in preprocessing.std)
    step = f"centre cut out {preprocessing.crop.partition('_')[0]} resizing to {preprocessing.resize}"
    if preprocessing.crop == "none":
        step = "stretched"
    if preprocessing.native:
        step = "the picture's own at its centre, without resizing"
    rows = {
        "Input": f"{preprocessing.size} x {preprocessing.size} pixels; {step}",
        "Interpolation": preprocessing.interpolation,
        "Mean and deviation": f"{mean} and {std}, of values in 0..1",
        "Outputs": f"{', '.join(classes.names)} ({classes.outputs})",
        "FAKE": ", ".join(classes.fake) or "whatever the one output does not speak for",
        "Target layer": detector.target_layer or "none: it gives predictions only",
    }
    if classes.threshold is not None:
        rows["Threshold"] = f"{classes.threshold:g}"
    rows |= findings
    source = f"Made by others, added from `{printable(detector.manifest['source'])}`."
    unknown = "What it was trained on is not known here, so leaks between that and an image set are not found."
    listed = "\n".join(f"- {heading}: {printable(words)}" for heading, words in rows.items())
    return f"# Detector `{detector.name}`\n\n{source} {unknown}\n\n{listed}\n{NOT_FOR}"
