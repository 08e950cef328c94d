"""What the rows and arrays of a run must be, asked where a run is written and where one is read. Needs no torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from core.arrays import Array
from core.images.labels import CLASSES
from core.images.preprocessing import SIDES
from core.images.statistics import STATISTICS
from core.runs.metrics import metrics, without_leaks_and_repeats

# of numbers that were computed in another order, or from margins of single precision
TOLERANCE = 1e-6


def fault_of(predictions: pd.DataFrame, temperature: float) -> str:
    """Name the first thing that no run has among its rows: a missing column, or a number that does not follow.

    Args:
        predictions: a run's rows.
        temperature: margins are divided by it before they become probabilities.

    Returns:
        A noun phrase, "" for sound rows.
    """
    for name, fits in (COLUMNS | FURTHER_COLUMNS).items():
        if name not in predictions:
            if name in COLUMNS:
                return f"no column {name}"
        elif not fits(predictions[name]):
            return f"no usable column {name}"
    numbers = predictions[["margin", "p_real", "logit_fake", "logit_real"]].to_numpy(np.float64)
    margin, p_real, logit_fake, logit_real = numbers.T
    if ((predictions["predicted"] == "REAL").to_numpy(bool) != (margin > 0)).any():
        return "a prediction on the other side of 0 than its margin"
    if not np.allclose(p_real, 0.5 * (1 + np.tanh(margin / temperature / 2)), rtol=0, atol=TOLERANCE):
        return "a p_real that does not follow from its margin"
    largest = np.maximum(np.abs(logit_fake), np.abs(logit_real))
    if (np.abs(logit_real - logit_fake - margin) > TOLERANCE * np.maximum(largest, 1)).any():
        return "a margin that does not follow from its logits"
    return ""


def derived_of(predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute the fields of a run's manifest that follow from its rows; readers take these, whatever it says."""
    return {
        "leaked": int(predictions["in_train"].sum()),
        "repeats": int(predictions["is_repeat"].sum()),
        "metrics": {"all": metrics(predictions), "clean": metrics(without_leaks_and_repeats(predictions))},
    }


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


def _is_text(values: pd.Series) -> bool:
    different = values
    if isinstance(values.dtype, pd.CategoricalDtype):
        different = values.cat.categories
    # to look at each takes longer than all else of a run
    is_text = isinstance(different.dtype, pd.StringDtype) or all(isinstance(value, str) for value in different)
    return is_text and not values.hasnans


def _is_text_or_missing(values: pd.Series) -> bool:
    return _is_text(values.dropna())


def _is_id(values: pd.Series) -> bool:
    return _is_text(values) and values.is_unique


def _is_class(values: pd.Series) -> bool:
    return values.astype(object).isin(CLASSES).all()


def _is_label(values: pd.Series) -> bool:
    return values.isna().all() or _is_class(values)


def _is_number(values: pd.Series) -> bool:
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu"


def _is_finite(values: pd.Series) -> bool:
    return _is_number(values) and np.isfinite(values.to_numpy()).all()


# those of every run
COLUMNS: dict[str, Callable[[pd.Series], bool]] = {
    "id": _is_id,
    "name": _is_text,
    "sha256": _is_text,
    "label": _is_label,
    "predicted": _is_class,
    **dict.fromkeys(("margin", "logit_fake", "logit_real", "p_real"), _is_finite),
    "category": _is_text_or_missing,
    **dict.fromkeys(("in_train", "is_repeat"), pd.api.types.is_bool_dtype),
}
FURTHER_COLUMNS = {
    **dict.fromkeys(("source", "format", "metadata"), _is_text_or_missing),
    **dict.fromkeys((*STATISTICS, "width", "height", "quality"), _is_number),
}
