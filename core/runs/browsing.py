"""Browsing a run: a filter that lives in a URL, and the rows that it finds. Needs no torch.

A filter is what a page shows: which values of which columns, which ranges, which order, which page. Whatever in a URL
does not fit the table is left out, so that nonsense shows the whole table instead of an error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.image_set import CLASSES
from core.images.statistics import FACTS
from core.metrics.classification import HALF, confidence_of, count_cells, said_real
from core.runs.embedding import Area, read_places
from core.runs.run import Run
from core.runs.study_columns import added_by_studies

PAGE_SIZES = (24, 48, 96)
# columns under the names that they have in a URL
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
# what the threshold decides anew
DECIDED = ("label", "predicted", "correct")
SORTS = {
    "mistakes": "most confidently wrong first",
    "sure": "most confident first",
    "unsure": "least confident first",
    "name": "by file name",
}
RESERVED = ("sort", "page", "per", "cut", "tag", "name", "area")

Choices = tuple[tuple[str, tuple[str, ...]], ...]
Ranges = tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Filter:
    """Which rows, in which order, on which page; hashable.

    Attributes:
        choices: (column, values): rows whose value is one of them; booleans are "yes" and "no".
        ranges: (column, low, high): rows within both ends; an open end is infinite.
        tag: rows that carry this tag.
        name: rows whose file name holds this text, whatever its case.
        area: rows that stand in this area of a picture of clusters.
        cut: how sure of REAL the detector must be to say REAL, above 0 and below 1.
        sort: a key of `SORTS`, or a column, with "-" before it for falling values.
        page: counted from 1.
        per_page: one of `PAGE_SIZES`.
    """

    choices: Choices = ()
    ranges: Ranges = ()
    tag: str | None = None
    name: str | None = None
    area: Area | None = None
    cut: float = HALF
    sort: str = "mistakes"
    page: int = 1
    per_page: int = PAGE_SIZES[0]

    def chosen(self, column: str) -> tuple[str, ...]:
        """The values asked for in a column; empty where all will do."""
        return dict(self.choices).get(column, ())

    def within(self, column: str) -> tuple[float, float]:
        """The range asked for in a column, infinite where it is open."""
        return next(((low, high) for name, low, high in self.ranges if name == column), (-math.inf, math.inf))

    def choosing(self, column: str, values: Sequence[str]) -> "Filter":
        """The same with other values of one column, none for all of them, on its first page."""
        others = tuple(choice for choice in self.choices if choice[0] != column)
        added = ((column, tuple(values)),) if values else ()
        return replace(self, choices=tuple(sorted(others + added)), page=1)

    def ranging(self, column: str, low: float = -math.inf, high: float = math.inf) -> "Filter":
        """The same with another range of one column, on its first page."""
        others = tuple(found for found in self.ranges if found[0] != column)
        added = ((column, low, high),) if math.isfinite(low) or math.isfinite(high) else ()
        return replace(self, ranges=tuple(sorted(others + added)), page=1)

    def to_params(self) -> dict[str, str]:
        """URL parameters, without those that stand at their default."""
        params = {ALIASES.get(column, column): ",".join(map(_escape, values)) for column, values in self.choices}
        params |= {ALIASES.get(column, column): f"{_end(low)}..{_end(high)}" for column, low, high in self.ranges}
        default = Filter()
        named = {
            "tag": self.tag,
            "name": self.name,
            "area": str(self.area) if self.area else None,
            "cut": f"{self.cut:g}",
            "sort": self.sort,
            "page": str(self.page),
            "per": str(self.per_page),
        }
        usual = {"cut": f"{default.cut:g}", "sort": default.sort, "page": "1", "per": str(default.per_page)}
        return params | {key: value for key, value in named.items() if value and value != usual.get(key)}

    @classmethod
    def from_params(cls, params: Mapping[str, str], table: pd.DataFrame) -> "Filter":
        """The filter that URL parameters describe, without whatever does not fit `table` (from `browse_table`)."""
        found = cls()
        for key, text in params.items():
            column = COLUMNS.get(key, key)
            if key in RESERVED or column not in table.columns:
                continue
            if column in range_columns(table):
                if ends := _parse_range(text):
                    found = found.ranging(column, *ends)
            else:
                allowed = choices_of(table, column)
                asked = dict.fromkeys(unquote(value) for value in text.split(","))
                found = found.choosing(column, [value for value in asked if value in allowed])
        sort = params.get("sort", "")
        area = Area.parse(params.get("area", ""))
        cut = _number(params.get("cut", ""))
        per_page, page = _number(params.get("per", "")), _number(params.get("page", ""))
        return replace(
            found,
            tag=params.get("tag") or None,
            name=params.get("name") or None,
            area=area if area and {f"{area.space}_x", f"{area.space}_y"} <= set(table.columns) else None,
            cut=cut if cut is not None and 0 < cut < 1 else HALF,
            sort=sort if sort in SORTS or sort.removeprefix("-") in sort_columns(table) else "mistakes",
            page=int(page) if page is not None and 1 <= page < 1e9 else 1,
            per_page=int(per_page) if per_page in PAGE_SIZES else PAGE_SIZES[0],
        )


def judged_table(run: Run) -> pd.DataFrame:
    """A run's rows with `confidence` (0.5 to 1) and `correct` ("right", "wrong")."""
    table = run.predictions.reset_index(drop=True)
    right = (table["label"].astype(str) == table["predicted"].astype(str)).to_numpy()
    # a run may hold it as plain text
    table["category"] = table["category"].astype("category")
    table["confidence"] = confidence_of(table["p_real"].to_numpy())
    table["correct"] = pd.Categorical.from_codes((~right).astype(np.int8), categories=list(OUTCOMES))
    return table


