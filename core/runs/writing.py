"""Computing a run and writing it to disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.arrays import Array, Float32, Record
from core.images.image_set import ImageSet
from core.images.labels import CLASSES
from core.images.preprocessing import Preprocessing
from core.images.statistics import FILE_FACTS, STATISTICS
from core.runs.checks import derived_of, fault_of, fits_rows
from core.runs.nearest import halved
from core.runs.run import KIND, SCORES
from core.storage.atomic import refuse_taken, write_folder

if TYPE_CHECKING:
    from core.detectors.detector import Detector, Pass

# the libraries that results depend on
LIBRARIES = (
    "torch", "torchvision", "torchcam", "lime", "scikit-image", "scikit-learn", "scipy", "imagehash", "numpy", "pandas",
    "pillow", "captum", "timm", "transformers", "onnxruntime",
)  # fmt: skip
LARGE_FEATURES = 32 * 2**20


def write_run(
    home: Path,
    detector: Detector,
    images: ImageSet,
    *,
    train_sha256: frozenset[str] | None = frozenset(),
    ship_images: bool = False,
    seen: Sequence[str] | None = None,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
    run_pass: Callable[[], Pass] | None = None,
) -> Path:
    """Compute a run and write it to `<home>/runs/<detector>@<set>/`.

    Args:
        home: folder that holds `runs/`.
        detector: with rounded weights, named by its manifest.
        images: the set to predict.
        train_sha256: hashes of the files that the detector was trained on; test files among them are leaks. None where
            they are unknown; the run then states that leaks were not checked.
        ship_images: store the pixels with the run (only where their licence allows it).
        seen: sources whose images the detector was trained on; None where that is not known.
        replace: overwrite a run of this name.
        progress: called with (images done, N).
        run_pass: computes the detector's full pass over the images; when None, it is done here as a whole.

    Returns:
        The run's folder.

    Raises:
        ValueError: the images are not of the side that the detector takes, or it gives numbers that are not finite.
        TakenError: a run of this name exists and `replace` is false.
        WriteError: the folder could not be written; nothing is left half done.
    """
    path = home / "runs" / f"{detector.name}@{images.name}"
    if not replace:
        refuse_taken(path)
    if images.side != detector.side:
        raise ValueError(
            f"the images of {images.name} have {images.side} pixels a side and {detector.name} takes {detector.side}; "
            "resize them first"
        )
    if run_pass is None:
        run_pass = partial(detector.full_pass, images.pixels, progress=progress)
    computed = run_pass()
    p_real = detector.p_real(computed.margins)
    predictions = prediction_frame(images, computed.logits, p_real, train_sha256 or frozenset())
    arrays = _arrays_of(computed)
    if ship_images:
        arrays["images"] = images.pixels
    about = _describe(detector) | {"leaks_checked": train_sha256 is not None}
    if seen is not None:
        about["seen"] = sorted(seen)
    _write(path, images, predictions, about, arrays, replace=replace)
    return path


def _arrays_of(computed: Pass) -> dict[str, Array]:
    """Return what a run stores of a pass: maps, and features unless they are large."""
    arrays = {}
    if computed.maps is not None:
        arrays["maps"] = halved(computed.maps)
    if computed.features is not None:
        features = halved(computed.features)
        if features.nbytes <= LARGE_FEATURES:
            arrays["features"] = features
    return arrays


def _describe(detector: Detector) -> dict[str, Any]:
    """Return what a run's manifest says of the detector."""
    return {
        "detector": detector.name,
        "detector_sha256": detector.sha256,
        "detector_fingerprint": detector.identity.fingerprint,
        "temperature": detector.temperature,
        "preprocess": asdict(detector.preprocessing),
        "target_layer": detector.target_layer or None,
        "device": detector.device.type,
        "bias": detector.bias,
        **{key: detector.manifest[key] for key in ("noise", "known") if detector.manifest.get(key)},
    }


