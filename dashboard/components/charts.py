"""Plotly charts: lines with intervals, bars, curves of detectors; and the confusion matrix.

The matrix is four counts as buttons. Streamlit lacks buttons in a grid that are coloured by what they count and that
say of two lines which row and column they stand in.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.arrays import Int64
from core.console import one_direction
from core.images.labels import CLASSES, CURVE, GREY, rgb
from dashboard.components.component import component, nothing
from dashboard.components.words import figure_text, percent

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
SYMBOLS = {"FAKE": "diamond", "REAL": "circle"}
_mount = component("matrix")


def show(figure: go.Figure, *, key: str, alt: str) -> None:
    """Draw a figure in the theme of the page, without a toolbar."""
    st.plotly_chart(figure, key=key, alt=alt, config={"displayModeBar": False}, width="stretch")


def new_figure(x: str | None = None, y: str | None = None, **layout: Any) -> go.Figure:
    """Start a figure in the common style, with titles of its axes."""
    figure = go.Figure(layout={"template": TEMPLATE, "margin": MARGIN, "height": HEIGHT, **layout})
    return figure.update_xaxes(title=x).update_yaxes(title=y)


def clear(colour: str, opacity: float) -> str:
    """Return "#rrggbb" as Plotly's colour that lets through what is behind it; opacity from 0 to 1."""
    return f"rgba({', '.join(map(str, rgb(colour)))}, {opacity})"


# fainter than what stands on it, in both themes
GRID = clear(GREY, 0.25)


class Line(NamedTuple):
    """A line of a figure.

    Attributes:
        name: in the legend and under the pointer.
        x, y: columns or arrays of one length.
        colour, dash, symbol: of the line; "" for no markers.
        low, high: ends of an interval, drawn as a band; None for none.
        width: in pixels; thin ones are faint.
        shape: "linear", or "hv" for steps.
    """

    name: str
    x: Any
    y: Any
    colour: str = GREY
    dash: str = "solid"
    symbol: str = ""
    low: Any = None
    high: Any = None
    width: float = 2.5
    shape: str = "linear"


def line_figure(lines: Iterable[Line], x: str | None = None, y: str | None = None, **layout: Any) -> go.Figure:
    """Plot lines with their intervals; the values of all lines at one place are under the pointer."""
    figure = new_figure(x, y, **layout)
    for line in lines:
        if line.low is not None:
            figure.add_scatter(
                x=[*line.x, *line.x[::-1]], y=[*line.high, *line.low[::-1]], fill="toself", mode="lines",
                fillcolor=clear(line.colour, 0.16), line={"width": 0}, hoverinfo="skip", showlegend=False,
            )  # fmt: skip
        figure.add_scatter(
            x=line.x,
            y=line.y,
            name=figure_text(line.name),
            mode="lines+markers" if line.symbol else "lines",
            line={"color": line.colour, "dash": line.dash, "width": line.width, "shape": line.shape},
            marker={"symbol": line.symbol or "circle", "size": 8},
            opacity=1 if line.width > 1.5 else 0.8,
        )
    return figure


def roc(swept: pd.DataFrame, alarms: float, recall: float) -> go.Figure:
    """Plot the ROC curve, the present threshold as a point.

    Args:
        swept: from `core.runs.metrics.sweep`.
        alarms, recall: the false-positive and the true-positive rate at that threshold, 0 to 1.
    """
    curve = Line("all thresholds", swept["false_positive_rate"], swept["true_positive_rate"], CURVE)
    lines = (curve, Line("guessing", [0, 1], [0, 1], dash="dot", width=1))
    figure = line_figure(lines, "false-positive rate (REAL called FAKE)", "true-positive rate (FAKE)", showlegend=False)
    hover = "%{x:.1%}, %{y:.1%} at threshold %{customdata:.0%}<extra></extra>"
    figure.data[0].update(customdata=swept["thresholds"], hovertemplate=hover)
    figure.add_scatter(x=[alarms], y=[recall], mode="markers", marker={"color": CURVE, "size": 13}, name="now")
    share = {"tickformat": ".0%", "range": [-0.01, 1.01], "gridcolor": GRID}
    return figure.update_xaxes(share).update_yaxes(share)


def calibration(bins: pd.DataFrame) -> go.Figure:
    """Plot how often verdicts of each confidence are right, with 95 % intervals: `core.runs.metrics.calibration`."""
    measured = bins["confidence"], bins["accuracy"]
    lines = [
        Line("this detector", *measured, CURVE, "solid", "circle", bins["low"], bins["high"]),
        Line("calibrated", [0.5, 1], [0.5, 1], dash="dot", width=1),
    ]
    figure = line_figure(lines, "confidence in the verdict", "accuracy")
    return figure.update_xaxes(range=[0.49, 1.01], tickformat=".0%").update_yaxes(tickformat=".0%", gridcolor=GRID)


