"""The report of the images that a filter finds in a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.numbers import unbroken_percent as percent
from core.images.encoding import data_url
from core.report import figures
from core.report.parts import Note, Section, Tiles, limits, of_all, page
from core.report.settings import settings
from core.runs.filter import SORTS, Filter
from core.runs.metrics import HALF, confidence_of, confusion_at, error_by, largest, wilson_interval
from core.runs.pictures import Pictures
from core.runs.run import Run

TILES = 48
_WORDS = {
    "label": "is",
    "predicted": "called",
    "correct": "verdict",
    "in_train": "also in the training set",
    "is_repeat": "a copy of an earlier file",
    "versus.correct": "verdict of the other run",
    "versus.predicted": "called by the other run",
    "versus.margin": "margin by the other run",
}


@dataclass(frozen=True, eq=False)
class Selection:
    """A selection of a run's images for a report.

    Attributes:
        wanted: the filter that found them.
        rows: intp (K,), their positions in the run, in the filter's order.
        other: name of the run whose verdicts the filter also knows; "" without one.
    """

    wanted: Filter
    rows: NDArray[np.intp]
    other: str = ""


def selection_report(run: Run, table: pd.DataFrame, selection: Selection, *, pictures: Pictures | None = None) -> str:
    """Write the HTML report of some of a run's images.

    Args:
        run: that holds them.
        table: the run's rows, as `core.studies.columns.browse_table` gives them.
        selection: of its images.
        pictures: their pixels; None for a report without pictures.
    """
    rows = table.iloc[selection.rows]
    words = describe(selection.wanted, selection.other)
    title = f"{len(rows):,} image{'s' * (len(rows) != 1)} of {run.name}"
    if rows.empty:
        return page(run, title, ["No image fits this selection.", words], [])
    counts = confusion_at(rows, selection.wanted.threshold)
    wrong, of = int(counts[0, 1] + counts[1, 0]), int(counts.sum())
    low, high = wilson_interval(wrong, of)
    ends = f"{percent(float(low))} to {percent(float(high))}"
    told = f"{wrong:,} of the verdicts on them {_be(wrong)} wrong: {percent(wrong / of)} ({ends})."
    if wrong in (0, of):
        told = f"{'None' if wrong == 0 else 'Every one'} of the verdicts on them is wrong."
    if of == 1:
        told = f"The verdict on it is {'wrong' if wrong else 'right'}."
    all_counts = confusion_at(table, selection.wanted.threshold)
    lead = [
        f"The selection: {words}.",
        f"{of:,} of the run's {len(run):,} images fit{'s' * (of == 1)} it. {told} Over the whole run "
        f"{percent(float(all_counts[0, 1] + all_counts[1, 0]) / len(table))} are wrong.",
    ]
    drawn = [figures.confusion(counts)]
    found = error_by(rows, "category", threshold=selection.wanted.threshold)
    if len(found) > 1 and 0 < wrong < of:
        caption = f"Error rate by category; the lines are 95% intervals.{of_all(found, 'categories')}"
        drawn.append(figures.rates(largest(found), overall=wrong / of, caption=caption, of="all selected images"))
    images = Section("The images", _tiles(rows, selection, pictures))
    return page(run, title, lead, [Section("Verdicts", drawn), images, limits(run), settings(run, None, {})])


def _be(count: int) -> str:
    return "is" if count == 1 else "are"


def describe(wanted: Filter, other: str = "") -> str:
    """Describe a filter in words: "is REAL, called FAKE, confidence from 0.95"; `other` is as in `Selection`."""
    words = [_chosen(column, values) for column, values in wanted.choices]
    for column, low, high in wanted.ranges:
        ends = [f"from {low:.9g}"] * bool(np.isfinite(low)) + [f"up to {high:.9g}"] * bool(np.isfinite(high))
        words.append(f"{_WORDS.get(column, column.replace('_', ' '))} {' '.join(ends)}")
    words += ["in an area drawn on Patterns"] * (wanted.area is not None)
    words += [f"tagged {wanted.tag}"] * bool(wanted.tag) + [f"file name with {wanted.name}"] * bool(wanted.name)
    if wanted.threshold != HALF:
        words.append(f"at a threshold of {100 * wanted.threshold:g}%")
    return (", ".join(words) or "all images").replace("the other run", other or "the other run")


def _chosen(column: str, values: Sequence[str]) -> str:
    name = _WORDS.get(column, column.replace("_", " "))
    if column in {"in_train", "is_repeat"}:
        return " or ".join({"yes": name, "no": f"not {name.removeprefix('also ')}"}.get(one, one) for one in values)
    return f"{name} {' or '.join(values)}"


def _tiles(rows: pd.DataFrame, selection: Selection, pictures: Pictures | None) -> list[Note | Tiles]:
    shown = rows.head(TILES)
    tiles = []
    for place, row in zip(selection.rows[:TILES], shown.itertuples(), strict=True):
        pixels = pictures.get(int(place)) if pictures else None
        prediction = "REAL" if row.p_real > selection.wanted.threshold else "FAKE"
        if selection.wanted.threshold == HALF:
            prediction = str(row.predicted)
        sure = float(confidence_of(np.array([row.p_real]))[0])
        wrong = prediction != row.label
        # another threshold may give the verdict to the less likely class
        likely = (
            f"{percent(sure, 0)} sure" if prediction == row.predicted else f"though {percent(sure, 0)} {row.predicted}"
        )
        words = f"{prediction}, {likely}{'; is ' + row.label if wrong else ''}"
        picture = None if pixels is None else data_url(pixels)
        tiles.append({"called": prediction, "wrong": wrong, "words": words, "name": row.name, "picture": picture})
    note = "The border is the verdict: blue for REAL, orange for FAKE; dashed where it is wrong."
    if not any(one["picture"] for one in tiles):
        note = "Their pictures are not at hand."
    if len(rows) > TILES:
        sort = selection.wanted.sort
        order = SORTS.get(sort) or f"by {sort.removeprefix('-')}{', largest first' * sort.startswith('-')}"
        note = f"The first {TILES} of {len(rows):,}, {order}. {note}"
    return [Note(note), Tiles(tiles)]
