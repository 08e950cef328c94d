"""Bars of what each part of an image speaks for, for methods that weigh parts without a place in the image."""

import pandas as pd
import plotly.graph_objects as go

from core.explainers.explanation import SIDES, Explanation, Parts
from core.findings.numbers import plus
from core.images.palette import FAKE, GREY, REAL
from dashboard.components.charts import style as charts
from dashboard.components.charts.style import error_bars, new_figure

COLOURS = {1: REAL, -1: FAKE, 0: GREY}
# pixels of a bar, and of what is around all of them
BAR, AROUND = 28, 70


def parts_chart(explanation: Explanation, *, key: str) -> None:
    """Draw the weights of an explanation's parts, with their intervals.

    Args:
        explanation: with parts.
        key: of the element.
    """
    parts = parts_of(explanation)
    said = "; ".join(f"{label} {plus(weight)}" for label, weight in zip(parts.labels, parts.weights, strict=True))
    charts.show(part_bars(parts, unit=explanation.unit), key=key, alt=f"Weight of each part: {said}")


def part_bars(parts: Parts, *, unit: str) -> go.Figure:
    """A bar a part, in their order; colour and side are the class, hatched grey is undecided."""
    figure = new_figure(height=AROUND + BAR * len(parts.labels), showlegend=False)
    decisions = [int(one) for one in parts.decisions]
    figure.add_bar(
        x=parts.weights,
        y=list(parts.labels),
        orientation="h",
        marker={
            "color": [COLOURS[one] for one in decisions],
            "pattern": {"shape": ["" if one else "/" for one in decisions], "size": 5, "solidity": 0.4},
        },
        error_x=error_bars(parts.weights, parts.low, parts.high, thickness=1.5),
        customdata=[SIDES[one] for one in decisions],
        hovertemplate="%{y}: %{x:+.2f}, %{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title=f"what having it adds ({unit})")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def reading_of(parts: Parts) -> str:
    """Say how to read the bars."""
    return (
        f"To the right for REAL, to the left for FAKE. Lines: {parts.confidence:.0%} interval over other draws of the "
        "samples. Hatched grey: undecided, the interval reaches 0 or the effect is too small to name."
    )


def parts_table(explanation: Explanation) -> pd.DataFrame:
    """A row a part, with its interval and what it speaks for."""
    parts = parts_of(explanation)
    sides = [SIDES[int(one)].removeprefix("for ") for one in parts.decisions]
    return pd.DataFrame(
        {"part": parts.labels, "weight": parts.weights, "low": parts.low, "high": parts.high, "speaks_for": sides}
    )


def parts_of(explanation: Explanation) -> Parts:
    """Its parts, where it must have some."""
    assert explanation.parts is not None  # noqa: S101 - a mistake of the method's
    return explanation.parts