def write_scores(
    home: Path,
    name: str,
    images: ImageSet,
    logits: Float32,
    *,
    fit: Preprocessing,
    replace: bool,
) -> Path:
    """Write the run of a detector that is not here to `<home>/runs/<name>@<set>/`.

    Args:
        home: folder that holds `runs/`.
        name: of the detector.
        images: the set that it scored.
        logits: float (N, 2), scores of FAKE and REAL, equal at its threshold.
        fit: the preprocessing that the images were loaded with.
        replace: overwrite a run of this name.

    Returns:
        The run's folder.

    Raises:
        ValueError: a score is no finite number of single precision.
        TakenError: a run of this name exists and `replace` is false.
        WriteError: the folder could not be written; nothing is left half done.
    """
    path = home / "runs" / f"{name}@{images.name}"
    if not replace:
        refuse_taken(path)
    logits = logits.astype(np.float32)
    margins = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    p_real = (0.5 * (1 + np.tanh(margins / 2))).astype(np.float32)
    predictions = prediction_frame(images, logits, p_real, frozenset())
    about = {
        "detector": name,
        "detector_sha256": SCORES,
        "detector_fingerprint": SCORES,
        "temperature": 1.0,
        "preprocess": asdict(fit),
        "target_layer": None,
        "leaks_checked": False,
        "bias": None,
    }
    _write(path, images, predictions, about, {}, replace=replace)
    return path


def _write(
    path: Path,
    images: ImageSet,
    predictions: pd.DataFrame,
    about: Record,
    arrays: Mapping[str, Array],
    *,
    replace: bool,
) -> None:
    """Write a run's folder; `about` is the part of its manifest on the detector.

    Raises:
        ValueError: what would be written could not be read.
    """
    fault = fault_of(predictions, about["temperature"])
    files = {"predictions.parquet": partial(predictions.to_parquet, index=False)}
    for name, array in arrays.items():
        files[f"{name}.npy"] = partial(np.save, arr=array, allow_pickle=False)
        if not fits_rows(name, array, len(images), images.side):
            fault = fault or f"no usable {name}"
    if fault:
        raise ValueError(f"{path.name} would have {fault}, so it was not written; check the detector's numbers")
    manifest = {
        **about,
        "set": images.name,
        "set_fingerprint": images.fingerprint,
        "skipped": list(images.skipped),
        "images": len(images),
        **made_now(),
        **derived_of(predictions),
    }
    write_folder(path, kind=KIND, manifest=manifest, files=files, replace=replace)


def prediction_frame(images: ImageSet, logits: Float32, p_real: Float32, train_sha256: frozenset[str]) -> pd.DataFrame:
    """Make the table of a run, one row per image, in the set's order."""
    rows = images.rows
    margin = logits[:, 1] - logits[:, 0]
    frame = pd.DataFrame(
        {
            "id": rows["id"].astype(str),
            "name": rows["name"].astype(str),
            "label": pd.Categorical.from_codes(
                # an image without a label has none
                np.where(rows["label"] < len(CLASSES), rows["label"].astype(int), -1),
                categories=list(CLASSES),
            ),
            "predicted": pd.Categorical.from_codes((margin > 0).astype(int), categories=list(CLASSES)),
            "margin": margin.astype(np.float32),
            "p_real": p_real.astype(np.float32),
            "logit_fake": logits[:, 0].astype(np.float32),
            "logit_real": logits[:, 1].astype(np.float32),
            "category": rows["category"].astype("category"),
            "sha256": rows["sha256"].astype(str),
            "in_train": rows["sha256"].isin(train_sha256).to_numpy(),
            "is_repeat": rows["is_repeat"].to_numpy(bool),
        }
    )
    if "source" in rows:
        frame["source"] = rows["source"].astype("category")
    return pd.concat([frame, rows[[*STATISTICS, *(name for name in FILE_FACTS if name in rows)]]], axis=1)


def made_now() -> dict[str, Any]:
    """Return what files say of their making: `created`, the time, and `versions` of the libraries."""
    return {"created": datetime.now(UTC).isoformat(timespec="seconds"), "versions": library_versions()}


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that results depend on, read once: that takes milliseconds for each."""
    versions = dict.fromkeys(LIBRARIES, "absent")
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
