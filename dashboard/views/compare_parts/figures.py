"""Figures of the page Compare: two detectors side by side, each with a colour and a shape of its own."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS, GREY, PAIR
from core.runs.rows import evenly
from core.studies.comparison import Pair
from dashboard.components.charts import GRID, error_bars, new_figure
from dashboard.components.plain import figure_text
from dashboard.components.words import percent

SYMBOLS = ("circle", "square")
# most points in one figure; errors take precedence
MOST_POINTS = 4000


def beside(found: pd.DataFrame, names: tuple[str, str], *, unit: str) -> go.Figure:
    """Plot the values of two detectors with their intervals, a row each, the first row on top.

    Args:
        found: columns `name` and, of either detector, `first_` and `second_` with `value`, `low` and `high`, shares.
        names: of the detectors.
        unit: of the values.
    """
    figure = new_figure(height=90 + 34 * len(found))
    places = np.arange(len(found))
    sides = zip(("first", "second"), names, PAIR, SYMBOLS, (-0.14, 0.14), strict=True)
    for side, name, colour, symbol, shift in sides:
        value, low, high = (found[f"{side}_{end}"] for end in ("value", "low", "high"))
        figure.add_scatter(
            x=value,
            y=places + shift,
            mode="markers",
            name=figure_text(name),
            marker={"color": colour, "symbol": symbol, "size": 9},
            error_x=error_bars(value, low, high, color=colour, thickness=1.6),
            customdata=[
                [figure_text(row["name"]), row[f"{side}_low"], row[f"{side}_high"]] for row in found.to_dict("records")
            ],
            hovertemplate=f"%{{customdata[0]}}, {figure_text(name)}: %{{x:.1%}} (%{{customdata[1]:.1%}} to "
            "%{customdata[2]:.1%})<extra></extra>",
        )
    figure.update_xaxes(title=unit, tickformat=".0%", gridcolor=GRID, showgrid=True)
    figure.update_yaxes(
        tickvals=places, ticktext=[figure_text(name) for name in found["name"]], range=[len(found) - 0.4, -0.6]
    )
    return figure


def margins(pair: Pair) -> go.Figure:
    """Plot one detector's margin against the other's, class by colour and shape.

    At most MOST_POINTS are drawn: of many errors an even selection, half of the points, then as many of the others.
    """
    figure = new_figure(height=460)
    first, second = pair.margins
    wrong, right = (np.flatnonzero(chosen) for chosen in (pair.outcome > 0, pair.outcome == 0))
    room = max(MOST_POINTS // 2, MOST_POINTS - len(right))
    wrong = evenly(wrong, room)
    shown = np.concatenate([evenly(right, MOST_POINTS - len(wrong)), wrong])
    for label, symbol in zip(CLASSES, ("diamond", "circle"), strict=True):
        here = shown[pair.is_real[shown] == (label == "REAL")]
        figure.add_scattergl(
            x=first[here],
            y=second[here],
            mode="markers",
            name=label,
            marker={"color": CLASS_COLOURS[label], "symbol": symbol, "size": 5, "opacity": 0.45},
            hovertemplate=f"{label}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>",
        )
    line: dict[str, Any] = {"color": GREY, "dash": "dot", "width": 1}
    figure.add_vline(x=0, line=line)
    figure.add_hline(y=0, line=line)
    one, other = (figure_text(name) for name in pair.names)
    figure.update_xaxes(title=f"margin of {one}")
    figure.update_yaxes(title=f"margin of {other}")
    return figure


def calibrations(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> go.Figure:
    """Plot how often verdicts of each confidence are right, for both detectors (`classification.calibration`)."""
    figure = new_figure("confidence in the verdict", "accuracy")
    for bins, name, colour, symbol in zip((first, second), names, PAIR, SYMBOLS, strict=True):
        figure.add_scatter(
            x=bins["confidence"],
            y=bins["accuracy"],
            mode="lines+markers",
            name=figure_text(name),
            line={"color": colour, "width": 2},
            marker={"size": 9, "symbol": symbol},
            error_y=error_bars(bins["accuracy"], bins["low"], bins["high"], color=colour),
            customdata=[
                [percent(row.confidence, 0), percent(row.accuracy), f"{row.images:,}"] for row in bins.itertuples()
            ],
            hovertemplate="%{customdata[0]} sure: %{customdata[1]} right of %{customdata[2]}<extra></extra>",
        )
    calibrated = {"color": GREY, "dash": "dot", "width": 1}
    figure.add_scatter(x=[0.5, 1], y=[0.5, 1], mode="lines", line=calibrated, hoverinfo="skip", showlegend=False)
    figure.update_xaxes(range=[0.49, 1.01], tickformat=".0%")
    figure.update_yaxes(tickformat=".0%")
    return figure
