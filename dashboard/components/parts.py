"""The weights of an explanation whose parts have no place in the image, as bars and as a table."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.explainers.explanation import SIDES, Explanation, Parts
from core.findings.numbers import plus
from core.images.palette import FAKE, GREY, REAL
from dashboard.components import charts
from dashboard.components.charts import error_bars, new_figure
from dashboard.components.words import coloured

COLOURS = {1: REAL, -1: FAKE, 0: GREY}


def draw_parts(explanation: Explanation, *, key: str) -> None:
    """Draw a bar for each part of an explanation."""
    parts = explanation.parts
    assert parts is not None  # noqa: S101 - the caller has looked
    st.markdown(coloured(explanation.diagnostics.sentence))
    told = "; ".join(f"{label} {plus(weight)}" for label, weight in zip(parts.labels, parts.weights, strict=True))
    charts.show(part_bars(parts, unit=explanation.unit), key=key, alt=f"Weight of each part: {told}")
    lines = f" Lines: {parts.confidence:.0%} interval over other draws of the samples." if parts.confidence < 1 else ""
    st.caption(f"To the right for REAL, to the left for FAKE.{lines} Hatched grey: undecided, or too small to name.")


def part_bars(parts: Parts, *, unit: str) -> go.Figure:
    """Plot a bar a part, in their order; colour and side are the class, hatched grey is undecided."""
    figure = new_figure(f"what having it adds ({unit})", height=70 + 28 * len(parts.labels), showlegend=False)
    decisions = [int(decision) for decision in parts.decisions]
    figure.add_bar(
        x=parts.weights,
        y=list(parts.labels),
        orientation="h",
        marker={
            "color": [COLOURS[decision] for decision in decisions],
            "pattern": {"shape": ["" if decision else "/" for decision in decisions], "size": 5, "solidity": 0.4},
        },
        error_x=error_bars(parts.weights, parts.low, parts.high, thickness=1.5),
        customdata=[SIDES[decision] for decision in decisions],
        hovertemplate="%{y}: %{x:+.2f}, %{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def parts_table(parts: Parts) -> pd.DataFrame:
    """Lay out parts, a row each, with their intervals and what they speak for."""
    sides = [SIDES[int(decision)].removeprefix("for ") for decision in parts.decisions]
    return pd.DataFrame(
        {"part": parts.labels, "weight": parts.weights, "low": parts.low, "high": parts.high, "speaks_for": sides}
    )
