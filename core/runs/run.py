"""Runs: one detector on one image set, written once and never changed; reading and verifying them needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from core.arrays import Array, Floats, Mask, Pixels, Record
from core.detectors.manifest import OLD_LAYER, OLD_SIDE, Name, Number, Text
from core.images.image_set import Split, split_of
from core.images.labels import CLASSES, ClassName
from core.images.preprocessing import Preprocessing
from core.runs.checks import derived_of, fault_of, fits_rows
from core.runs.folders import find_named, find_runs
from core.runs.metrics import SEEN
from core.storage.atomic import SEAL, read_folder
from core.storage.limits import MANIFEST, ContractError, read_array, read_table

KIND = "run"
# in place of the hash of the detector that made a run from a table of scores
SCORES = "scores"
LARGE = 64 * 2**20
Count = Annotated[int, Field(ge=0)]


class Manifest(BaseModel):
    """The fields of a run's manifest that are read; runs of earlier versions lack those with a default."""

    model_config = ConfigDict(strict=True)
    detector: Name
    detector_sha256: Text
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    set: Name
    set_fingerprint: Text
    skipped: list[str]
    images: Count
    created: Text
    versions: dict[str, str]
    metrics: dict[str, Any]
    leaked: Count
    repeats: Count
    bias: Number | None
    preprocess: Annotated[dict[str, Any], AfterValidator(Preprocessing.of)] = {"size": OLD_SIDE}
    target_layer: Text | None = OLD_LAYER
    detector_fingerprint: Text = "unknown"
    device: Text = "unknown"
    seen: list[str] | None = None
    noise: Annotated[Number, Field(ge=0)] = 0
    known: Text | None = None


def check_manifest(path: Path, manifest: Record) -> None:
    """Refuse a run's manifest in which a field is missing or malformed.

    Raises:
        ContractError: naming the file and the first thing that is wrong with it.
    """
    try:
        Manifest.model_validate(manifest)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise ContractError(f"{path / MANIFEST} has no usable {name}; restore it or write the run again") from None


@dataclass(frozen=True, eq=False)
class Run:
    """A run as read from disk.

    Attributes:
        path: its folder, named `<detector>@<set>`.
        manifest: detector and set hashes, metrics, settings.
        predictions: one row per image, the columns of `core.runs.checks` and of
            `core.images.statistics.STATISTICS` and `FILE_FACTS`, and `source` (generator or camera) where the set knows
            any. `label` is missing in all rows where nobody has stated the classes.
        maps: float (N, h, w), the signed margin maps; None where the detector gives none. Arrays are memory-mapped only
            if they have more than `LARGE` bytes.
        features: float (N, C) pooled features; None where there are none or they were too large to keep.
        images: uint8 (N, side, side, 3), stored with the run; None if they have to be found in an image set by hash.
    """

    path: Path
    manifest: dict[str, Any]
    predictions: pd.DataFrame
    maps: Floats | None
    features: Floats | None
    images: Pixels | None

    @property
    def name(self) -> str:
        """`<detector>@<set>`."""
        return self.path.name

    @property
    def sealed(self) -> bool:
        """True if the manifest holds its own hash, which the oldest runs lack."""
        return SEAL in self.manifest

    @property
    def scores_only(self) -> bool:
        """True if it was made from a table of scores, without its detector."""
        return self.manifest["detector_sha256"] == SCORES

    @property
    def noise(self) -> float:
        """How much a margin changes though the image is the same; 0 where it hardly does."""
        return float(self.manifest.get("noise", 0))

    @property
    def split(self) -> Split:
        """The split of its image set."""
        return split_of(str(self.manifest["set"]))

    @property
    def needed_maps(self) -> Floats:
        """The maps.

        Raises:
            ContractError: the run has none.
        """
        if self.maps is None:
            raise ContractError(f"{self.name} has no maps: its detector has no layers to read them from")
        return self.maps

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing from files to the detector's input."""
        fields = self.manifest.get("preprocess")
        if fields is None:
            return Preprocessing(OLD_SIDE)
        return Preprocessing.of(fields)

    @property
    def side(self) -> int:
        """Pixels along each side of the detector's input."""
        return self.preprocessing.size

    @property
    def target_layer(self) -> str | None:
        """The layer of its maps and features, None where it has neither."""
        return self.manifest.get("target_layer", OLD_LAYER)

    @property
    def classes(self) -> tuple[ClassName, ...]:
        """The classes that its images have; none where they have no labels."""
        return tuple(name for name in CLASSES if (self.predictions["label"] == name).any())

    @property
    def seen(self) -> pd.Series | None:
        """For each row, "seen" or "unseen": whether its generator was in the training; None where that is not stated.

        A source of REAL images alone, such as a camera, is neither.
        """
        names = self.manifest.get("seen")
        if names is None or "source" not in self.predictions:
            return None
        source = self.predictions["source"].astype(object)
        fake = self.predictions["label"] == "FAKE"
        is_generator = source.isin(source[fake]) & source.notna()
        codes = np.where(is_generator, ~source.isin(names), -1)
        return pd.Series(pd.Categorical.from_codes(codes, SEEN), self.predictions.index)

    @property
    def is_real(self) -> Mask:
        """bool (N,), True where the label is REAL; the prediction where there are no labels, so that none is wrong."""
        if not self.classes:
            return self.predicted_real
        return np.asarray(self.predictions["label"].astype(str) == "REAL")

    @property
    def predicted_real(self) -> Mask:
        """bool (N,), True where the prediction is REAL."""
        return np.asarray(self.predictions["predicted"].astype(str) == "REAL")

    @property
    def leaks_checked(self) -> bool:
        """True if its images were compared with the training images; also for older runs, which do not state it."""
        return self.manifest.get("leaks_checked", True)

    def __len__(self) -> int:
        return len(self.predictions)


