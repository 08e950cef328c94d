"""A part of the page Overview: the error rate of each source, where the set knows any."""

import pandas as pd
import streamlit as st

from core.metrics.classification import confusion_at, error_by, largest
from core.runs.browsing.filter import Filter
from dashboard.components.charts.bars import rate_bars
from dashboard.components.glossary import explain
from dashboard.components.studies.study import csv_button
from dashboard.components.words import section
from dashboard.views.overview.performance import OF, THRESHOLD


def draw_sources(rows: pd.DataFrame, base: Filter, *, run: str) -> Filter | None:
    """Draw the error rate of each generator or camera, and offer the numbers; nothing where no source is known.

    Args:
        rows: from `core.runs.browsing.judged_table`.
        base: the filter that finds these rows.
        run: the run's name.

    Returns:
        The filter of the source that was just clicked, or None.
    """
    if "source" not in rows or rows["source"].isna().all():
        return None
    st.space("small")
    among = "" if OF.value == "all" else f" Of {OF.value} images alone, as chosen above."
    section(
        "Error rate by source",
        "The share of wrong verdicts by the generator or camera that an image comes from, as the set's folders or its "
        f"table name it. The lines are 95% intervals. A click shows the wrong ones.{among}",
        help=explain("Interval"),
    )
    chosen = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    rates = error_by(chosen, "source", threshold=THRESHOLD.value)
    if rates.empty:
        st.info("No source is known of these images.")
        return None
    drawn = largest(rates)
    if len(rates) > len(drawn):
        st.caption(f"The {len(drawn)} of {len(rates):,} sources with the most images; Explore filters by each.")
    cells = confusion_at(chosen, THRESHOLD.value)
    overall = (cells[0, 1] + cells[1, 0]) / max(1, cells.sum())
    source = rate_bars(drawn, overall=overall, key="sources", title="Error rates, a button for each source.")
    numbers = rates.rename(columns={"value": "source"})
    csv_button("These numbers (CSV)", numbers, f"{run}-sources.csv", key="sources.csv")
    if source is None:
        return None
    asked = base if OF.value == "all" else base.choosing("label", [OF.value])
    wanted = Filter(threshold=THRESHOLD.value, choices=asked.choices)
    return wanted.choosing("source", [source]).choosing("correct", ["wrong"])