def browse_table(run: Run, judged: pd.DataFrame | None = None) -> pd.DataFrame:
    """A run's `judged_table`, made here unless it is given, with the columns that its studies add.

    A study's columns are named `<study>.<column>`; `core.runs.study_columns` says which there are and what they mean.
    Where images stand on the pictures of clusters is in `<space>_x` and `<space>_y`, see `core.runs.embedding`.
    """
    table = judged_table(run) if judged is None else judged
    added = added_by_studies(run.path, table["id"]), read_places(run.path, table["id"])
    return pd.concat([table, *added], axis=1)


def at_cut(rows: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Rows of a `browse_table` as they are judged at a threshold, 0 to 1: the run's own at one half.

    At another one `predicted` and `correct` are what it makes of `p_real`, and a column `threshold` says so.
    `confidence` stays what filters and orders go by: the probability of the likelier class, whichever is called.
    """
    if cut == HALF:
        return rows
    real = said_real(rows, cut)
    right = real == (rows["label"] == "REAL").to_numpy(bool)
    judged = rows.assign(predicted=np.where(real, "REAL", "FAKE"), correct=np.where(right, *OUTCOMES))
    judged.insert(judged.columns.get_loc("predicted") + 1, "threshold", cut)
    return judged


def range_columns(table: pd.DataFrame) -> list[str]:
    """The columns that are filtered by a range: confidence, the facts, and a study's numbers."""
    return [
        name
        for name in table.columns
        if name in ("confidence", "margin", *FACTS)
        or ("." in name and pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name]))
    ]


def choice_columns(table: pd.DataFrame) -> list[str]:
    """The columns that are filtered by their values: classes, outcome, category, leaks, repeats, a study's words."""
    return [
        name
        for name in table.columns
        if name in (*DECIDED, "category", "in_train", "is_repeat")
        or ("." in name and isinstance(table[name].dtype, pd.CategoricalDtype | np.dtypes.BoolDType))
    ]


def sort_columns(table: pd.DataFrame) -> list[str]:
    """The columns that rows can be ordered by: those of numbers, and a study's words."""
    # confidence has orders of its own, in `SORTS`
    numbers = [name for name in range_columns(table) if name != "confidence"]
    return [*numbers, *(name for name in choice_columns(table) if "." in name)]


def choices_of(table: pd.DataFrame, column: str) -> list[str]:
    """The values that can be asked for in a column, as text; empty for a column that is not filtered by values."""
    if column not in choice_columns(table):
        return []
    if pd.api.types.is_bool_dtype(table[column]):
        return ["yes", "no"]
    if column in ("label", "predicted"):
        return list(CLASSES)
    return [str(value) for value in table[column].cat.categories]


class Extent(NamedTuple):
    """What values a column of numbers has: from `low` to `high`, and whether all are whole; NaN where there is none."""

    low: float
    high: float
    whole: bool


def extents_of(table: pd.DataFrame) -> dict[str, Extent]:
    """The extent of each column that is filtered by a range, of its finite values."""
    found = {}
    for name in range_columns(table):
        values = table[name].to_numpy()
        values = values[np.isfinite(values)]
        ends = (float(values.min()), float(values.max())) if len(values) else (math.nan, math.nan)
        found[name] = Extent(*ends, whole=bool(len(values)) and bool((values == np.floor(values)).all()))
    return found


