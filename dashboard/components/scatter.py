"""The picture of clusters: images as points that can be pointed at, boxed in and lassoed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from core.images.palette import CLASS_COLOURS, GREY
from core.runs.filter import Area
from core.runs.rows import evenly
from dashboard.components.charts import TEMPLATE, cached
from dashboard.components.plain import figure_text
from dashboard.library import Opened

HEIGHT = 620
# points that are drawn: a browser that encloses them sends about 170 bytes of each back, of 2 MB that a server takes
MOST_POINTS = 8_000
# neighbours in this order differ in hue or lightness; the clusters' numbers are written on the picture, because no
# twelve colours are distinct to everyone; those that resemble the colours of the classes come last
COLOURS = (
    "#6f63bb", "#2f9e8f", "#94902f", "#d0607a", "#3f7d3a", "#8c3a63", "#5f7387", "#b05fb0", "#a8704a", "#3fa0c9",
    "#c98f2a", "#3f6fae",
)  # fmt: skip
WRONG = "#cc4aa3"
ABSENT, UNKNOWN = "no value", "not known"
OTHERS = "others"
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


@dataclass(frozen=True, eq=False)
class Points:
    """The N images that are drawn: those that have a 2-D embedding, at most `MOST_POINTS`.

    Attributes:
        positions: intp (N,), row positions in the run.
        x, y: float32 (N,), the embedding.
        label, predicted: text (N,), "FAKE" or "REAL".
        sure: float32 (N,), confidence in percent.
        cluster: int (N,).
    """

    positions: NDArray[np.intp]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    label: NDArray[np.object_]
    predicted: NDArray[np.object_]
    sure: NDArray[np.float32]
    cluster: NDArray[np.int64]

    @property
    def size(self) -> float:
        """Of a point in pixels, smaller where there are many."""
        return float(np.clip(260 / np.sqrt(max(len(self.x), 1)), 4, 9))


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


def column_of(key: str, space: str) -> str:
    """The column of the run's table behind a key of `colourings`."""
    return f"clusters.{space}_cluster" if key == "cluster" else key


@cached
def scatter(opened: Opened, space: str, key: str) -> go.Figure:
    """Draw the run's images, or an even selection of very many, where the study `clusters` puts them.

    Args:
        opened: the run.
        space: "features" or "maps".
        key: of `colourings`, what to colour by.
    """
    points = _read(opened.table, space)
    values = opened.table[column_of(key, space)].iloc[points.positions]
    figure = go.Figure(layout=_layout(space))
    if key != "cluster" and pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        name = figure_text(colourings(opened)[key])
        _draw_numbers(figure, points, values.to_numpy(np.float32), name)
    else:
        _draw_names(figure, points, values, key)
    _number_clusters(figure, points, coloured=key == "cluster")
    return figure


def _read(table: pd.DataFrame, space: str) -> Points:
    positions = evenly(np.flatnonzero(np.isfinite(table[f"{space}_x"].to_numpy(np.float64))), MOST_POINTS)
    rows = table.iloc[positions]
    return Points(  # type: ignore[misc]
        positions,
        *(rows[f"{space}_{end}"].to_numpy(np.float32) for end in "xy"),
        *(rows[column].astype(str).to_numpy(object) for column in ("label", "predicted")),
        sure=(100 * rows["confidence"]).to_numpy(np.float32),
        cluster=rows[f"clusters.{space}_cluster"].to_numpy(np.int64),
    )


def _layout(space: str) -> dict[str, Any]:
    axis = {"zeroline": False, "showgrid": False, "ticks": "", "title": None, "showticklabels": False}
    return {
        "template": TEMPLATE,
        "height": HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "dragmode": "select",
        # another colouring keeps the place that was zoomed to
        "uirevision": space,
        "xaxis": axis,
        "yaxis": axis,
        # what is hidden would still be in a box
        "legend": {"itemsizing": "constant", "itemclick": False, "itemdoubleclick": False},
        "newselection": {"line": {"color": GREY, "width": 2}},
    }


