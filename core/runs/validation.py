"""Validate what the files of a run say, alone and against each other, so that nothing odd reaches a page."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from core.detectors.manifest import OLD_LAYER, OLD_SIDE, Name, Number, Text
from core.images.labels import CLASSES
from core.images.preprocessing import SIDES, Preprocessing
from core.images.statistics import STATISTICS
from core.runs.metrics import metrics, without_leaks_and_repeats
from core.storage import MANIFEST, ContractError

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


def check_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a run's manifest in which a field is missing or malformed.

    Raises:
        ContractError: naming the file and the first thing that is wrong with it.
    """
    try:
        Manifest.model_validate(manifest)
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise ContractError(f"{path / MANIFEST} has no usable {name}; restore it or write the run again") from None


def check_predictions(file: Path, frame: pd.DataFrame) -> None:
    """Refuse a table whose columns do not hold what a run's do.

    Raises:
        ContractError: naming the file and the first column that is missing or does not fit.
    """
    if missing := sorted(set(COLUMNS) - set(frame.columns)):
        raise ContractError(f"{file} lacks the column {missing[0]}; write the run again")
    for name, fits in (COLUMNS | FURTHER_COLUMNS).items():
        if name in frame and not fits(frame[name]):
            raise ContractError(f"{file} has no usable column {name}; write the run again")


def check_numbers(path: Path, manifest: Mapping[str, Any], predictions: pd.DataFrame) -> None:
    """Refuse a run of which a number does not follow from those that it is derived from.

    Args:
        path: the run's folder.
        manifest: that passed `check_manifest`.
        predictions: its table, which passed `check_predictions`.

    Raises:
        ContractError: naming the file and the number.
    """
    table = path / "predictions.parquet"
    margin = predictions["margin"].to_numpy(np.float64)
    if ((predictions["predicted"] == "REAL").to_numpy(bool) != (margin > 0)).any():
        raise ContractError(f"{table} has a prediction on the other side of 0 than its margin; write the run again")
    p_real = 0.5 * (1 + np.tanh(margin / manifest["temperature"] / 2))
    if not np.allclose(predictions["p_real"], p_real, rtol=0, atol=TOLERANCE):
        raise ContractError(f"{table} has a p_real that does not follow from its margin; write the run again")
    derived = {
        "leaked": int(predictions["in_train"].sum()),
        "repeats": int(predictions["is_repeat"].sum()),
        "metrics": {"all": metrics(predictions), "clean": metrics(without_leaks_and_repeats(predictions))},
    }
    for name in _differing(manifest, derived):
        raise ContractError(
            f"{path / MANIFEST} has another {name} than its predictions give; restore it or write the run again"
        )


def _differing(given: Any, derived: Any, name: str = "") -> Iterator[str]:
    """Name the numbers that are missing or not those that were derived, at any depth."""
    if isinstance(derived, dict):
        for key, value in derived.items():
            part = given.get(key) if isinstance(given, Mapping) else None
            yield from _differing(part, value, f"{key} of {name}" if name else key)
    elif isinstance(derived, list):
        parts = given if isinstance(given, list) and len(given) == len(derived) else [None] * len(derived)
        for part, value in zip(parts, derived, strict=True):
            yield from _differing(part, value, name)
    elif isinstance(given, bool) or not isinstance(given, int | float) or derived is None:
        if given is not derived or derived is not None:
            yield name
    elif not abs(given - derived) <= TOLERANCE:
        yield name


def check_array(file: Path, array: NDArray[Any], *, rows: int, side: int) -> None:
    """Refuse an array of another shape or type than a run's.

    Args:
        file: maps.npy, features.npy or images.npy.
        array: that it holds.
        rows: of the run.
        side: of its images, in pixels.

    Raises:
        ContractError: naming the file.
    """
    if array.ndim == 0 or len(array) != rows:
        count = array.shape[0] if array.ndim else 0
        raise ContractError(f"{file} has {count} rows and predictions.parquet {rows}; write the run again")
    sides, is_float = array.shape[1:], array.dtype.kind == "f"
    fits, what = {
        # a network may enlarge inside, so a map may be finer than its image
        "maps": (array.ndim == 3 and is_float and 0 < min(sides) <= max(sides) <= SIDES[-1], "a map per image"),
        "features": (array.ndim == 2 and is_float, "features per image"),
        "images": (sides == (side, side, 3) and array.dtype == np.uint8, f"{side} x {side} images"),
    }[file.stem]
    if not fits or (file.stem == "maps" and not np.isfinite(array).all()):
        raise ContractError(f"{file} does not hold {what}; write the run again")


def _words(values: pd.Series) -> bool:
    different = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    # to look at each takes longer than all else of a run
    is_text = isinstance(different.dtype, pd.StringDtype) or all(isinstance(value, str) for value in different)
    return is_text and not values.hasnans


def _numbers(values: pd.Series) -> bool:
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu"


def _finite(values: pd.Series) -> bool:
    return _numbers(values) and bool(np.isfinite(values.to_numpy()).all())


def _classes(values: pd.Series) -> bool:
    return bool(values.astype(object).isin(CLASSES).all())


# those of every run
COLUMNS: dict[str, Callable[[pd.Series], bool]] = {
    "id": lambda values: _words(values) and values.is_unique,
    "name": _words,
    "label": _classes,
    "predicted": _classes,
    "margin": _finite,
    "p_real": lambda values: _finite(values) and bool(values.between(0, 1).all()),
    "logit_fake": _finite,
    "logit_real": _finite,
    "category": lambda values: _words(values.dropna()),
    "sha256": _words,
    "in_train": pd.api.types.is_bool_dtype,
    "is_repeat": pd.api.types.is_bool_dtype,
}
FURTHER_COLUMNS = {"source": COLUMNS["category"], **dict.fromkeys(STATISTICS, _numbers)}