def training(history: Sequence[dict[str, Any]]) -> go.Figure:
    """Plot accuracy on the training and the held-out images after each epoch."""
    rows = pd.DataFrame(history)
    columns = (("train_accuracy", "training images", "dot"), ("val_accuracy", "held-out images", "solid"))
    lines = [Line(name, rows["epoch"], rows.get(column), dash=dash, symbol="circle") for column, name, dash in columns]
    return line_figure(lines, "epoch", "accuracy").update_yaxes(tickformat=".1%", gridcolor=GRID)


def noise_band(figure: go.Figure, noise: float) -> None:
    """Shade the margins about 0 whose sign a detector's noise decides; nothing without noise."""
    if noise:
        figure.add_hrect(
            -noise, noise, fillcolor=GREY, opacity=0.2, line_width=0, layer="below", annotation_text="noise"
        )


def rate_table(
    rates: pd.DataFrame, *, key: str, title: str, overall: float | None = None, expected: str = "expected"
) -> str | None:
    """Draw rates with their intervals as a table, a bar a row; a row that is ticked opens its value.

    Args:
        rates: `value`, `rate`, `low`, `high` and, where there are any, `wrong` and `images` (counts) and `expected`, a
            rate to compare with. From the top down.
        key: of the table.
        title: what it shows, for screen readers.
        overall: the rate of all rows together; None where there is none.
        expected: what the rate to compare with is.

    Returns:
        The value of the ticked row, or None.
    """
    names = [one_direction(str(value).replace("_", " ")) for value in rates["value"]]
    shown = pd.DataFrame({"of": names, "share": 100 * rates["rate"]})
    shown["95% interval"] = rates["low"].map(percent) + " to " + rates["high"].map(percent)
    if "expected" in rates:
        shown[expected] = 100 * rates["expected"]
    for column in rates.columns.intersection(["wrong", "images"]):
        shown[column] = rates[column]
    bar = st.column_config.ProgressColumn(format="%.1f%%", min_value=0, max_value=max(1.0, shown["share"].max()))
    sent = st.dataframe(
        shown,
        key=key,
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        placeholder="\N{EM DASH}",
        alt=title,
        column_config={"share": bar, expected: st.column_config.NumberColumn(format="%.1f%%")},
    )
    if overall is not None:
        st.caption(f"All together: {percent(overall)}.")
    return ticked_value(sent, list(rates["value"].astype(str)))


def ticked_value(sent: Any, values: Sequence[str]) -> str | None:
    """Return the value of the row that was ticked, as the browser sent it; None for anything else."""
    try:
        (row,) = sent["selection"]["rows"]
    except (KeyError, TypeError, ValueError):
        return None
    return values[row] if type(row) is int and 0 <= row < len(values) else None


def confusion_matrix(
    counts: Int64,
    *,
    key: str,
    pressed: set[tuple[str, str]] | None = None,
    on_open: Callable[[], None] = nothing,
) -> tuple[str, str] | None:
    """Draw [true][called] counts, FAKE first.

    Args:
        counts: int (2, 2).
        key: of the element.
        pressed: the (true, called) cells to show as chosen; None where the matrix filters nothing.
        on_open: called before the rerun that a click causes.

    Returns:
        The (true, called) cell that was just clicked, or None.
    """
    cells = []
    for (row, column), count in np.ndenumerate(counts):
        cell = (CLASSES[row], CLASSES[column])
        total = counts[row].sum()
        share = float(count / max(1, total))
        of_label = f"{percent(share)} of {cell[0]}" if total else f"no {cell[0]}"
        press = "Show the others too" if pressed == {cell} else "Show them"
        cells.append({
            "truth": cell[0],
            "said": cell[1],
            "count": f"{count:,}",
            "label": f": {of_label}, images that are {cell[0]} and were called {cell[1]}. {press}.",
            "strength": round(0.12 + 0.4 * share, 3),
            "pressed": cell in (pressed or ()),
        })  # fmt: skip
    data = {"cells": cells, "filters": on_open is not nothing, "chosen": pressed is not None}
    return clicked(_mount(key=key, data=data, on_open_change=on_open).open)


def clicked(value: object) -> tuple[str, str] | None:
    """Read the (true, called) cell of a click as the browser sent it, None for anything else."""
    if isinstance(value, dict) and value.get("truth") in CLASSES and value.get("said") in CLASSES:
        return value["truth"], value["said"]
    return None
