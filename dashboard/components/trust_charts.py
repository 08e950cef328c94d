"""Figures of the studies of explanations: means with intervals beside their controls, and curves.

Colour and shape say the verdict (a blue circle REAL, an orange diamond FAKE, open where it is wrong); where a figure is
about one verdict, colour, line and shape say the method.
"""

import textwrap
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.detectors.manifest import layer_words
from core.explainers.registry import DEFAULT
from core.images.palette import CLASS_COLOURS, GREY
from core.studies.explanations import judged
from core.studies.faithfulness import BASELINES, CONTROLS, DIRECTIONS, ORDERS, OWN, OWN_TITLE
from core.studies.randomisation import OTHER_IMAGE
from dashboard.components.charts import MARGIN, SYMBOLS, TEMPLATE, cached, clear, error_bars, new_figure

# for methods, where the class colours would mislead; distinct under any colour blindness, and in shape
STYLES: tuple[dict[str, str], ...] = (
    {"color": "#9b59c9", "dash": "solid", "symbol": "circle"},
    {"color": "#0f9d8a", "dash": "dash", "symbol": "square"},
    {"color": "#c2527b", "dash": "dot", "symbol": "diamond"},
    {"color": "#8a8500", "dash": "dashdot", "symbol": "triangle-up"},
    {"color": "#4a7fb5", "dash": "longdash", "symbol": "cross"},
    {"color": "#c46a00", "dash": "longdashdot", "symbol": "x"},
    {"color": "#8d6e5b", "dash": "solid", "symbol": "triangle-down"},
    {"color": "#2f7d4f", "dash": "dash", "symbol": "star"},
)
# of full colour, for the interval around a curve
BAND = 0.18
# small ones, and every run, verdict and filling has its own
_kept = partial(cached, most=96)
DIRECTION_NAMES = {
    "deletion": "Deletion: share of the image that is filled",
    "insertion": "Insertion: share of the image that is shown",
}


def verdict_of(group: str) -> str:
    """The verdict of a group of `core.studies.groups`."""
    return group.rsplit(" ", 1)[-1]


def marker(group: str) -> dict[str, Any]:
    """Colour and shape of a group: the verdict's, open where the verdict is wrong."""
    verdict = verdict_of(group)
    wrong = "called" in group and not group.startswith(verdict)
    return {"color": CLASS_COLOURS[verdict], "symbol": SYMBOLS[verdict] + ("-open" if wrong else ""), "size": 11}


@_kept
def dots(frame: pd.DataFrame, *, unit: str, share: bool = False, zero: bool = False) -> go.Figure:
    """Means with their intervals, a row a name and a mark a group.

    Args:
        frame: columns `name`, `group`, `value`, `low`, `high`, `images`; rows in the order of the picture.
        unit: of the values, under the axis.
        share: write values as percent.
        zero: draw a line at 0.
    """
    names, found = list(dict.fromkeys(frame["name"])), list(dict.fromkeys(frame["group"]))
    gap = 0.62 / len(found)
    figure = new_figure(height=64 + len(names) * (22 + 17 * len(found)))
    for number, group in enumerate(found):
        rows = frame[frame["group"] == group]
        below = (number - (len(found) - 1) / 2) * gap
        figure.add_scatter(
            x=rows["value"],
            y=[-names.index(name) - below for name in rows["name"]],
            mode="markers",
            name=group if "called" in group else f"{group} verdicts",
            marker=marker(group) | {"line": {"width": 2.2, "color": CLASS_COLOURS[verdict_of(group)]}},
            error_x=error_bars(
                rows["value"], rows["low"], rows["high"], color=CLASS_COLOURS[verdict_of(group)], thickness=1.8
            ),
            customdata=rows[["name", "low", "high", "images"]],
            hovertemplate=_hover("x", share=share),
        )
    figure.update_yaxes(
        tickvals=[-number for number in range(len(names))],
        ticktext=[_label(name) for name in names],
        range=[-len(names) + 0.45, 0.55],
        showgrid=False,
    )
    figure.update_xaxes(title=unit, tickformat=".0%" if share else None, showgrid=True, range=_around_zero(frame))
    if zero:
        figure.add_vline(x=0, line={"color": GREY, "width": 1.5, "dash": "dot"})
    return figure


