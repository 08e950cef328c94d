"""A part of the page Overview: the error rate of each source, where the set knows any."""

import pandas as pd
import streamlit as st

from core.runs.filter import Filter
from core.runs.metrics import error_by
from dashboard.components.glossary import explain
from dashboard.components.study import csv_button
from dashboard.components.words import section
from dashboard.views.overview_parts.performance import OF, THRESHOLD, draw_rates


def draw_sources(rows: pd.DataFrame, base: Filter, *, run: str) -> Filter | None:
    """Draw the error rate of each generator or camera, and offer the numbers; nothing where no source is known.

    Args:
        rows: from `core.runs.rows.judged_table`.
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
    clicked = draw_rates(rows, base, "source", several="sources", unknown="No source is known of these images.")
    chosen = rows if OF.value == "all" else rows[rows["label"] == OF.value]
    numbers = error_by(chosen, "source", threshold=THRESHOLD.value).rename(columns={"value": "source"})
    clean = "yes" if base.choices else "no"
    numbers = numbers.assign(among=OF.value, without_leaks_and_repeats=clean, threshold=THRESHOLD.value)
    if not numbers.empty:
        csv_button("These numbers (CSV)", numbers, f"{run}-sources.csv", key="sources.csv")
    return clicked
