"""Figures of how well detectors do, in Plotly: thresholds, confidence, calibration, training, and two side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS, CURVE, GREY, PAIR
from core.runs.metrics import Sweep
from core.runs.rows import evenly
from core.studies.pair import Pair
from dashboard.components.charts import GRID, SYMBOLS, error_bars, new_figure
from dashboard.components.plain import figure_text

SHAPES = ("circle", "square")
SHARE = {"tickformat": ".0%", "range": [-0.01, 1.01], "gridcolor": GRID}
GUESSING: dict[str, Any] = {"color": GREY, "dash": "dot", "width": 1}
# marks of a run's shares, the first one filled
MARKS = ({"symbol": "circle", "color": GREY}, {"symbol": "diamond", "color": GREY}, {"symbol": "x", "color": GREY})
# most points in one figure; errors take precedence
MOST_POINTS = 4000


def carries(rows: pd.DataFrame, columns: Mapping[str, str]) -> go.Figure:
    """Plot for each run how often it is right on several kinds of picture, the first row on top.

    Args:
        rows: `name`, and a percentage for each of the columns, NaN where it is not known.
        columns: up to three, the run's own images first -> what its pictures are.
    """
    figure = new_figure("pictures that it gets right", height=110 + 30 * len(rows))
    names = [figure_text(name) for name in rows["name"]]
    for name, shares in zip(names, rows[list(columns)].to_numpy(float), strict=True):
        ends = np.array([np.nanmin(shares), np.nanmax(shares)]) if np.isfinite(shares).any() else shares[:2]
        line = {"color": GRID, "width": 5}
        figure.add_scatter(x=ends, y=[name] * 2, mode="lines", line=line, showlegend=False, hoverinfo="skip")
    for (column, title), mark in zip(columns.items(), MARKS, strict=False):
        figure.add_scatter(
            x=rows[column], y=names, mode="markers", name=title, marker={"size": 12, **mark},
            hovertemplate=f"%{{y}}, {title}: %{{x:.1f}}%<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(ticksuffix="%", range=[-1, 101], gridcolor=GRID)
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def threshold_curve(
    x: Any, y: Any, swept: Sweep, *, now: tuple[float, float], titles: tuple[str, str], guess: tuple[float, float]
) -> go.Figure:
    """Plot one rate over another at every threshold, the present one as a point.

    Args:
        x, y: rates of `swept`, 0 to 1.
        now: both at the present threshold.
        titles: of both axes.
        guess: y of guessing at x = 0 and at x = 1, drawn as a dotted line.
    """
    figure = new_figure(*titles, showlegend=False)
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": CURVE, "width": 2.5}, customdata=swept.thresholds,
        hovertemplate="%{x:.1%}, %{y:.1%} at threshold %{customdata:.0%}<extra></extra>",
    )  # fmt: skip
    hover = "now: %{x:.1%}, %{y:.1%}<extra></extra>"
    figure.add_scatter(x=now[:1], y=now[1:], mode="markers", marker={"color": CURVE, "size": 13}, hovertemplate=hover)
    figure.add_scatter(x=[0, 1], y=guess, mode="lines", line=GUESSING, hoverinfo="skip")
    figure.update_xaxes(SHARE).update_yaxes(SHARE)
    return figure


def confidence(histogram: pd.DataFrame) -> go.Figure:
    """Plot how many verdicts of each confidence are right and wrong, on a logarithmic axis because far fewer are."""
    figure = new_figure("confidence in the verdict", "verdicts", barmode="group")
    for name, shape in (("right", ""), ("wrong", "/")):
        # wrong verdicts are hatched, as in the confusion matrix
        pattern = {"color": GREY, "pattern": {"shape": shape, "solidity": 0.4}}
        hover = f"%{{x:.0%}} sure: %{{y:,}} {name}<extra></extra>"
        middle = (histogram["low"] + histogram["high"]) / 2
        figure.add_bar(x=middle, y=histogram[name], name=name, marker=pattern, hovertemplate=hover)
    figure.update_xaxes(tickformat=".0%", range=[0.49, 1.01])
    figure.update_yaxes(type="log", dtick=1, gridcolor=GRID)
    return figure


def calibration(curves: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Plot how often verdicts of each confidence are right, with 95 % intervals, for one detector or two.

    Args:
        curves: name of the detector -> from `core.runs.metrics.calibration`.
    """
    figure = new_figure("confidence in the verdict", "accuracy", showlegend=len(curves) > 1)
    colours = PAIR if len(curves) > 1 else (CURVE,)
    for (name, bins), colour, shape in zip(curves.items(), colours, SHAPES, strict=False):
        figure.add_scatter(
            x=bins["confidence"],
            y=bins["accuracy"],
            mode="lines+markers",
            name=figure_text(name),
            line={"color": colour, "width": 2},
            marker={"size": 9, "symbol": shape},
            error_y=error_bars(bins["accuracy"], bins["low"], bins["high"], color=colour),
            customdata=bins["images"],
            hovertemplate="%{x:.1%} sure: %{y:.1%} right of %{customdata:,}<extra></extra>",
        )
    figure.add_scatter(x=[0.5, 1], y=[0.5, 1], mode="lines", line=GUESSING, hoverinfo="skip", showlegend=False)
    figure.update_xaxes(range=[0.49, 1.01], tickformat=".0%")
    figure.update_yaxes(tickformat=".0%", gridcolor=GRID)
    return figure


