"""The charts of the dashboard: one Plotly template, one set of colours, numbers from core/."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from core.images.palette import CURVE, GREY
from core.metrics.classification import Sweep
from dashboard.components.charts.figure_cache import cached

HEIGHT = 330
# only a figure's own margins override those of Streamlit's theme; the last label needs room
MARGIN = {"l": 8, "r": 28, "t": 8, "b": 8}
TEMPLATE = go.layout.Template(
    layout={
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
        "xaxis": {"showgrid": False, "zeroline": False, "automargin": True, "ticks": "outside", "ticklen": 4},
        "yaxis": {"zeroline": False, "automargin": True},
        "bargap": 0.12,
    }
)


def show(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draw a figure in the theme of the page, without a toolbar."""
    st.plotly_chart(figure, key=key, alt=alt, config={"displayModeBar": False}, width="stretch")


def new_figure(x: str | None = None, y: str | None = None, **layout: Any) -> go.Figure:
    """Start a figure in the common style, with titles of its axes."""
    figure = go.Figure(layout={"template": TEMPLATE, "margin": MARGIN, "height": HEIGHT, **layout})
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure


def error_bars(value: Any, low: Any, high: Any, *, color: str = GREY, thickness: float = 2) -> dict[str, Any]:
    """Return Plotly's error bars from values and the ends of their intervals, columns or arrays of one length."""
    ends = {"type": "data", "array": high - value, "arrayminus": value - low}
    return ends | {"color": color, "thickness": thickness, "width": 4}


def add_guessing(figure: go.Figure, start: float) -> None:
    """Add the dotted diagonal of a detector that guesses, or whose confidence is calibrated."""
    ends, line = [start, 1], {"color": GREY, "dash": "dot", "width": 1}
    figure.add_scatter(x=ends, y=ends, mode="lines", line=line, hoverinfo="skip")


@cached
def roc(swept: Sweep, *, recall: float, false_positive_rate: float) -> go.Figure:
    """Plot the ROC curve, FAKE being the positive class, with the present threshold as a point."""
    figure = new_figure(
        "false-positive rate (REAL called FAKE)", "true-positive rate (recall of FAKE)", showlegend=False
    )
    add_guessing(figure, 0)
    x, y = swept.false_positive_rate, swept.true_positive_rate
    return _swept(figure, x, y, swept, now=(false_positive_rate, recall), least=-0.01)


@cached
def precision_recall(swept: Sweep, *, recall: float, precision: float, base: float) -> go.Figure:
    """Plot precision over recall of FAKE, with the present threshold as a point; `base` is the share of FAKE."""
    figure = new_figure("recall of FAKE", "precision of FAKE", showlegend=False)
    figure.add_hline(y=base, line={"color": GREY, "dash": "dot", "width": 1})
    x, y = swept.true_positive_rate, swept.precision
    return _swept(figure, x, y, swept, now=(recall, precision), least=min(0.45, base - 0.05))


def _swept(figure: go.Figure, x: Any, y: Any, swept: Sweep, *, now: tuple[float, float], least: float) -> go.Figure:
    """Add a curve over all thresholds and a point for the present one; `least` is the lower end of the y axis."""
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": CURVE, "width": 2.5},
        customdata=swept.thresholds,
        hovertemplate="%{x:.1%}, %{y:.1%}<br>REAL from p = %{customdata:.2f}<extra></extra>",
    )
    figure.add_scatter(
        x=now[:1],
        y=now[1:],
        mode="markers",
        marker={"size": 13, "color": CURVE, "line": {"color": "white", "width": 2.5}},
        hovertemplate="now: %{x:.1%}, %{y:.1%}<extra></extra>",
    )
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%")
    return figure.update_yaxes(range=[least, 1.03], tickformat=".0%")


@cached
def confidence(histogram: pd.DataFrame) -> go.Figure:
    """Plot right verdicts above wrong ones by confidence, on separate axes because far fewer are wrong."""
    figure = make_subplots(2, shared_xaxes=True, vertical_spacing=0.14, figure=new_figure(showlegend=False, bargap=0))
    middle = (histogram["low"] + histogram["high"]) / 2
    width = (histogram["high"] - histogram["low"]) * 0.9
    for row, (name, pattern, opacity) in enumerate((("right", "", 0.45), ("wrong", "/", 1.0)), start=1):
        figure.add_bar(
            x=middle,
            y=histogram[name],
            width=width,
            opacity=opacity,
            # wrong verdicts are hatched, as in the confusion matrix
            marker={
                "color": GREY,
                "pattern": {"shape": pattern, "size": 5, "solidity": 0.6},
                "line": {"color": GREY, "width": 1},
            },
            customdata=histogram[["low", "high"]],
            hovertemplate=f"%{{customdata[0]:.0%}} to %{{customdata[1]:.0%}}: %{{y:,}} {name}<extra></extra>",
            row=row,
            col=1,
        )
        figure.update_yaxes(title=f"{name}: {histogram[name].sum():,}", rangemode="tozero", nticks=4, row=row, col=1)
    figure.update_xaxes(tickformat=".0%", range=[0.49, 1.01])
    figure.update_xaxes(title="confidence in the verdict", row=2, col=1)
    return figure


@cached
def calibration(bins: pd.DataFrame) -> go.Figure:
    """Plot how often verdicts of each confidence are right, with 95% intervals."""
    figure = new_figure("confidence in the verdict", "accuracy", showlegend=False)
    add_guessing(figure, 0.5)
    figure.add_scatter(
        x=bins["confidence"],
        y=bins["accuracy"],
        mode="lines+markers",
        line={"color": GREY, "width": 2},
        marker={"size": 9},
        error_y=error_bars(bins["accuracy"], bins["low"], bins["high"]),
        customdata=bins["images"],
        hovertemplate="%{x:.0%} sure: %{y:.1%} right of %{customdata:,}<extra></extra>",
    )
    figure.update_xaxes(range=[0.49, 1.01], tickformat=".0%")
    figure.update_yaxes(tickformat=".0%")
    return figure


@cached
def training(history: Sequence[dict[str, Any]]) -> go.Figure:
    """Plot accuracy on the training and the held-out images after each epoch."""
    figure = new_figure("epoch", "accuracy")
    epochs = [row["epoch"] for row in history]
    for column, name, dash in (
        ("train_accuracy", "training images", "dot"),
        ("val_accuracy", "held-out images", "solid"),
    ):
        figure.add_scatter(
            x=epochs,
            y=[row.get(column) for row in history],
            name=name,
            mode="lines+markers",
            line={"color": GREY, "dash": dash, "width": 2.5},
            hovertemplate=f"epoch %{{x}}: %{{y:.2%}} of the {name}<extra></extra>",
        )
    figure.update_xaxes(dtick=max(1, len(epochs) // 10))
    figure.update_yaxes(tickformat=".0%")
    return figure
