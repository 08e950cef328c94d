"""Runs: one detector on one image set, written once and never changed; reading and verifying them needs no torch."""

from collections.abc import Callable, Sequence
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
from core.images.preprocessing import SIDES, Preprocessing
from core.images.statistics import FILE_FACTS, STATISTICS
from core.runs.folders import find_run
from core.runs.metrics import SEEN, derived_of
from core.storage.atomic import SEAL, read_folder
from core.storage.limits import MANIFEST, ContractError, read_array, read_table

KIND = "run"
# in place of the hash of the detector that made a run from a table of scores
SCORES = "scores"
LARGE = 64 * 2**20
# of numbers that were computed in another order, or from margins of single precision
TOLERANCE = 1e-6
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
        predictions: one row per image, the columns of `COLUMNS` and of `core.images.statistics.STATISTICS` and
            `FILE_FACTS`, and `source` (generator or camera) where the set knows any. `label` is missing in all rows
            where nobody has stated the classes.
        maps: float (N, h, w), the signed margin maps; None where the detector gives none. Arrays are memory-mapped only
            if they have more than `LARGE` bytes.
        features: float (N, C) pooled features; None where there are none or they were too large to keep.
        images: uint8 (N, side, side, 3), stored with the run; None if they have to be found in an image set by hash.
    """

    path: Path
    manifest: dict[str, Any]
    predictions: pd.DataFrame
    maps: Floats | None = None
    features: Floats | None = None
    images: Pixels | None = None

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
        if "preprocess" not in self.manifest:
            return Preprocessing(OLD_SIDE)
        return Preprocessing.of(self.manifest["preprocess"])

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
    run = Run(path, manifest | derived_of(predictions), predictions)
    arrays: dict[str, Any] = {}
    for name in ("maps", "features", "images"):
        if f"{name}.npy" in manifest["files"]:
            arrays[name] = _read_array(run, name)
    if "maps" not in arrays and run.target_layer is not None:
        raise ContractError(f"{path / MANIFEST} lists no maps.npy; write the run again")
    return replace(run, **arrays)


def open_run(name: str | Path) -> Run:
    """Read a run that is here by its name, or from its folder.

    Raises:
        ContractError: there is none, or as for `read_run`.
    """
    return read_run(find_run(name))


def _read_array(run: Run, name: str) -> Array:
    """Read maps, features or images, and refuse those of another shape or type than a run's."""
    file = run.path / f"{name}.npy"
    try:
        # a mapped file that is cut short while it is read kills the process
        array = read_array(file, mapped=file.stat().st_size > LARGE)
    except (ValueError, OSError):
        raise ContractError(f"{file} is no plain numpy array; restore it or write the run again") from None
    if not fits_rows(name, array, len(run), run.side):
        raise ContractError(f"{file} does not hold the {name} of {len(run)} images; write the run again")
    return array


def distinct_names(runs: Sequence[Run]) -> list[str]:
    """Name each of some runs: by its detector where all are on one set, else by its own name."""
    detectors = [str(run.manifest["detector"]) for run in runs]
    sets = {run.manifest.get("set_fingerprint") for run in runs}
    if len(sets) == 1 and len(set(detectors)) == len({run.path for run in runs}):
        return detectors
    return [run.name for run in runs]


def same_images(first: Run, second: Run) -> bool:
    """Check whether two runs are different ones on one image set."""
    same = first.manifest.get("set_fingerprint") == second.manifest.get("set_fingerprint")
    return same and first.path.resolve() != second.path.resolve()


def fault_of(predictions: pd.DataFrame, temperature: float) -> str:
    """Name the first thing that no run has among its rows: a missing column, or a number that does not follow.

    Args:
        predictions: a run's rows.
        temperature: margins are divided by it before they become probabilities.

    Returns:
        A noun phrase, "" for sound rows.
    """
    for name, fits in COLUMNS.items():
        if name not in predictions:
            if name not in OPTIONAL:
                return f"no column {name}"
        elif not fits(predictions[name]):
            return f"no usable column {name}"
    numbers = predictions[["margin", "p_real", "logit_fake", "logit_real"]].to_numpy(np.float64)
    margin, p_real, logit_fake, logit_real = numbers.T
    if ((predictions["predicted"] == "REAL").to_numpy(bool) != (margin > 0)).any():
        return "a prediction on the other side of 0 than its margin"
    if not np.allclose(p_real, 0.5 * (1 + np.tanh(margin / temperature / 2)), rtol=0, atol=TOLERANCE):
        return "a p_real that does not follow from its margin"
    largest = np.abs(numbers[:, 2:]).max(axis=1)
    if (np.abs(logit_real - logit_fake - margin) > TOLERANCE * np.maximum(largest, 1)).any():
        return "a margin that does not follow from its logits"
    return ""


def fits_rows(name: str, array: Array, rows: int, side: int) -> bool:
    """Check the shape, type and values of the maps, features or images of a run.

    Args:
        name: "maps", "features" or "images".
        array: theirs.
        rows: how many images the run has.
        side: pixels along each side of the detector's input.
    """
    sides = array.shape[1:]
    if array.shape[:1] != (rows,):
        return False
    if name == "images":
        return sides == (side, side, 3) and array.dtype == np.uint8
    if array.dtype.kind != "f":
        return False
    if name == "features":
        return len(sides) == 1
    # a network may enlarge inside, so a map may be finer than its image
    return len(sides) == 2 and 0 < min(sides) <= max(sides) <= SIDES[-1] and bool(np.isfinite(array).all())


def _is_text_or_missing(values: pd.Series) -> bool:
    return pd.api.types.infer_dtype(values.astype(object), skipna=True) in ("string", "empty")


def _is_text(values: pd.Series) -> bool:
    return _is_text_or_missing(values) and not values.hasnans


def _is_id(values: pd.Series) -> bool:
    return _is_text(values) and values.is_unique


def _is_class(values: pd.Series) -> bool:
    return values.astype(object).isin(CLASSES).all()


def _is_label(values: pd.Series) -> bool:
    return values.isna().all() or _is_class(values)


def _is_number(values: pd.Series) -> bool:
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu"


def _is_finite(values: pd.Series) -> bool:
    return _is_number(values) and np.isfinite(values).all()


# of the rows, and those of them that not every run has
OPTIONAL = ("source", *STATISTICS, *FILE_FACTS)
COLUMNS: dict[str, Callable[[pd.Series], bool]] = {
    **dict.fromkeys(OPTIONAL, _is_number),
    "id": _is_id,
    **dict.fromkeys(("name", "sha256"), _is_text),
    "label": _is_label,
    "predicted": _is_class,
    **dict.fromkeys(("margin", "logit_fake", "logit_real", "p_real"), _is_finite),
    **dict.fromkeys(("category", "source", "format", "metadata"), _is_text_or_missing),
    **dict.fromkeys(("in_train", "is_repeat"), pd.api.types.is_bool_dtype),
}
