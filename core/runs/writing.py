"""Computing a run, in shards that a killed process goes on from, and writing it to disk."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from core.arrays import Array, Float32, Positions, Record
from core.detectors.detector import Detector, Pass, batch_size
from core.images.image_set import ImageSet
from core.images.labels import CLASSES
from core.images.preprocessing import Preprocessing
from core.images.statistics import FILE_FACTS, STATISTICS
from core.runs.folders import library_versions, made_now
from core.runs.metrics import derived_of
from core.runs.nearest import halved
from core.runs.run import KIND, SCORES, fault_of, fits_rows
from core.storage.atomic import cache_dir, refuse_taken, write_folder
from core.storage.limits import digest_of
from core.storage.shards import Report, ShardProgress, compute_shards, remove_shards, run_locally, silent

LARGE_FEATURES = 32 * 2**20
# the fewest images of a shard
SHARD = 128


def write_run(
    home: Path,
    detector: Detector,
    images: ImageSet,
    *,
    train_sha256: frozenset[str] | None = frozenset(),
    ship_images: bool = False,
    seen: Sequence[str] | None = None,
    replace: bool = False,
    progress: ShardProgress = silent,
) -> Path:
    """Compute a run, in shards that a killed process goes on from, and write it to `<home>/runs/<detector>@<set>/`.

    Args:
        home: folder that holds `runs/`.
        detector: with rounded weights, named by its manifest.
        images: the set to predict.
        train_sha256: hashes of the files that the detector was trained on; test files among them are leaks. None where
            they are unknown; the run then states that leaks were not checked.
        ship_images: store the pixels with the run (only where their licence allows it).
        seen: sources whose images the detector was trained on; None where that is not known.
        replace: overwrite a run of this name.
        progress: called with (images done, N, what is being done).

    Returns:
        The run's folder.

    Raises:
        ValueError: the images are not of the side that the detector takes, or it gives numbers that are not finite.
        TakenError: a run of this name exists and `replace` is false.
        WriteError: the folder could not be written; nothing is left half done.
    """
    if not replace:
        # before what takes long
        refuse_taken(_path_of(home, detector.name, images))
    if images.side != detector.side:
        raise ValueError(
            f"the images of {images.name} have {images.side} pixels a side and {detector.name} takes {detector.side}; "
            "resize them first"
        )
    computed = pass_in_shards(detector, images, progress)
    predictions = prediction_frame(
        images, computed.logits, detector.p_real(computed.margins), train_sha256 or frozenset()
    )
    arrays: dict[str, Array] = {}
    if computed.maps is not None:
        arrays["maps"] = halved(computed.maps)
    if computed.features is not None:
        features = halved(computed.features)
        if features.nbytes <= LARGE_FEATURES:
            arrays["features"] = features
    if ship_images:
        arrays["images"] = images.pixels
    about = {
        "detector": detector.name,
        "detector_sha256": detector.sha256,
        "detector_fingerprint": detector.identity.fingerprint,
        "temperature": detector.temperature,
        "preprocess": asdict(detector.preprocessing),
        "target_layer": detector.target_layer or None,
        "device": detector.device.type,
        "bias": detector.bias,
        "leaks_checked": train_sha256 is not None,
        **{key: detector.manifest[key] for key in ("noise", "known") if detector.manifest.get(key)},
    }
    if seen is not None:
        about["seen"] = sorted(seen)
    path = _write(home, images, predictions, about, arrays, replace=replace)
    remove_shards(shards_folder(detector, images))
    return path


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
    logits = logits.astype(np.float32)
    margins = (logits[:, 1] - logits[:, 0]).astype(np.float64)
    p_real = expit(margins).astype(np.float32)
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
    return _write(home, images, predictions, about, {}, replace=replace)


def _path_of(home: Path, name: str, images: ImageSet) -> Path:
    return home / "runs" / f"{name}@{images.name}"


def _write(
    home: Path,
    images: ImageSet,
    predictions: pd.DataFrame,
    about: Record,
    arrays: Mapping[str, Array],
    *,
    replace: bool,
) -> Path:
    """Write a run's folder; `about` is the part of its manifest on the detector.

    Raises:
        ValueError: what would be written could not be read.
    """
    path = _path_of(home, about["detector"], images)
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
    return path


def prediction_frame(images: ImageSet, logits: Float32, p_real: Float32, train_sha256: frozenset[str]) -> pd.DataFrame:
    """Make the table of a run, one row per image, in the set's order."""
    columns = ["id", "name", "sha256", "category", "source", "is_repeat", *STATISTICS, *FILE_FACTS]
    rows = images.rows[images.rows.columns.intersection(columns)]
    margin = logits[:, 1] - logits[:, 0]
    # an image without a label has none
    labels = np.where(images.labels < len(CLASSES), images.labels.astype(int), -1)
    frame = rows.assign(
        label=pd.Categorical.from_codes(labels, categories=list(CLASSES)),
        predicted=pd.Categorical.from_codes((margin > 0).astype(int), categories=list(CLASSES)),
        margin=margin,
        p_real=p_real,
        logit_fake=logits[:, 0],
        logit_real=logits[:, 1],
        in_train=rows["sha256"].isin(train_sha256),
    )
    texts = dict.fromkeys(frame.columns.intersection(["category", "source"]), "category")
    return frame.astype(texts)