def read_run(path: Path) -> Run:
    """Read and verify a run.

    Raises:
        ContractError: a file is missing, changed, or does not fit the others; the message names it.
    """
    manifest = read_folder(path, KIND)
    check_manifest(path, manifest)
    file = path / "predictions.parquet"
    if file.name not in manifest["files"]:
        raise ContractError(f"{path / MANIFEST} does not list {file.name}; write the run again")
    try:
        predictions = read_table(file, rows=manifest["images"]).to_pandas()
    except OSError as error:
        raise ContractError(f"{file} is no parquet file ({type(error).__name__}); restore it") from None
    fault = fault_of(predictions, manifest["temperature"])
    if fault:
        raise ContractError(f"{file} has {fault}; write the run again")
    run = Run(path, manifest | derived_of(predictions), predictions, None, None, None)
    maps = _read_array(run, "maps")
    if maps is None and run.target_layer is not None:
        raise ContractError(f"{path / MANIFEST} lists no maps.npy; write the run again")
    return replace(run, maps=maps, features=_read_array(run, "features"), images=_read_array(run, "images"))


def open_run(name: str | Path) -> Run:
    """Read a run that is here by its name, or from its folder.

    Raises:
        ContractError: there is none, or as for `read_run`.
    """
    return read_run(find_named(str(name), find_runs(), "run"))


def _read_array(run: Run, name: str) -> Array | None:
    """Read maps, features or images, and refuse those of another shape or type than a run's."""
    file = run.path / f"{name}.npy"
    if file.name not in run.manifest["files"]:
        return None
    try:
        # a mapped file that is cut short while it is read kills the process
        array = read_array(file, mapped=file.stat().st_size > LARGE)
    except (ValueError, OSError):
        raise ContractError(f"{file} is no plain numpy array; restore it or write the run again") from None
    if not fits_rows(name, array, len(run), run.side):
        raise ContractError(f"{file} does not hold the {name} of {len(run)} images; write the run again")
    return array


def distinct_names(runs: Sequence["Run"]) -> list[str]:
    """Name each of some runs: by its detector where all are on one set, else by its own name, numbered if need be."""
    detectors = [str(run.manifest["detector"]) for run in runs]
    names = [run.name for run in runs]
    different = len({run.path for run in runs})
    if len({run.manifest.get("set_fingerprint") for run in runs}) == 1 and len(set(detectors)) == different:
        return detectors
    if len(set(names)) == different:
        return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def same_images(first: Run, second: Run) -> bool:
    """Check whether two runs are different ones on one image set."""
    same = first.manifest.get("set_fingerprint") == second.manifest.get("set_fingerprint")
    return same and first.path.resolve() != second.path.resolve()
