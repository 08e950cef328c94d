"""The picture of clusters: images as points that can be pointed at, boxed in and lassoed, and an outline a cluster."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.images.palette import CLASS_COLOURS, GREY
from core.runs.filter import Area
from core.runs.rows import evenly
from core.studies.cluster_cards import outline
from dashboard.components.charts import cached, new_figure
from dashboard.components.plain import figure_text
from dashboard.library import Opened

# points that are drawn: a browser that encloses them sends about 170 bytes of each back, of 2 MB that a server takes
MOST_POINTS = 8_000
# distinct under any colour blindness (Tol's muted scheme); outlines of the same colour differ in their dashes
COLOURS = (
    "#6f63bb", "#88ccee", "#44aa99", "#117733", "#999933", "#ddcc77", "#cc6677", "#882255", "#aa4499",
)  # fmt: skip
DASHES = ("solid", "dash", "dot")
WRONG = "#cc6677"
ABSENT, OTHERS = "no value", "others"
OWN = {
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
    """Everything that points can be coloured by: key or column -> its name."""
    table = opened.table
    own = {key: name for key, name in OWN.items() if key not in FURTHER or (key in table and table[key].notna().any())}
    # study columns with the study's title; without cluster numbers, which `OWN` has, and coordinates
    return own | {
        column: f"{about.study}: {about.label[:1].lower()}{about.label[1:]}"
        for column, about in (opened.studied | opened.further).items()
        if not (column.startswith("clusters.") and column.endswith(("_cluster", "_x", "_y")))
    }


@cached
def scatter(opened: Opened, space: str, key: str) -> go.Figure:
    """Draw the run's images, or an even selection of very many, where the study `clusters` puts them.

    Args:
        opened: the run.
        space: "features" or "maps".
        key: of `colourings`, what to colour by.
    """
    cluster = f"clusters.{space}_cluster"
    rows = evenly(np.flatnonzero(np.isfinite(opened.table[f"{space}_x"].to_numpy(np.float64))), MOST_POINTS)
    points = opened.table.iloc[rows].assign(row=rows)
    points = points.assign(x=points[f"{space}_x"], y=points[f"{space}_y"], cluster=points[cluster].astype(int))
    values = points["cluster" if key == "cluster" else key]
    # another colouring keeps the place that was zoomed to, and what a legend hides would still be in a box
    legend = {"itemsizing": "constant", "itemclick": False, "itemdoubleclick": False}
    figure = new_figure(height=560, dragmode="select", uirevision=space, legend=legend)
    figure.update_xaxes(showgrid=False, showticklabels=False, ticks="")
    figure.update_yaxes(showgrid=False, showticklabels=False, ticks="")
    if key != "cluster" and pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        title = {"text": figure_text(colourings(opened)[key]), "side": "right"}
        low, high = values.quantile([0.01, 0.99])
        axis = {"colorscale": "Cividis", "cmin": low, "cmax": high, "colorbar": {"title": title, "thickness": 12}}
        figure.update_layout(coloraxis=axis)
        traces = _traces(points.assign(colour=values.astype(float)), "%{marker.color:.3g}", None)
    else:
        names = _names(values, key)
        by_length = key == "cluster"
        listed = sorted(set(names), key=lambda name: (name not in (ABSENT, OTHERS), by_length and len(name), name))
        colours = _colours(key, listed)
        traces = (
            trace
            for name in listed
            for trace in _traces(points[(names == name).to_numpy()], name, colours[name], legend=key != "cluster")
        )
    for trace in traces:
        figure.add_trace(trace)
    for number, mine in points.groupby("cluster"):
        _outline(figure, int(number), mine)
    return figure


def _names(values: pd.Series, key: str) -> pd.Series:
    """The name of each point's value: of more than nine names other than clusters, only the eight most frequent."""
    names = values.astype(object).map(
        lambda value: f"cluster {value}" if key == "cluster"
        else {True: "yes", False: "no"}.get(value, figure_text(str(value).replace("_", " ")))
    )  # fmt: skip
    # a category of that very name is another thing than what the legend calls so
    names = names.where(~names.isin([ABSENT, OTHERS]), "“" + names.astype(str) + "”").where(values.notna(), ABSENT)
    counted = names[names != ABSENT].value_counts().index
    few = len(counted) <= len(COLOURS) or key == "cluster"
    return names if few else names.where(names.isin([ABSENT, *counted[: len(COLOURS) - 1]]), OTHERS)