def training(history: Sequence[dict[str, Any]]) -> go.Figure:
    """Plot accuracy on the training and the held-out images after each epoch."""
    figure, rows = new_figure("epoch", "accuracy"), pd.DataFrame(history)
    columns = (("train_accuracy", "training images", "dot"), ("val_accuracy", "held-out images", "solid"))
    for column, name, dash in columns:
        figure.add_scatter(
            x=rows["epoch"],
            y=rows.get(column),
            name=name,
            mode="lines+markers",
            line={"color": GREY, "dash": dash, "width": 2.5},
            hovertemplate=f"epoch %{{x}}: %{{y:.2%}} of the {name}<extra></extra>",
        )
    figure.update_yaxes(tickformat=".1%", gridcolor=GRID)
    return figure


def beside(rows: pd.DataFrame, names: tuple[str, str], *, unit: str) -> go.Figure:
    """Plot the values of two detectors with their intervals, a row each, the first row on top.

    Args:
        rows: columns `name` and, of either detector, `first_` and `second_` with `value`, `low` and `high`, shares.
        names: of the detectors.
        unit: of the values.
    """
    figure, places = new_figure(unit, height=90 + 34 * len(rows)), np.arange(len(rows))
    sides = zip(("first", "second"), names, PAIR, SHAPES, (-0.14, 0.14), strict=True)
    for side, name, colour, symbol, shift in sides:
        value, low, high = (rows[f"{side}_{end}"] for end in ("value", "low", "high"))
        figure.add_scatter(
            x=value,
            y=places + shift,
            mode="markers",
            name=figure_text(name),
            marker={"color": colour, "symbol": symbol, "size": 9},
            error_x=error_bars(value, low, high, color=colour, thickness=1.6),
            customdata=np.column_stack([low, high]),
            hovertemplate="%{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})",
        )
    figure.update_xaxes(tickformat=".0%", gridcolor=GRID, showgrid=True)
    labels = [figure_text(name) for name in rows["name"]]
    figure.update_yaxes(tickvals=places, ticktext=labels, range=[len(rows) - 0.4, -0.6])
    return figure


def margins(pair: Pair) -> go.Figure:
    """Plot one detector's margin against the other's, class by colour and shape.

    At most MOST_POINTS are drawn: of many errors an even selection, half of the points, then as many of the others.
    """
    figure = new_figure(*(f"margin of {figure_text(name)}" for name in pair.names), height=460)
    wrong, right = (np.flatnonzero(chosen) for chosen in (pair.outcome > 0, pair.outcome == 0))
    wrong = evenly(wrong, max(MOST_POINTS // 2, MOST_POINTS - len(right)))
    shown = np.concatenate([evenly(right, MOST_POINTS - len(wrong)), wrong])
    for label in CLASSES:
        here = shown[pair.is_real[shown] == (label == "REAL")]
        figure.add_scattergl(
            x=pair.margins[0][here],
            y=pair.margins[1][here],
            mode="markers",
            name=label,
            marker={"color": CLASS_COLOURS[label], "symbol": SYMBOLS[label], "size": 5, "opacity": 0.45},
            hovertemplate=f"{label}: %{{x:.2f}}, %{{y:.2f}}<extra></extra>",
        )
    figure.add_vline(x=0, line=GUESSING)
    figure.add_hline(y=0, line=GUESSING)
    return figure