@_kept
def deletion_curves(frame: pd.DataFrame) -> go.Figure:
    """Plot a group's deletion curves above its insertion curves, with both controls and the baselines.

    Args:
        frame: rows of `core.studies.faithfulness.mean_curves` of one group and fill.
    """
    figure = make_subplots(rows=2, shared_xaxes=False, vertical_spacing=0.2)
    figure.update_layout(template=TEMPLATE, margin=MARGIN, height=520)
    titles = frame.drop_duplicates("method").set_index("method")["name"]
    methods = {name: titles[name] for name in sorted(titles.index, key=lambda one: one not in DEFAULT)}
    methods = {name: title for name, title in methods.items() if name not in ORDERS}
    for row, direction in enumerate(DIRECTIONS, start=1):
        part = frame[frame["direction"] == direction]
        for name in BASELINES.values():
            line = {"color": GREY, "width": 1.2, "dash": "dash" if name.startswith("edges") else "solid"}
            _line(figure, part, name, row, line=line, opacity=0.6, told=f"baseline: {name}", showlegend=row == 1)
        for name in CONTROLS.values():
            line = {"color": GREY, "width": 3, "dash": "dot" if name.startswith("random") else "solid"}
            _line(figure, part, name, row, line=line, told=f"control: {name}", showlegend=row == 1)
        for (method, name), style in zip(methods.items(), cycle(STYLES), strict=False):
            _band(figure, part[part["method"] == method], clear(style["color"], BAND), row)
            line = {"color": style["color"], "dash": style["dash"], "width": 2.5}
            mark = {"symbol": style["symbol"], "size": 7, "color": style["color"]}
            _line(figure, part, name, row, line=line, marker=mark, told=name, showlegend=row == 1)
        figure.add_hline(y=0, line={"color": GREY, "width": 1}, row=row, col=1)
        figure.update_xaxes(title=DIRECTION_NAMES[direction], tickformat=".0%", range=[-0.02, 1.02], row=row, col=1)
        figure.update_yaxes(title="margin for the verdict", row=row, col=1)
    return figure


@_kept
def randomised(frame: pd.DataFrame, method: str) -> go.Figure:
    """Plot how well maps match the trained detector's as weights are randomised from the top down; control dotted.

    Args:
        frame: from `core.studies.randomisation.sanity_summary`.
        method: an explainer's name.
    """
    rows = frame[frame["method"] == method]
    levels = [level for level in dict.fromkeys(rows["level"]) if level != OTHER_IMAGE]
    # where it begins: every map is the same as itself
    names = ["nothing", "classifier", *(f"and {layer_words(level)}" for level in levels[1:-1]), "everything"]
    figure = new_figure("weights randomised", "rank correlation (sign ignored)", height=320)
    for group in dict.fromkeys(rows["group"]):
        part = rows[rows["group"] == group].set_index("level")
        colour, said = CLASS_COLOURS[verdict_of(group)], group if "called" in group else f"{group} verdicts"
        found = part.loc[levels].assign(name=said)
        found = pd.concat([found.iloc[:1].assign(value=1.0, low=1.0, high=1.0), found])
        figure.add_scatter(
            x=names,
            y=found["value"],
            mode="lines+markers",
            name=said,
            line={"color": colour, "width": 2.5},
            marker=marker(group),
            error_y=error_bars(found["value"], found["low"], found["high"], color=colour, thickness=1.8),
            customdata=found[["name", "low", "high", "images"]],
            hovertemplate=_hover("y"),
        )
        figure.add_scatter(
            x=names,
            y=[part.loc[OTHER_IMAGE, "value"]] * len(names),
            mode="lines+markers",
            name=f"{said}, another image's map",
            showlegend=False,
            line={"color": colour, "width": 1.5, "dash": "dot"},
            marker=marker(group) | {"size": 5},
            hovertemplate=f"{said}, another image's map: %{{y:.2f}}<extra></extra>",
        )
    figure.update_yaxes(range=[0, 1.04])
    return figure


def _around_zero(frame: pd.DataFrame) -> list[float]:
    """Return an axis range over 0, all values and interval ends, padded by 3 % so that no mark is cut off."""
    ends = np.nan_to_num([0.0, *frame["value"], *frame["low"], *frame["high"]])
    low, high = float(ends.min()), float(ends.max())
    beyond = 0.03 * (high - low or 1)
    return [low - beyond, high + beyond]


def _label(name: str) -> str:
    text = "<br>".join(textwrap.wrap(name, 30))
    return f"<b>{text}</b>" if name in _titles().values() else text


def _titles() -> dict[str, str]:
    """Return name -> title of the explainers, the default pair first, so that its colours stay the same."""
    found = {name: one.title for name, one in judged().items()} | {OWN: OWN_TITLE}
    return dict(sorted(found.items(), key=lambda item: item[0] not in DEFAULT))


def _hover(axis: str, *, share: bool = False) -> str:
    kind = ".1%" if share else ".2f"
    return (
        f"%{{customdata[0]}}: %{{{axis}:{kind}}} (%{{customdata[1]:{kind}}} to %{{customdata[2]:{kind}}})"
        "<br>%{customdata[3]:,} images"
    )


def _line(figure: go.Figure, part: pd.DataFrame, name: str, row: int, *, told: str, **style: Any) -> None:
    found = part[part["name"] == name]
    figure.add_scatter(
        x=found["share"],
        y=found["value"],
        mode="lines+markers" if "marker" in style else "lines",
        name=told,
        customdata=found[["name", "low", "high", "images"]],
        hovertemplate=_hover("y") + "<extra></extra>",
        row=row,
        col=1,
        **style,
    )


def _band(figure: go.Figure, found: pd.DataFrame, colour: str, row: int) -> None:
    """The interval of a curve, as an area between its ends."""
    figure.add_scatter(
        x=np.concatenate([found["share"], found["share"][::-1]]),
        y=np.concatenate([found["high"], found["low"][::-1]]),
        fill="toself",
        fillcolor=colour,
        mode="lines",
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        row=row,
        col=1,
    )
