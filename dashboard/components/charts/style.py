"""Every chart of the dashboard: one Plotly template, class colours, numbers from core/."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from core.images.palette import FAKE
from core.metrics.classification import Sweep
from dashboard.components.charts.figure_cache import kept

GREY = "#8b9099"
HEIGHT = 330
# Streamlit's theme has margins of its own, which only the figure's outdo: the last label needs room
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


def _figure(x: str, y: str, **layout: Any) -> go.Figure:
    figure = go.Figure(layout={"template": TEMPLATE, "margin": MARGIN, "height": HEIGHT, **layout})
    figure.update_xaxes(title=x)
    figure.update_yaxes(title=y)
    return figure


@kept
def roc(swept: Sweep, *, caught: float, accused: float) -> go.Figure:
    """Caught FAKE against accused REAL at every threshold, with the present one as a point."""
    figure = _figure("share of REAL wrongly accused", "share of FAKE caught", showlegend=False)
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GREY, "dash": "dot", "width": 1}, hoverinfo="skip"
    )
    _curve(figure, swept.accused, swept.caught, swept)
    _point(figure, accused, caught)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(range=[-0.01, 1.03], tickformat=".0%")
    return figure


@kept
def precision_recall(swept: Sweep, *, caught: float, precision: float, base: float) -> go.Figure:
    """How many of those called FAKE are FAKE, against how many FAKE are caught; `base` is the share of FAKE."""
    figure = _figure("share of FAKE caught (recall)", "FAKE among those called FAKE (precision)", showlegend=False)
    figure.add_hline(y=base, line={"color": GREY, "dash": "dot", "width": 1})
    _curve(figure, swept.caught, swept.precision, swept)
    _point(figure, caught, precision)
    figure.update_xaxes(range=[-0.01, 1.01], tickformat=".0%")
    figure.update_yaxes(range=[min(0.45, base - 0.05), 1.03], tickformat=".0%")
    return figure


def _curve(figure: go.Figure, x: Any, y: Any, swept: Sweep) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": FAKE, "width": 2.5},
        customdata=swept.cuts,
        hovertemplate="%{x:.1%}, %{y:.1%}<br>REAL from p = %{customdata:.2f}<extra></extra>",
    )


def _point(figure: go.Figure, x: float, y: float) -> None:
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        marker={"size": 13, "color": FAKE, "line": {"color": "white", "width": 2.5}},
        hovertemplate="now: %{x:.1%}, %{y:.1%}<extra></extra>",
    )


@kept
def confidence(histogram: pd.DataFrame) -> go.Figure:
    """Right verdicts over wrong ones by confidence, each with an axis of its own: there are far fewer wrong ones."""
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.14)
    figure.update_layout(template=TEMPLATE, margin=MARGIN, height=HEIGHT, showlegend=False, bargap=0)
    middle = (histogram["low"] + histogram["high"]) / 2
    width = (histogram["high"] - histogram["low"]) * 0.9
    for row, (name, pattern, opacity) in enumerate((("right", "", 0.45), ("wrong", "/", 1.0)), start=1):
        figure.add_bar(
            x=middle,
            y=histogram[name],
            width=width,
            opacity=opacity,
            # hatched is wrong, here as in the confusion matrix
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


@kept
def calibration(bins: pd.DataFrame) -> go.Figure:
    """How often verdicts of each confidence are right, with 95 % intervals."""
    figure = _figure("confidence in the verdict", "share that is right", showlegend=False)
    figure.add_scatter(
        x=[0.5, 1], y=[0.5, 1], mode="lines", line={"color": GREY, "dash": "dot", "width": 1}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=bins["confidence"],
        y=bins["accuracy"],
        mode="lines+markers",
        line={"color": GREY, "width": 2},
        marker={"size": 9},
        error_y={
            "type": "data",
            "array": bins["high"] - bins["accuracy"],
            "arrayminus": bins["accuracy"] - bins["low"],
            "color": GREY,
            "thickness": 1.5,
            "width": 4,
        },
        customdata=bins["images"],
        hovertemplate="%{x:.0%} sure: %{y:.1%} right of %{customdata:,}<extra></extra>",
    )
    figure.update_xaxes(range=[0.49, 1.01], tickformat=".0%")
    figure.update_yaxes(tickformat=".0%")
    return figure


@kept
def training(history: Sequence[dict[str, Any]]) -> go.Figure:
    """Accuracy on the training and on the held-out images after each epoch."""
    figure = _figure("epoch", "accuracy")
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
