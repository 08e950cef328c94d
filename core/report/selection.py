"""The report of some of a run's images: what a filter found."""

import base64
import html
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.decoding import encode_png
from core.metrics.classification import HALF, confidence_of, confusion_at, error_by, largest
from core.metrics.intervals import wilson_interval
from core.report import figures
from core.report.parts import bullets, figure, limits, page, percent, section
from core.report.settings import settings
from core.runs.filter import Filter
from core.runs.pictures import Pictures
from core.runs.run import Run

TILES = 48
_WORDS = {
    "label": "is",
    "predicted": "called",
    "correct": "verdict",
    "in_train": "also in the training set",
    "is_repeat": "copy of an earlier file",
}


@dataclass(frozen=True, eq=False)
class Selection:
    """The images of a report that is not about all of them.

    Attributes:
        wanted: the filter that found them.
        rows: intp (K,), their positions in the run, in the filter's order.
    """

    wanted: Filter
    rows: NDArray[np.intp]


def selection_report(run: Run, table: pd.DataFrame, selection: Selection, *, pictures: Pictures | None = None) -> str:
    """The HTML of some of a run's images.

    Args:
        run: they are of.
        table: the run's rows, as `core.runs.browsing.browse_table` gives them.
        selection: which.
        pictures: where their pixels are; None for a report without pictures.
    """
    rows = table.iloc[selection.rows]
    words = describe(selection.wanted)
    title = f"{len(rows):,} images of {run.name}"
    if rows.empty:
        return page(run, title, ["No image fits this selection.", html.escape(words)], "")
    counts = confusion_at(rows, selection.wanted.threshold)
    wrong, of = int(counts[0, 1] + counts[1, 0]), int(counts.sum())
    low, high = wilson_interval(wrong, of)
    ends = f"{percent(float(low))} to {percent(float(high))}"
    told = f"{wrong:,} of the verdicts on them are wrong: {percent(wrong / of)} ({ends})."
    if wrong in (0, of):
        told = f"{'None' if wrong == 0 else 'Every one'} of the verdicts on them is wrong."
    lead = [
        f"The selection: {html.escape(words)}.",
        f"{of:,} of the run's {len(run):,} images fit it. {told} Over the whole run "
        f"{percent(1 - run.manifest['metrics']['all']['accuracy'])} are wrong.",
    ]
    parts = [figure(figures.confusion(counts))]
    found = error_by(rows, "category", threshold=selection.wanted.threshold)
    if len(found) > 1 and 0 < wrong < of:
        caption = "Wrong verdicts by what the image shows; the lines are 95% intervals."
        parts.append(figure(figures.rates(largest(found), overall=wrong / of, caption=caption)))
    body = "".join(
        [
            section("Verdicts", *parts),
            section("The images", _tiles(rows, selection, pictures)),
            section("What this report cannot say", bullets(limits(run))),
            section("Settings and hashes", settings(run, None, {})),
        ]
    )
    return page(run, title, lead, body)


def describe(wanted: Filter) -> str:
    """A filter in words: "is REAL, called FAKE, confidence from 0.95"."""
    words = [
        f"{_WORDS.get(column, column.replace('_', ' '))} {' or '.join(values)}" for column, values in wanted.choices
    ]
    for column, low, high in wanted.ranges:
        ends = [f"from {low:.4g}"] * bool(np.isfinite(low)) + [f"up to {high:.4g}"] * bool(np.isfinite(high))
        words.append(f"{column.replace('_', ' ')} {' '.join(ends)}")
    words += ["in an area drawn on Patterns"] * (wanted.area is not None)
    words += [f"tagged {wanted.tag}"] * bool(wanted.tag) + [f"file name with {wanted.name}"] * bool(wanted.name)
    if wanted.threshold != HALF:
        words.append(f"called REAL only from {percent(wanted.threshold, 0)} on")
    return ", ".join(words) or "all images"


def _tiles(rows: pd.DataFrame, selection: Selection, pictures: Pictures | None) -> str:
    shown = rows.head(TILES)
    tiles = []
    for place, row in zip(selection.rows[:TILES], shown.itertuples(), strict=True):
        pixels = pictures.get(int(place)) if pictures else None
        called = "REAL" if row.p_real > selection.wanted.threshold else "FAKE"
        if selection.wanted.threshold == HALF:
            called = str(row.predicted)
        sure = float(confidence_of(np.array([row.p_real]))[0])
        wrong = called != row.label
        # at another threshold a verdict may be that of the less likely class
        likely = f"{percent(sure, 0)} sure" if called == row.predicted else f"though {percent(sure, 0)} {row.predicted}"
        words = f"{called}, {likely}{'; is ' + row.label if wrong else ''}"
        picture = f'<img src="{_png(pixels)}" alt="{words}">' if pixels is not None else ""
        kind = f"{called.lower()}{' wrong' if wrong else ''}"
        tiles.append(f'<li class="{kind}">{picture}{words}<br><small>{html.escape(row.name)}</small></li>')
    note = "The border is the verdict: blue for REAL, orange for FAKE; dashed where it is wrong."
    if len(rows) > TILES:
        note = f"The first {TILES} of {len(rows):,}. {note}"
    return f'<p class="note">{note}</p><ul class="tiles">{"".join(tiles)}</ul>'


def _png(pixels: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()