def _draw_names(figure: go.Figure, points: Points, values: pd.Series, key: str) -> None:
    """Draw points with a colour per name; of more than 12 names other than clusters, only for the 11 most frequent."""
    absent = UNKNOWN if key in FURTHER else ABSENT
    words = values.astype(object).map(lambda value: _word(value, key))
    # a category of that very name is another thing than what the legend calls so
    words = words.where(~words.isin([absent, OTHERS]), "“" + words.astype(str) + "”")
    texts = np.where(values.isna(), absent, words)
    counted = pd.Series(texts[texts != absent]).value_counts()
    named = list(counted.index) if len(counted) <= len(COLOURS) or key == "cluster" else [*counted.index[:11]]
    texts = np.where(np.isin(texts, [*named, absent]), texts, OTHERS)
    names = sorted(named, key=lambda name: (len(name), name) if key == "cluster" else (0, name))
    colours = _colours(key, names)
    for name in (absent, OTHERS, *names):
        _draw(
            figure,
            points,
            texts == name,
            name,
            colour=colours.get(name, GREY),
            faint=name in (absent, OTHERS),
            # the clusters' numbers are on the picture
            legend=key != "cluster",
        )


def _word(value: Any, key: str) -> str:
    if key == "cluster":
        return f"cluster {int(value)}"
    return {True: "yes", False: "no"}.get(value, figure_text(str(value).replace("_", " ")))


def _colours(key: str, names: list[str]) -> Mapping[str, str]:
    if key in ("predicted", "label"):
        return CLASS_COLOURS
    if key == "correct":
        return {"right": GREY, "wrong": WRONG}
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}


def _draw_numbers(figure: go.Figure, points: Points, values: NDArray[np.float32], name: str) -> None:
    """Draw points coloured by a number, on a scale from dark to light between its 1st and 99th percentile."""
    known = np.isfinite(values)
    _draw(figure, points, ~known, ABSENT, colour=GREY, faint=True)
    _draw(figure, points, known, name, colour=values, legend=False)
    low, high = map(float, np.quantile(values[known], [0.01, 0.99])) if known.any() else (0.0, 1.0)
    bar = {"title": {"text": name, "side": "right"}, "thickness": 12, "outlinewidth": 0, "len": 0.9}
    figure.update_layout(coloraxis={"colorscale": "Cividis", "cmin": low, "cmax": high, "colorbar": bar})


def _draw(
    figure: go.Figure,
    points: Points,
    chosen: NDArray[np.bool_],
    name: str,
    *,
    colour: str | NDArray[np.float32],
    faint: bool = False,
    legend: bool = True,
) -> None:
    """Points under one name, a trace for each cell of the confusion matrix."""
    numbers = not isinstance(colour, str)
    told = f"{name}: %{{marker.color:.3g}}" if numbers else name
    first = True
    for (label, predicted), (symbol, larger) in CELLS.items():
        mine = np.flatnonzero(chosen & (points.label == label) & (points.predicted == predicted))
        if not len(mine):
            continue
        shade = {"color": colour} if isinstance(colour, str) else {"color": colour[mine], "coloraxis": "coloraxis"}
        figure.add_scattergl(
            x=points.x[mine],
            y=points.y[mine],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=first and legend,
            marker={"symbol": symbol, "size": points.size * larger, "opacity": 0.25 if faint else 0.75, **shade},
            customdata=np.column_stack([points.positions[mine].astype(np.float32), points.sure[mine]]),
            hovertemplate=f"{told}<br>is {label}, called {predicted}, %{{customdata[1]:.0f}} % sure<extra></extra>",
        )
        first = False


def _number_clusters(figure: go.Figure, points: Points, *, coloured: bool) -> None:
    """The number of each cluster, in the middle of its images."""
    for number in np.unique(points.cluster).tolist():
        mine = points.cluster == number
        figure.add_annotation(
            x=float(np.median(points.x[mine])),
            y=float(np.median(points.y[mine])),
            text=f"<b>{number}</b>",
            showarrow=False,
            font={"color": "#ffffff", "size": 14},
            bgcolor="#4b5361",
            bordercolor=COLOURS[number % len(COLOURS)] if coloured else "#ffffff",
            borderwidth=2,
            borderpad=3,
            opacity=0.92,
        )


def drawn_area(selection: Mapping[str, Any], space: str) -> Area | None:
    """The area that was boxed in or lassoed last, as the browser sent it; None for anything else."""
    for kind in ("lasso", "box"):
        drawn = selection.get(kind) or []
        try:
            if drawn and (area := Area.drawn(space, drawn[-1]["x"], drawn[-1]["y"])):
                return area
        except (KeyError, TypeError, ValueError):
            continue
    return None


def clicked_row(selection: Mapping[str, Any], rows: int) -> int | None:
    """The position of the one image that was clicked; None where it was none, or several.

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
