"""Filters of a run's images: the values of columns, the sort order and the page, stored in the URL.

URL parameters that do not fit the table are ignored, so that a wrong URL shows the whole table instead of an error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

import numpy as np
import pandas as pd
from skimage.measure import points_in_poly

from core.arrays import Floats, Mask
from core.images.labels import CLASSES
from core.images.statistics import STATISTICS
from core.runs.metrics import HALF

# a lasso has hundreds of corners; this many keep its shape and fit into a URL
MOST_CORNERS = 60


@dataclass(frozen=True)
class Area:
    """A polygon on an embedding.

    Attributes:
        space: name of the embedding; images are at columns `<space>_x` and `<space>_y`.
        corners: (x, y), three or more, in the embedding's units.
    """

    space: str
    corners: tuple[tuple[float, float], ...]

    @classmethod
    def drawn(cls, space: str, x: Sequence[float], y: Sequence[float]) -> "Area | None":
        """Make an area from a lasso's corners or a box's two; None if fewer than three differ or one is not finite."""
        if len(x) == len(y) == 2:
            x = (x[0], x[1], x[1], x[0])
            y = (y[0], y[0], y[1], y[1])
        every = max(1, math.ceil(len(x) / MOST_CORNERS))
        corners = tuple((float(f"{a:.4g}"), float(f"{b:.4g}")) for a, b in zip(x[::every], y[::every], strict=True))
        if len(set(corners)) < 3 or not np.isfinite(corners).all():
            return None
        return cls(space, corners)

    @classmethod
    def parse(cls, text: str) -> "Area | None":
        """Read the area that `str` wrote, None for anything else."""
        space, _, listed = text.partition(":")
        pairs = listed.split(";")
        if len(pairs) > MOST_CORNERS:
            return None
        try:
            x, y = zip(*(map(float, pair.split(",")) for pair in pairs), strict=True)
        except ValueError:
            return None
        return cls.drawn(space, x, y)

    def __str__(self) -> str:
        return f"{self.space}:" + ";".join(f"{x:g},{y:g}" for x, y in self.corners)

    def holds(self, x: Floats, y: Floats) -> Mask:
        """Return bool (N,), the points inside by the even-odd rule; NaN is never inside.

        Args:
            x, y: (N,).
        """
        return points_in_poly(np.column_stack([x, y]), self.corners)  # type: ignore[no-untyped-call]


PAGE_SIZES = (24, 48, 96)
# column -> its name in a URL
ALIASES = {
    "label": "true",
    "predicted": "said",
    "correct": "result",
    "confidence": "sure",
    "in_train": "leaked",
    "is_repeat": "repeat",
}
COLUMNS = {alias: column for column, alias in ALIASES.items()}
OUTCOMES = ("right", "wrong")
# columns of the confusion matrix; the threshold decides the last two
DECIDED = ("label", "predicted", "correct")
SORTS = {
    "mistakes": "most confidently wrong first",
    "sure": "most confident first",
    "unsure": "least confident first",
    "name": "by file name",
}
# of a URL's parameters that are no column
DEFAULTS = {
    "tag": "", "name": "", "area": "", "sort": "mistakes", "cut": f"{HALF:g}", "page": "1", "per": str(PAGE_SIZES[0])
}  # fmt: skip
# columns that are filtered by a range, and by their values; of studies' columns their type decides
MEASURED = ("confidence", "margin", *STATISTICS, "width", "height", "quality")
CHOSEN = (*DECIDED, "category", "source", "seen", "format", "metadata", "in_train", "is_repeat")

Choices = tuple[tuple[str, tuple[str, ...]], ...]
Ranges = tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Filter:
    """A choice of rows, their order, and a page; hashable.

    Attributes:
        choices: (column, values): rows whose value is one of them; booleans are "yes" and "no".
        ranges: (column, low, high): rows within both ends; an open end is infinite.
        tag: rows that carry this tag.
        name: rows whose file name holds this text, whatever its case.
        area: rows inside this area of an embedding.
        threshold: of p(REAL), above 0 and below 1.
        sort: a key of `SORTS`, or a column, with a leading "-" for descending values.
        page: counted from 1.
        per_page: one of `PAGE_SIZES`.
    """

    choices: Choices = ()
    ranges: Ranges = ()
    tag: str | None = None
    name: str | None = None
    area: Area | None = None
    threshold: float = HALF
    sort: str = "mistakes"
    page: int = 1
    per_page: int = PAGE_SIZES[0]

    def chosen(self, column: str) -> tuple[str, ...]:
        """Return the values chosen in a column; empty where any will do."""
        return dict(self.choices).get(column, ())

    def within(self, column: str) -> tuple[float, float]:
        """Return the range chosen in a column, infinite where it is open."""
        for name, low, high in self.ranges:
            if name == column:
                return low, high
        return -math.inf, math.inf

    def choosing(self, column: str, values: Sequence[str]) -> "Filter":
        """Return the filter with other values of one column (none for any), on its first page."""
        choices = dict(self.choices) | {column: tuple(values)}
        if not values:
            del choices[column]
        return replace(self, choices=tuple(sorted(choices.items())), page=1)

    def ranging(self, column: str, low: float = -math.inf, high: float = math.inf) -> "Filter":
        """Return the filter with another range of one column, on its first page."""
        ranges = [ends for ends in self.ranges if ends[0] != column]
        if math.isfinite(low) or math.isfinite(high):
            ranges.append((column, low, high))
        return replace(self, ranges=tuple(sorted(ranges)), page=1)

    def to_params(self) -> dict[str, str]:
        """Write URL parameters, without those at their defaults."""
        texts = {column: ",".join(map(_escape, values)) for column, values in self.choices}
        texts |= {column: f"{_end(low)}..{_end(high)}" for column, low, high in self.ranges}
        params = {ALIASES.get(column, column): text for column, text in texts.items()}
        others = {"tag": self.tag or "", "name": self.name or "", "area": str(self.area or ""), "sort": self.sort}
        others |= {"cut": f"{self.threshold:g}", "page": str(self.page), "per": str(self.per_page)}
        return params | {key: text for key, text in others.items() if text != DEFAULTS[key]}

    @classmethod
    def from_params(cls, params: Mapping[str, str], table: pd.DataFrame) -> "Filter":
        """Read URL parameters, ignoring whatever does not fit `table` (from `browse_table`)."""
        wanted = cls(tag=params.get("tag") or None, name=params.get("name", "").strip() or None)
        ranged = range_columns(table)
        for key, text in params.items():
            column = COLUMNS.get(key, key)
            if column in ranged:
                low, dots, high = text.partition("..")
                ends = _number(low or "-inf"), _number(high or "inf")
                if dots and ends[0] <= ends[1]:
                    wanted = wanted.ranging(column, *ends)
            else:
                values = choices_of(table, column)
                given = dict.fromkeys(map(unquote, text.split(",")))
                wanted = wanted.choosing(column, [value for value in given if value in values])
        area = Area.parse(params.get("area", ""))
        if area and {f"{area.space}_x", f"{area.space}_y"} <= set(table.columns):
            wanted = replace(wanted, area=area)
        sort = params.get("sort", "")
        if sort in SORTS or sort.removeprefix("-") in sort_columns(table):
            wanted = replace(wanted, sort=sort)
        threshold, page, per_page = (_number(params.get(key, "")) for key in ("cut", "page", "per"))
        return replace(
            wanted,
            threshold=threshold if 0 < threshold < 1 else HALF,
            page=int(page) if 1 <= page < 1e9 else 1,
            per_page=int(per_page) if per_page in PAGE_SIZES else PAGE_SIZES[0],
        )


def range_columns(table: pd.DataFrame) -> list[str]:
    """List the columns filtered by a range: confidence, margin, image statistics, and studies' numeric columns."""
    return [
        name
        for name, kind in table.dtypes.items()
        if name in MEASURED
        or ("." in name and pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind))
    ]


def sort_columns(table: pd.DataFrame) -> list[str]:
    """List the columns that rows can be ordered by: numbers, and studies' words."""
    # confidence has its own orders in `SORTS`
    numbers = [name for name in range_columns(table) if name != "confidence"]
    return [*numbers, *(name for name in table if "." in name and choices_of(table, name))]


def choices_of(table: pd.DataFrame, column: str) -> list[str]:
    """List the values that a column can be filtered by, as text; empty for a column that is not filtered by value."""
    if column in ("label", "predicted"):
        return list(CLASSES)
    # a page asks this of each of some hundred columns
    if column not in table or not (column in CHOSEN or "." in column):
        return []
    values = table[column]
    if pd.api.types.is_bool_dtype(values):
        return ["yes", "no"]
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [str(value) for value in values.cat.categories]
    return []


def _number(text: str) -> float:
    """Read a number; NaN, which is in no range, for anything else."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _escape(value: str) -> str:
    """Escape a value for a comma-separated list."""
    return value.replace("%", "%25").replace(",", "%2C")


def _end(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""
