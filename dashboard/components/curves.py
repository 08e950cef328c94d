"""Curves of a detector's performance, in Plotly: ROC, precision-recall, confidence, calibration, training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS, CURVE, GREY, PAIR
from core.runs.metrics import Sweep
from core.runs.rows import evenly
from core.studies.pair import Pair
from dashboard.components.charts import GRID, HEIGHT, MARGIN, SYMBOLS, TEMPLATE, error_bars, new_figure
from dashboard.components.plain import figure_text
from dashboard.components.words import percent

SHAPES = ("circle", "square")
GUESSING: dict[str, Any] = {"color": GREY, "dash": "dot", "width": 1}


def roc(swept: Sweep, *, recall: float, false_positive_rate: float) -> go.Figure:
    """Plot the ROC curve, FAKE being the positive class, with the present threshold as a point."""
    figure = new_figure("false-positive rate (REAL called FAKE)", "true-positive rate (FAKE)", showlegend=False)
    _add_curve(figure, swept.false_positive_rate, swept.true_positive_rate, swept, (false_positive_rate, recall))
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line=GUESSING, hoverinfo="skip")
    return _percent_axes(figure)


def precision_recall(swept: Sweep, *, recall: float, precision: float, base: float) -> go.Figure:
    """Plot precision over recall of FAKE, with the present threshold as a point; `base` is the share of FAKE."""
    figure = new_figure("recall of FAKE", "precision of FAKE", showlegend=False)
    _add_curve(figure, swept.true_positive_rate, swept.precision, swept, (recall, precision))
    figure.add_hline(y=base, line=GUESSING)
    return _percent_axes(figure)


def _add_curve(figure: go.Figure, x: Any, y: Any, swept: Sweep, now: tuple[float, float]) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": CURVE, "width": 2.5},
        customdata=swept.thresholds,
        hovertemplate="%{x:.1%}, %{y:.1%} at threshold %{customdata:.0%}<extra></extra>",
    )
    hover = "now: %{x:.1%}, %{y:.1%}<extra></extra>"
    figure.add_scatter(x=now[:1], y=now[1:], mode="markers", marker={"color": CURVE, "size": 13}, hovertemplate=hover)


def _percent_axes(figure: go.Figure) -> go.Figure:
    figure.update_xaxes(tickformat=".0%", range=[-0.01, 1.01])
    figure.update_yaxes(tickformat=".0%", gridcolor=GRID)
    return figure


def confidence(histogram: pd.DataFrame) -> go.Figure:
    """Plot right verdicts above wrong ones by confidence, on separate axes because far fewer are wrong."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    figure.update_layout(template=TEMPLATE, margin=MARGIN, height=HEIGHT, showlegend=False, bargap=0.05)
    middle = (histogram["low"] + histogram["high"]) / 2
    for row, name in enumerate(("right", "wrong"), start=1):
        figure.add_bar(
            x=middle,
            y=histogram[name],
            # wrong verdicts are hatched, as in the confusion matrix
            marker={"color": GREY, "pattern": {"shape": "/" if name == "wrong" else "", "solidity": 0.4}},
            customdata=histogram[["low", "high"]],
            hovertemplate=f"%{{customdata[0]:.0%}} to %{{customdata[1]:.0%}}: %{{y:,}} {name}<extra></extra>",
            row=row,
            col=1,
        )
        figure.update_yaxes(title=f"{name}: {int(histogram[name].sum()):,}", gridcolor=GRID, row=row, col=1)
    figure.update_xaxes(tickformat=".0%", range=[0.49, 1.01])
    figure.update_xaxes(title="confidence in the verdict", row=2, col=1)
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
            customdata=[
                [percent(row.confidence, 0), percent(row.accuracy), f"{row.images:,}"] for row in bins.itertuples()
            ],
            hovertemplate="%{customdata[0]} sure: %{customdata[1]} right of %{customdata[2]}<extra></extra>",
        )
    figure.add_scatter(x=[0.5, 1], y=[0.5, 1], mode="lines", line=GUESSING, hoverinfo="skip", showlegend=False)
    figure.update_xaxes(range=[0.49, 1.01], tickformat=".0%")
    figure.update_yaxes(tickformat=".0%", gridcolor=GRID)
    return figure


def training(history: Sequence[dict[str, Any]]) -> go.Figure:
    """Plot accuracy on the training and the held-out images after each epoch."""
    figure = new_figure("epoch", "accuracy")
    columns = (("train_accuracy", "training images", "dot"), ("val_accuracy", "held-out images", "solid"))
    for column, name, dash in columns:
        known = [(row["epoch"], row[column]) for row in history if row.get(column) is not None]
        figure.add_scatter(
            x=[epoch for epoch, _ in known],
            y=[value for _, value in known],
            name=name,
            mode="lines+markers",
            line={"color": GREY, "dash": dash, "width": 2.5},
            hovertemplate=f"epoch %{{x}}: %{{y:.2%}} of the {name}<extra></extra>",
        )
    figure.update_yaxes(tickformat=".1%", gridcolor=GRID)
    return figure


# most points in one figure; errors take precedence
MOST_POINTS = 4000


def beside(rows: pd.DataFrame, names: tuple[str, str], *, unit: str) -> go.Figure:
    """Plot the values of two detectors with their intervals, a row each, the first row on top.

    Args:
        rows: columns `name` and, of either detector, `first_` and `second_` with `value`, `low` and `high`, shares.
        names: of the detectors.
        unit: of the values.
    """
    figure = new_figure(unit, height=90 + 34 * len(rows))
    places = np.arange(len(rows))
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
    line: dict[str, Any] = {"color": GREY, "dash": "dot", "width": 1}
    figure.add_vline(x=0, line=line)
    figure.add_hline(y=0, line=line)
    return figure
