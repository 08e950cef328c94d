"""What the rows and arrays of a run must be, asked where a run is written and where one is read. Needs no torch."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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


def fits_rows(name: str, array: NDArray[Any], rows: int, side: int) -> bool:
    """Check the shape, type and values of the maps, features or images of a run.

    Args:
        name: "maps", "features" or "images".
        array: theirs.
        rows: how many images the run has.
        side: pixels along each side of the detector's input.
    """
    is_float = array.dtype.kind == "f"
    sides = array.shape[1:]
    fits = {
        # a network may enlarge inside, so a map may be finer than its image
        "maps": len(sides) == 2 and is_float and 0 < min(sides) <= max(sides) <= SIDES[-1],
        "features": len(sides) == 1 and is_float,
        "images": sides == (side, side, 3) and array.dtype == np.uint8,
    }
    return array.shape[:1] == (rows,) and fits[name] and (name != "maps" or bool(np.isfinite(array).all()))


def _is_text(values: pd.Series, *, full: bool = True) -> bool:
    values = values if full else values.dropna()
    different = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    # to look at each takes longer than all else of a run
    is_text = isinstance(different.dtype, pd.StringDtype) or all(isinstance(value, str) for value in different)
    return is_text and not values.hasnans


def _is_number(values: pd.Series, *, finite: bool = False) -> bool:
    is_number = isinstance(values.dtype, np.dtype) and values.dtype.kind in "fiu"
    return is_number and not (finite and not np.isfinite(values.to_numpy()).all())


# those of every run
COLUMNS: dict[str, Callable[[pd.Series], bool]] = {
    "id": lambda values: _is_text(values) and values.is_unique,
    **dict.fromkeys(("name", "sha256"), _is_text),
    "label": lambda values: values.isna().all() or bool(values.astype(object).isin(CLASSES).all()),
    "predicted": lambda values: bool(values.astype(object).isin(CLASSES).all()),
    **dict.fromkeys(("margin", "logit_fake", "logit_real", "p_real"), partial(_is_number, finite=True)),
    "category": partial(_is_text, full=False),
    **dict.fromkeys(("in_train", "is_repeat"), pd.api.types.is_bool_dtype),
}
FURTHER_COLUMNS: dict[str, Callable[[pd.Series], bool]] = {
    **dict.fromkeys(("source", "format", "metadata"), partial(_is_text, full=False)),
    **dict.fromkeys((*STATISTICS, "width", "height", "quality"), _is_number),
}