@dataclass(frozen=True, eq=False)
class PassWork:
    """The full pass of a detector over an image set, as work that is done in shards."""

    detector: Detector
    images: ImageSet
    name = "testing"

    @property
    def device(self) -> str:
        """The detector's device."""
        return self.detector.device.type

    def open(self, _report: Report) -> Callable[[Positions], pd.DataFrame]:
        """Return `compute`: everything is open."""
        return self.compute

    def compute(self, rows: Positions) -> pd.DataFrame:
        """Pack the arrays of a pass into a table: a column each, the bytes of an image's part in every row."""
        computed = self.detector.full_pass(self.images.pixels[rows[0] : rows[-1] + 1])
        table = pd.DataFrame(index=rows)
        for name, array in computed._asdict().items():
            if array is not None:
                table[name] = [part.tobytes() for part in array]
        return table


def pass_in_shards(detector: Detector, images: ImageSet, progress: ShardProgress) -> Pass:
    """Compute the same as `Detector.full_pass`; finished shards stay in `shards_folder`.

    Raises:
        WriteError: a shard cannot be written.
    """
    shapes: dict[str, tuple[int, ...]] = {"logits": (2,), "features": (detector.channels,)}
    if detector.layers:
        shapes["maps"] = detector.layers[detector.target_layer]
    shards = compute_shards(
        PassWork(detector, images),
        np.arange(len(images)),
        shard_size(detector),
        shards_folder(detector, images),
        engine=run_locally,
        progress=progress,
    )
    table = pd.concat([table for _, table in sorted(shards, key=itemgetter(0))])
    arrays: dict[str, Any] = dict.fromkeys(Pass._fields)
    for name in table:
        arrays[name] = np.frombuffer(b"".join(table[name]), np.float32).reshape(len(table), *shapes[name])
    return Pass(**arrays)


def shard_size(detector: Detector) -> int:
    """Return how many images a shard has: whole batches, whose size decides the last bits of what is computed."""
    batch = batch_size(detector.device, detector.side)
    return -(-SHARD // batch) * batch


def shards_folder(detector: Detector, images: ImageSet) -> Path:
    """Return the folder of the shards of this pass: results depend on device and libraries, too, by their rounding."""
    order = digest_of("".join(images.rows["sha256"]))
    key = json.dumps(
        [detector.identity.fingerprint, detector.target_layer, images.fingerprint, order, images.fit,
         detector.device.type, shard_size(detector), library_versions()],
        sort_keys=True,
    )  # fmt: skip
    return cache_dir() / "passes" / digest_of(key)[:20]
