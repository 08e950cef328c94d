"""The report of the images that a filter finds in a run."""

from itertools import zip_longest

import numpy as np
import pandas as pd

from core.arrays import Positions
from core.findings.numbers import percent
from core.images.encoding import data_url
from core.report.run_report import LIMITS, Block, Sections, render_page
from core.runs.filter import SORTS, Filter
from core.runs.metrics import HALF, confusion_at, error_by, largest, predicted_real, wilson_interval
from core.runs.pictures import Pictures
from core.runs.run import Run

TILES = 48
NAMES = {
    "label": "is",
    "predicted": "called",
    "correct": "verdict",
    "in_train": "also in the training set:",
    "is_repeat": "a copy of an earlier file:",
    "versus.correct": "verdict of the other run",
    "versus.predicted": "called by the other run",
    "versus.margin": "margin by the other run",
}


def selection_report(
    run: Run,
    table: pd.DataFrame,
    wanted: Filter,
    chosen: Positions,
    *,
    other: str = "",
    pictures: Pictures | None = None,
) -> str:
    """Write the HTML report of some of a run's images.

    Args:
        run: that holds them.
        table: the run's rows, as `core.studies.columns.browse_table` gives them.
        wanted: the filter that found them.
        chosen: intp (K,), their positions in the run, in the filter's order.
        other: name of the run whose verdicts the filter also knows; "" without one.
        pictures: their pixels; None for a report without pictures.
    """
    rows = table.iloc[chosen]
    words = describe(wanted, other)
    title = f"{len(rows):,} image{'s' * (len(rows) != 1)} of {run.name}"
    if rows.empty:
        return render_page(title, ["No image fits this selection.", words], {}, {}, run)
    lead = [f"The selection: {words}."]
    first: dict[str, list[Block]] = {}
    if run.classes:
        counts = confusion_at(rows, wanted.threshold)
        wrong = int(counts[0, 1] + counts[1, 0])
        lead += _error_rates(wrong, len(rows), table, wanted)
        first["Confusion matrix"] = [{"confusion": counts}]
        groups = error_by(rows, "category", threshold=wanted.threshold)
        if len(groups) > 1 and 0 < wrong < len(rows):
            first["Confusion matrix"].append({"by": "category", "rates": largest(groups)})
    else:
        lead.append(f"Of the run's {len(table):,} images. They have no labels, so there is no error rate.")
    urls = []
    if pictures is not None:
        found = [pictures.get(int(row)) for row in chosen[:TILES]]
        urls = [None if picture is None else data_url(picture) for picture in found]
    first["The images"] = _tiles(rows, wanted, urls)
    details: Sections = {
        "What this report cannot say": [LIMITS],
        f"Settings and hashes of {run.name}": [{"detector": {}, "studies": {}}],
    }
    return render_page(title, lead, first, details, run)


def describe(wanted: Filter, other: str = "") -> str:
    """Describe a filter in words: "is REAL, called FAKE, confidence from 0.95"; `other` is as in `selection_report`."""
    phrases = [(column, " or ".join(values)) for column, values in wanted.choices]
    for column, low, high in wanted.ranges:
        ends = []
        if np.isfinite(low):
            ends.append(f"from {low:.9g}")
        if np.isfinite(high):
            ends.append(f"up to {high:.9g}")
        phrases.append((column, " ".join(ends)))
    words = [f"{NAMES.get(column, column.replace('_', ' '))} {phrase}" for column, phrase in phrases]
    if wanted.area is not None:
        words.append("in an area drawn on Patterns")
    if wanted.tag:
        words.append(f"tagged {wanted.tag}")
    if wanted.name:
        words.append(f"file name with {wanted.name}")
    if wanted.threshold != HALF:
        words.append(f"at a threshold of {100 * wanted.threshold:g}%")
    return (", ".join(words) or "all images").replace("the other run", other or "the other run")


def _error_rates(wrong: int, total: int, table: pd.DataFrame, wanted: Filter) -> list[str]:
    """State the error rate of the selected rows, and that of all rows of the run."""
    low, high = map(float, wilson_interval(wrong, total))
    everything = confusion_at(table, wanted.threshold)
    of_all = percent(float(everything[0, 1] + everything[1, 0]) / len(table))
    return [
        f"Error rate {percent(wrong / total)} ({percent(low)} to {percent(high)}): {wrong:,} of {total:,} images.",
        f"Over all {len(table):,} images of the run: {of_all}.",
    ]


def _tiles(rows: pd.DataFrame, wanted: Filter, urls: list[str | None]) -> list[Block]:
    """Show the first images with their verdicts, and their pictures where `urls` has them."""
    shown = rows.head(TILES)
    predicted = np.where(predicted_real(shown, wanted.threshold), "REAL", "FAKE")
    tiles = list(zip_longest(shown.itertuples(), predicted, urls))
    note = "The border is the verdict: blue for REAL, orange for FAKE."
    if rows["label"].notna().any():
        note += " It is dashed where it is wrong."
    if not any(urls):
        note = "Their pictures are not available."
    if len(rows) > TILES:
        order = SORTS.get(wanted.sort) or f"by {wanted.sort.removeprefix('-')}"
        note = f"The first {TILES} of {len(rows):,}, {order}. {note}"
    return [note, {"tiles": tiles}]
