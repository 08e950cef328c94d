"""Plotly charts of the dashboard: one template, one set of colours; small charts are drawn by `plot.py`."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from core.images.palette import GREY, rgb

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


def clear(colour: str, opacity: float) -> str:
    """Return "#rrggbb" as Plotly's colour that lets through what is behind it; opacity from 0 to 1."""
    return f"rgba({', '.join(map(str, rgb(colour)))}, {opacity})"


# fainter than what stands on it, in both themes
GRID = clear(GREY, 0.25)