def _colours(key: str, names: list[str]) -> Mapping[str, str]:
    if key in ("predicted", "label"):
        return CLASS_COLOURS
    if key == "correct":
        return {"right": GREY, "wrong": WRONG}
    own = [name for name in names if name not in (ABSENT, OTHERS)]
    return {ABSENT: GREY, OTHERS: GREY} | {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(own)}


def _traces(points: pd.DataFrame, name: str, colour: str | None, *, legend: bool = False) -> Iterator[go.Scattergl]:
    """Points under one name, a trace for each cell of the matrix; without a colour, by the column `colour`."""
    size = float(np.clip(260 / np.sqrt(max(len(points), 1)), 4, 9))
    for (label, predicted), (symbol, larger) in CELLS.items():
        mine = points[(points["label"] == label) & (points["predicted"] == predicted)]
        if len(mine):
            shade = {"color": colour} if colour else {"color": mine["colour"], "coloraxis": "coloraxis"}
            faint = name in (ABSENT, OTHERS)
            yield go.Scattergl(
                x=mine["x"],
                y=mine["y"],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=legend,
                marker={"symbol": symbol, "size": size * larger, "opacity": 0.25 if faint else 0.75, **shade},
                customdata=np.column_stack([mine["row"], 100 * mine["confidence"]]).astype(np.float32),
                hovertemplate=f"{name}<br>is {label}, called {predicted}, %{{customdata[1]:.0f}}% sure<extra></extra>",
            )
            legend = False


def _outline(figure: go.Figure, number: int, points: pd.DataFrame) -> None:
    """Enclose most images of a cluster, and write its number in their middle."""
    places = points[["x", "y"]].to_numpy(np.float64)
    middle, corners = np.median(places, axis=0), outline(places)
    colour, dash = COLOURS[number % len(COLOURS)], DASHES[number // len(COLOURS) % len(DASHES)]
    if len(corners):
        path = f"M {' L '.join(f'{x},{y}' for x, y in corners)} Z"
        figure.add_shape(type="path", path=path, line={"color": colour, "width": 2, "dash": dash}, opacity=0.8)
    figure.add_annotation(
        x=middle[0], y=middle[1], text=f"<b>{number}</b>", showarrow=False, font={"color": "#ffffff", "size": 14},
        bgcolor="#39414f", bordercolor=colour, borderwidth=2, borderpad=3, opacity=0.92,
    )  # fmt: skip


def drawn_area(selection: Mapping[str, Any], space: str) -> Area | None:
    """Return the area that was boxed in or lassoed last, as the browser sent it; None for anything else."""
    for kind in ("lasso", "box"):
        drawn = selection.get(kind) or []
        try:
            if drawn and (area := Area.drawn(space, drawn[-1]["x"], drawn[-1]["y"])):
                return area
        except (KeyError, TypeError, ValueError):
            continue
    return None


def clicked_row(selection: Mapping[str, Any], rows: int) -> int | None:
    """Return the position of the one image that was clicked; None where it was none, or several.

    Args:
        selection: as the browser sent it.
        rows: how many the run has.
    """
    points = selection.get("points")
    if not isinstance(points, list) or len(points) != 1 or selection.get("box") or selection.get("lasso"):
        return None
    try:
        row = int(points[0]["customdata"][0])
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    return row if 0 <= row < rows else None