def find_rows(
    table: pd.DataFrame, wanted: Filter, *, tagged: frozenset[str] = frozenset(), but: Sequence[str] = ()
) -> NDArray[np.intp]:
    """Positions of the rows that fit a filter, in its order, all pages.

    Args:
        table: from `browse_table`.
        wanted: what to find.
        tagged: ids that carry `wanted.tag`.
        but: columns whose choices are not asked for.

    Returns:
        Positions, each once.
    """
    keep = _mask(table, wanted, tagged, but)
    positions = np.flatnonzero(keep)
    return positions[_order(table, wanted, positions)]


def cells(table: pd.DataFrame, wanted: Filter, *, tagged: frozenset[str] = frozenset()) -> NDArray[np.int64]:
    """int64 (2, 2) counts [true][called], FAKE first, of a filter without what it says of class and outcome."""
    keep = _mask(table, wanted, tagged, DECIDED)
    return count_cells((table["label"] == "REAL").to_numpy(bool)[keep], said_real(table, wanted.cut)[keep])


def _mask(table: pd.DataFrame, wanted: Filter, tagged: frozenset[str], but: Sequence[str]) -> NDArray[np.bool_]:
    keep = np.ones(len(table), bool)
    for column, values in wanted.choices:
        if column not in but:
            keep &= _is_one_of(table, column, values, wanted.cut)
    for column, low, high in wanted.ranges:
        numbers = table[column].to_numpy()
        # a value that is missing fits no range
        keep &= (numbers >= low) & (numbers <= high)
    if wanted.tag is not None:
        # one by one: pandas looks texts up in a set twenty times slower
        keep &= np.fromiter((id_ in tagged for id_ in table["id"]), bool, len(table))
    if wanted.area is not None:
        across, up = (table[f"{wanted.area.space}_{end}"].to_numpy(np.float64) for end in "xy")
        keep &= wanted.area.holds(across, up)
    if wanted.name is not None:
        keep &= table["name"].str.contains(wanted.name, case=False, regex=False).to_numpy(bool)
    return keep


def _is_one_of(table: pd.DataFrame, column: str, values: Sequence[str], cut: float) -> NDArray[np.bool_]:
    if column in ("predicted", "correct") and cut != HALF:
        called = said_real(table, cut)
        asked = called if column == "predicted" else called == (table["label"] == "REAL").to_numpy(bool)
        yes, no = ("REAL", "FAKE") if column == "predicted" else OUTCOMES
        return np.asarray((asked & (yes in values)) | (~asked & (no in values)))
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
            wrong = _is_one_of(table, "correct", ("wrong",), wanted.cut)[positions]
            keys = keys + wrong
        return np.argsort(keys if wanted.sort == "unsure" else -keys, kind="stable")
    values = table[column]
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.codes.astype(np.float64).where(values.notna())
    # rows without a value come last either way
    keys = values.to_numpy(np.float64)[positions]
    return np.argsort(-keys if wanted.sort.startswith("-") else keys, kind="stable")


def pages(count: int, per_page: int) -> int:
    """How many pages `count` rows fill; one, empty, for none."""
    return max(1, math.ceil(count / per_page))


def page_rows(positions: NDArray[np.intp], wanted: Filter) -> NDArray[np.intp]:
    """The rows of the filter's page; of the last page where it asks for one beyond."""
    page = min(wanted.page, pages(len(positions), wanted.per_page))
    return positions[(page - 1) * wanted.per_page : page * wanted.per_page]


@dataclass(frozen=True)
class Place:
    """Where a row stands among those that a filter finds.

    Attributes:
        number: counted from 1; None where the filter does not find it.
        of: how many rows the filter finds.
        before, after: positions of its neighbours, None at the ends.
    """

    number: int | None
    of: int
    before: int | None = field(default=None)
    after: int | None = field(default=None)


def place_of(positions: NDArray[np.intp], row: int) -> Place:
    """The place of the row at position `row` among `positions`."""
    found = np.flatnonzero(positions == row)
    if not len(found):
        return Place(None, len(positions))
    at = int(found[0])
    before = int(positions[at - 1]) if at > 0 else None
    after = int(positions[at + 1]) if at + 1 < len(positions) else None
    return Place(at + 1, len(positions), before, after)


def _parse_range(text: str) -> tuple[float, float] | None:
    low, dots, high = text.partition("..")
    ends = (_number(low) if low else -math.inf, _number(high) if high else math.inf)
    if not dots or ends[0] is None or ends[1] is None or ends[0] > ends[1]:
        return None
    return ends[0], ends[1]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _escape(value: str) -> str:
    """A value that may stand between commas."""
    return value.replace("%", "%25").replace(",", "%2C")


def _end(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
