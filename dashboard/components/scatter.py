"""The picture of clusters: images as points that can be pointed at, boxed in and lassoed."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.images.palette import CLASS_COLOURS, GREY
from core.runs.filter import Area
from core.runs.rows import evenly
from dashboard.components.charts import cached, new_figure
from dashboard.components.plain import figure_text
from dashboard.library import Opened

# points that are drawn: a browser that encloses them sends about 170 bytes of each back, of 2 MB that a server takes
MOST_POINTS = 8_000
# distinct under any colour blindness (Tol's muted scheme)
COLOURS = (
    "#6f63bb", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499",
)  # fmt: skip
WRONG = "#cc6677"
# what is not among the most frequent, and what has no value
OTHERS = "others"
COLOURINGS = {
    "cluster": "Cluster",
    "predicted": "Prediction",
    "label": "Label",
    "correct": "Right or wrong",
    "confidence": "Confidence",
    "category": "Category",
    "source": "Source",
}
# offered only where the set has values for them
FURTHER = ("category", "source")
# (label, prediction) -> symbol and relative size; wrong ones are hollow and drawn last
CELLS: dict[tuple[str, str], tuple[str, float]] = {
    ("FAKE", "FAKE"): ("diamond", 1.0),
    ("REAL", "REAL"): ("circle", 1.0),
    ("REAL", "FAKE"): ("diamond-open", 1.5),
    ("FAKE", "REAL"): ("circle-open", 1.5),
}


def colourings(opened: Opened) -> dict[str, str]:
    """Return what points of this run can be coloured by: key -> name."""
    table = opened.judged
    return {
        key: name for key, name in COLOURINGS.items()
        if key not in FURTHER or (key in table and table[key].notna().any())
    }  # fmt: skip


@cached
def scatter(opened: Opened, space: str, key: str) -> go.Figure:
    """Draw the run's images, or an even selection of very many, where the study `clusters` puts them.

    Args:
        opened: the run.
        space: "features" or "maps".
        key: of `COLOURINGS`, what to colour by.
    """
    cluster = f"clusters.{space}_cluster"
    rows = evenly(np.flatnonzero(np.isfinite(opened.table[f"{space}_x"].to_numpy(np.float64))), MOST_POINTS)
    points = opened.table.iloc[rows].assign(row=rows)
    points = points.assign(x=points[f"{space}_x"], y=points[f"{space}_y"], cluster=points[cluster].astype(int))
    # another colouring keeps the place that was zoomed to, and what a legend hides would still be in a box
    legend = {"itemsizing": "constant", "itemclick": False, "itemdoubleclick": False}
    figure = new_figure(height=560, dragmode="select", uirevision=space, legend=legend)
    figure.update_xaxes(showgrid=False, showticklabels=False, ticks="")
    figure.update_yaxes(showgrid=False, showticklabels=False, ticks="")
    if key == "confidence":
        low, high = points[key].quantile([0.01, 0.99])
        title = {"text": COLOURINGS[key], "side": "right"}
        axis = {"colorscale": "Cividis", "cmin": low, "cmax": high, "colorbar": {"title": title, "thickness": 12}}
        figure.update_layout(coloraxis=axis)
        traces = _traces(points, COLOURINGS[key], None)
    else:
        names, colours = _names(points[key], key)
        traces = (
            trace
            for name, colour in colours.items()
            for trace in _traces(points[names == name], name, colour, legend=key != "cluster")
        )
    for trace in traces:
        figure.add_trace(trace)
    for number, (x, y) in points.groupby("cluster")[["x", "y"]].median().iterrows():
        figure.add_annotation(
            x=x, y=y, text=f"<b>{number}</b>", showarrow=False, font={"color": "#ffffff", "size": 14},
            bgcolor="#39414f", borderpad=3, opacity=0.92,
        )  # fmt: skip
    return figure


def _names(values: pd.Series, key: str) -> tuple[pd.Series, dict[str, str]]:
    """Name each point's value; return the names, and the colour of each in the order of the legend."""
    if key == "cluster":
        colours = {f"cluster {number}": COLOURS[number % len(COLOURS)] for number in sorted(set(values))}
        return "cluster " + values.astype(str), colours
    if key not in FURTHER:
        return values.astype(str), {**CLASS_COLOURS, "right": GREY, "wrong": WRONG}
    names = values.astype(object).where(values.notna(), OTHERS)
    names = names.map(lambda value: figure_text(str(value).replace("_", " ")))
    frequent = names[names != OTHERS].value_counts().index[: len(COLOURS)]
    colours = dict(zip(sorted(frequent), COLOURS, strict=False)) | {OTHERS: GREY}
    return names.where(names.isin(frequent), OTHERS), colours


def _traces(points: pd.DataFrame, name: str, colour: str | None, *, legend: bool = False) -> Iterator[go.Scattergl]:
    """Draw points under one name, a trace for each cell of the matrix; without a colour, coloured by confidence."""
    size = float(np.clip(260 / np.sqrt(max(len(points), 1)), 4, 9))
    for (label, predicted), (symbol, larger) in CELLS.items():
        mine = points[(points["label"] == label) & (points["predicted"] == predicted)]
        if mine.empty:
            continue
        shade = {"color": colour} if colour else {"color": mine["confidence"], "coloraxis": "coloraxis"}
        yield go.Scattergl(
            x=mine["x"],
            y=mine["y"],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=legend,
            marker={"symbol": symbol, "size": size * larger, "opacity": 0.25 if name == OTHERS else 0.75, **shade},
            customdata=np.column_stack([mine["row"], 100 * mine["confidence"]]).astype(np.float32),
            hovertemplate=f"{name}<br>is {label}, called {predicted}, %{{customdata[1]:.0f}}% sure<extra></extra>",
        )
        legend = False


def drawn_area(selection: Mapping[str, Any], space: str) -> Area | None:
    """Return the area that was boxed in or lassoed last, as the browser sent it; None for anything else."""
    for kind in ("lasso", "box"):
        try:
            if area := Area.drawn(space, selection[kind][-1]["x"], selection[kind][-1]["y"]):
                return area
        except (KeyError, TypeError, ValueError, IndexError):
            continue
    return None


def clicked_row(selection: Mapping[str, Any], rows: int) -> int | None:
    """Return the position of the one image that was clicked; None where it was none, or several.

    Args:
        selection: as the browser sent it.
        rows: how many the run has.
    """
    if selection.get("box") or selection.get("lasso"):
        return None
    try:
        (point,) = selection["points"]
        row = int(point["customdata"][0])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    return row if 0 <= row < rows else None
