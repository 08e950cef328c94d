"""Browsing a run: its rows as a table, and those that a filter finds. Needs no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.runs.filter import DECIDED, OUTCOMES, SORTS, Filter, choices_of, range_columns
from core.runs.metrics import HALF, confidence_of, count_cells, is_right, predicted_real
from core.runs.run import Run


def judged_table(run: Run) -> pd.DataFrame:
    """Add `confidence` (0.5 to 1) and `correct` ("right", "wrong") to a run's rows."""
    table = run.predictions.reset_index(drop=True)
    right = is_right(table)
    # some runs store it as plain text
    for name in ("category", "source"):
        if name in table:
            table[name] = table[name].astype("category")
    table["confidence"] = confidence_of(table["p_real"].to_numpy())
    table["correct"] = pd.Categorical.from_codes((~right).astype(np.int8), categories=list(OUTCOMES))
    return table


def at_threshold(rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Apply a threshold of p(REAL), 0 to 1, to rows of a `browse_table`; at 0.5 they are returned unchanged.

    At any other, `predicted` and `correct` are computed from `p_real`, and a column `threshold` is added. `confidence`
    stays the probability of the likelier class, whichever is predicted.
    """
    if threshold == HALF:
        return rows
    real = predicted_real(rows, threshold)
    right = real == (rows["label"] == "REAL").to_numpy(bool)
    judged = rows.assign(predicted=np.where(real, "REAL", "FAKE"), correct=np.where(right, *OUTCOMES))
    judged.insert(judged.columns.get_loc("predicted") + 1, "threshold", threshold)
    return judged


class Extent(NamedTuple):
    """The minimum and maximum of a column's finite values, NaN without any, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool


def extents_of(table: pd.DataFrame) -> dict[str, Extent]:
    """Compute the extent of the finite values of each column that is filtered by a range."""
    extents = {}
    for name in range_columns(table):
        values = table[name].to_numpy()
        values = values[np.isfinite(values)]
        ends = (float(values.min()), float(values.max())) if len(values) else (math.nan, math.nan)
        extents[name] = Extent(*ends, whole=bool(len(values)) and bool((values == np.floor(values)).all()))
    return extents


def find_rows(
    table: pd.DataFrame, wanted: Filter, *, tagged: frozenset[str] = frozenset(), but: Sequence[str] = ()
) -> NDArray[np.intp]:
    """Find the rows that fit a filter, in its order, on all pages.

    Args:
        table: from `browse_table`.
        wanted: the filter.
        tagged: ids with the tag `wanted.tag`.
        but: columns whose choices are ignored.

    Returns:
        Positions, each once.
    """
    keep = _mask(table, wanted, tagged, but)
    positions = np.flatnonzero(keep)
    return positions[_order(table, wanted, positions)]


def cells(table: pd.DataFrame, wanted: Filter, *, tagged: frozenset[str] = frozenset()) -> NDArray[np.int64]:
    """Count the int64 (2, 2) confusion matrix [label][predicted], FAKE first, without a filter's `DECIDED` choices."""
    keep = _mask(table, wanted, tagged, DECIDED)
    return count_cells((table["label"] == "REAL").to_numpy(bool)[keep], predicted_real(table, wanted.threshold)[keep])


def count_choices(
    table: pd.DataFrame, wanted: Filter, column: str, *, tagged: frozenset[str] = frozenset()
) -> dict[str, int]:
    """Count the rows of each value that a column can be filtered by, among those that all other filters find."""
    keep = _mask(table, wanted, tagged, (column,))
    options = choices_of(table, column)
    if isinstance(table[column].dtype, pd.CategoricalDtype) and column not in DECIDED:
        codes = table[column].cat.codes.to_numpy()[keep]
        return dict(zip(options, np.bincount(codes[codes >= 0], minlength=len(options)).tolist(), strict=True))
    return {value: int((keep & _is_one_of(table, column, (value,), wanted.threshold)).sum()) for value in options}


def _mask(table: pd.DataFrame, wanted: Filter, tagged: frozenset[str], but: Sequence[str]) -> NDArray[np.bool_]:
    keep = np.ones(len(table), bool)
    for column, values in wanted.choices:
        if column not in but:
            keep &= _is_one_of(table, column, values, wanted.threshold)
    for column, low, high in wanted.ranges:
        numbers = table[column].to_numpy()
        # a missing value fits no range
        keep &= (numbers >= low) & (numbers <= high)
    if wanted.tag is not None:
        # one by one: pandas' isin is twenty times slower on texts
        keep &= np.fromiter((id_ in tagged for id_ in table["id"]), bool, len(table))
    if wanted.area is not None:
        across, up = (table[f"{wanted.area.space}_{end}"].to_numpy(np.float64) for end in "xy")
        keep &= wanted.area.holds(across, up)
    if wanted.name is not None:
        keep &= table["name"].str.contains(wanted.name, case=False, regex=False).to_numpy(bool)
    return keep


def _is_one_of(table: pd.DataFrame, column: str, values: Sequence[str], threshold: float) -> NDArray[np.bool_]:
    if column in ("predicted", "correct") and threshold != HALF:
        real = predicted_real(table, threshold)
        is_first = real if column == "predicted" else real == (table["label"] == "REAL").to_numpy(bool)
        first, second = ("REAL", "FAKE") if column == "predicted" else OUTCOMES
        return np.asarray((is_first & (first in values)) | (~is_first & (second in values)))
    if pd.api.types.is_bool_dtype(table[column]):
        return np.asarray(table[column].isin([value == "yes" for value in values]))
    return np.asarray(table[column].isin(values))


def _order(table: pd.DataFrame, wanted: Filter, positions: NDArray[np.intp]) -> NDArray[np.intp]:
    column = wanted.sort.removeprefix("-")
    if wanted.sort == "name":
        return np.argsort(table["name"].to_numpy(object)[positions], kind="stable")
    if wanted.sort in SORTS:
        keys = table["confidence"].to_numpy(np.float64)[positions]
        if wanted.sort == "mistakes":
            wrong = _is_one_of(table, "correct", ("wrong",), wanted.threshold)[positions]
            keys = keys + wrong
        return np.argsort(keys if wanted.sort == "unsure" else -keys, kind="stable")
    values = table[column]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.codes.astype(np.float64).where(values.notna())
    # rows without a value come last in either order
    keys = values.to_numpy(np.float64)[positions]
    return np.argsort(-keys if wanted.sort.startswith("-") else keys, kind="stable")


def pages(count: int, per_page: int) -> int:
    """Return the number of pages that `count` rows fill, at least one."""
    return max(1, math.ceil(count / per_page))


def page_rows(positions: NDArray[np.intp], wanted: Filter) -> NDArray[np.intp]:
    """Return the rows of the filter's page, or of the last page where it asks for one beyond."""
    page = min(wanted.page, pages(len(positions), wanted.per_page))
    return positions[(page - 1) * wanted.per_page : page * wanted.per_page]


@dataclass(frozen=True)
class Location:
    """The location of a row among those that a filter finds.

    Attributes:
        number: counted from 1; None where the filter does not find it.
        of: number of rows that the filter finds.
        before, after: positions of its neighbours, None at the ends.
    """

    number: int | None
    of: int
    before: int | None = None
    after: int | None = None


def location_of(positions: NDArray[np.intp], row: int, *, among: NDArray[np.intp] | None = None) -> Location:
    """Find the location of the row at position `row` among `positions`.

    Args:
        positions: that a filter finds, in its order.
        row: a position.
        among: `positions` and others in the same order; gives a row that the filter does not find its neighbours.
    """
    order = positions if among is None or row in positions else among
    at = np.flatnonzero(order == row)
    if not len(at):
        return Location(None, len(positions))
    left, right = (part[np.isin(part, positions)] for part in (order[: at[0]], order[at[0] + 1 :]))
    number = int(at[0]) + 1 if order is positions else None
    neighbours = int(left[-1]) if len(left) else None, int(right[0]) if len(right) else None
    return Location(number, len(positions), *neighbours)


def evenly(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return at most so many of the rows, evenly spaced; all where they are few."""
    return np.asarray(rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)])
