"""Browsing a run: its rows as a table, and those that a filter finds. Needs no torch."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Int64, Mask, Positions
from core.runs.filter import DECIDED, OUTCOMES, Filter, choices_of, range_columns
from core.runs.metrics import HALF, confidence_of, confusion_at, is_right, predicted_real
from core.runs.run import Run

# orders by confidence -> as one by a column
ORDERS = {"mistakes": "-confidence", "sure": "-confidence", "unsure": "confidence"}


def judged_table(run: Run) -> pd.DataFrame:
    """Add `confidence` (0.5 to 1), `correct` ("right", "wrong" or missing) and perhaps `Run.seen` to a run's rows."""
    table = run.predictions.reset_index(drop=True)
    # some runs store it as plain text
    for name in ("category", "source", "format", "metadata"):
        if name in table:
            table[name] = table[name].astype("category")
    seen = run.seen
    if seen is not None:
        table["seen"] = seen.reset_index(drop=True)
    table["confidence"] = confidence_of(table["p_real"].to_numpy())
    table["correct"] = outcomes(table["label"], is_right(table))
    return table


def outcomes(label: pd.Series, right: Mask) -> pd.Categorical:
    """Write "right" or "wrong" for each row; nothing where it has no label."""
    return pd.Categorical.from_codes(np.where(label.isna(), -1, ~right), categories=list(OUTCOMES))


def at_threshold(rows: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """Apply a threshold of p(REAL), 0 to 1, to rows of a `browse_table`; at 0.5 they are returned unchanged.

    At any other, `predicted` and `correct` are computed from `p_real`, and a column `threshold` is added. `confidence`
    stays the probability of the likelier class, whichever is predicted.
    """
    if threshold == HALF:
        return rows
    real = predicted_real(rows, threshold)
    right = real == (rows["label"] == "REAL").to_numpy(bool)
    judged = rows.assign(predicted=np.where(real, "REAL", "FAKE"), correct=outcomes(rows["label"], right))
    judged.insert(judged.columns.get_loc("predicted") + 1, "threshold", threshold)
    return judged


class Extent(NamedTuple):
    """The minimum and maximum of a column's finite values, NaN without any, and whether all of them are whole."""

    low: float
    high: float
    whole: bool


def extents_of(table: pd.DataFrame) -> dict[str, Extent]:
    """Compute the extent of the finite values of each column that is filtered by a range."""
    extents = {}
    for name in range_columns(table):
        values = table[name]
        values = values[np.isfinite(values)]
        extents[name] = Extent(float(values.min()), float(values.max()), bool((values % 1 == 0).all()))
    return extents


def find_rows(table: pd.DataFrame, wanted: Filter, *, tagged: frozenset[str] = frozenset()) -> Positions:
    """Find the rows that fit a filter, in its order, on all pages.

    Args:
        table: from `browse_table`.
        wanted: the filter.
        tagged: ids with the tag `wanted.tag`.

    Returns:
        Positions, each once.
    """
    judged = at_threshold(table, wanted.threshold)
    positions = np.flatnonzero(_mask(judged, wanted, tagged))
    return positions[_order(judged.iloc[positions], wanted.sort)]


def cells(table: pd.DataFrame, wanted: Filter, *, tagged: frozenset[str] = frozenset()) -> Int64:
    """Count the int64 (2, 2) confusion matrix [label][predicted], FAKE first, without a filter's `DECIDED` choices."""
    judged = at_threshold(table, wanted.threshold)
    for column in DECIDED:
        wanted = wanted.choosing(column, ())
    return confusion_at(judged[_mask(judged, wanted, tagged)])


def count_choices(
    table: pd.DataFrame, wanted: Filter, column: str, *, tagged: frozenset[str] = frozenset()
) -> dict[str, int]:
    """Count the rows of each value that a column can be filtered by, among those that all other filters find."""
    judged = at_threshold(table, wanted.threshold)
    others = wanted.choosing(column, ())
    counts = judged.loc[_mask(judged, others, tagged), column].value_counts()
    names = choices_of(table, column)
    return {name: int(counts.get(value, 0)) for name, value in zip(names, _values(table, column, names), strict=True)}


def _values(table: pd.DataFrame, column: str, names: Sequence[str]) -> list[Any]:
    """Return the values of a column that a filter names: "yes" and "no" are booleans where the column holds these."""
    if pd.api.types.is_bool_dtype(table[column]):
        return [name == "yes" for name in names]
    return list(names)


def _mask(table: pd.DataFrame, wanted: Filter, tagged: frozenset[str]) -> Mask:
    keep = np.ones(len(table), bool)
    for column, names in wanted.choices:
        keep &= table[column].isin(_values(table, column, names)).to_numpy()
    for column, low, high in wanted.ranges:
        # a missing value fits no range
        keep &= table[column].between(low, high).to_numpy()
    if wanted.tag is not None:
        # one by one: pandas' isin is twenty times slower on texts
        keep &= np.fromiter((id_ in tagged for id_ in table["id"]), bool, len(table))
    if wanted.area is not None:
        x = table[f"{wanted.area.space}_x"].to_numpy(np.float64)
        y = table[f"{wanted.area.space}_y"].to_numpy(np.float64)
        keep &= wanted.area.holds(x, y)
    if wanted.name is not None:
        keep &= table["name"].str.contains(wanted.name, case=False, regex=False).to_numpy(bool)
    return keep


def _order(rows: pd.DataFrame, sort: str) -> Positions:
    """Return the order of the rows; those without a value come last."""
    if sort == "name":
        return np.argsort(rows["name"].to_numpy(object), kind="stable")
    by = ORDERS.get(sort, sort)
    values = rows[by.removeprefix("-")]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.codes.where(values.notna())
    keys = np.asarray(values, np.float64)
    if sort == "mistakes":
        keys = keys + (rows["correct"] == "wrong").to_numpy()
    if by.startswith("-"):
        keys = -keys
    return np.argsort(keys, kind="stable")


def pages(count: int, per_page: int) -> int:
    """Return the number of pages that `count` rows fill, at least one."""
    return max(1, math.ceil(count / per_page))


def page_rows(positions: Positions, wanted: Filter) -> Positions:
    """Return the rows of the filter's page, or of the last page where it asks for one beyond."""
    page = min(wanted.page, pages(len(positions), wanted.per_page))
    start = (page - 1) * wanted.per_page
    return positions[start : start + wanted.per_page]


class RowLocation(NamedTuple):
    """The location of a row among those that a filter finds.

    Attributes:
        number: counted from 1; None where the filter does not find it.
        before, after: positions of its neighbours, None at the ends.
    """

    number: int | None = None
    before: int | None = None
    after: int | None = None


def location_of(positions: Positions, row: int) -> RowLocation:
    """Find the location of the row at position `row` among the positions that a filter finds, in its order."""
    order = [None, *positions.tolist(), None]
    if row not in order:
        return RowLocation()
    at = order.index(row)
    return RowLocation(at, order[at - 1], order[at + 1])


def evenly(rows: Positions, most: int) -> Positions:
    """Return at most so many of the rows, evenly spaced; all where they are few."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
