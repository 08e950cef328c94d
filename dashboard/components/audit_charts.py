"""Figures of the audit: how well each statistic separates the classes, its distribution, and the baselines."""

from collections.abc import Sequence
from math import isfinite, nan
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.findings.finding import Measure
from core.images.labels import CLASSES
from core.images.palette import CLASS_COLOURS, DETECTOR, GREY
from core.studies.audit_summary import Concern
from dashboard.components.charts import MARGIN, cached, clear, error_bars, mark_line, new_figure
from dashboard.components.plain import figure_text
from dashboard.components.words import percent

DASHES = {"REAL": "solid", "FAKE": "dash"}
MOST_NAMES = 8
MOST_LETTERS = 40


@cached
def told_apart(found: Sequence[Concern], network: Measure) -> go.Figure:
    """Plot each statistic's AUROC, and the detector's on images matched on that statistic, worst first.

    Args:
        found: from `core.studies.audit_summary.concerns`.
        network: the detector's AUROC over all images.
    """
    figure = new_figure(height=110 + 32 * len(found))
    rows: dict[str, tuple[list[Measure], dict[str, Any]]] = {
        "by this alone, fitted": (
            [concern.cue.measure for concern in found],
            {"color": GREY, "symbol": "circle", "size": 11},
        ),
        "by rank": (
            [
                next((each.measure for each in concern.cue.choices if each.value == "rank"), Measure(nan))
                for concern in found
            ],
            {"color": GREY, "symbol": "circle-open", "size": 8, "line": {"width": 1.5}},
        ),
        "by the detector, where this cannot help": (
            [concern.lean.measure for concern in found],
            {"color": DETECTOR, "symbol": "diamond-open", "size": 11, "line": {"width": 2.2}},
        ),
    }
    places = [-number for number in range(len(found))]
    for name, (estimates, marker) in rows.items():
        figure.add_scatter(
            x=[estimate.value for estimate in estimates],
            y=places,
            mode="markers",
            name=name,
            marker=marker,
            error_x=error_bars(
                *(pd.DataFrame(estimates)[end] for end in ("value", "low", "high")), color=marker["color"]
            ),
            customdata=[
                [about.name.title, f"{100 * one.value:.1f}", f"{100 * one.low:.1f}", f"{100 * one.high:.1f}"]
                for about, one in zip(found, estimates, strict=True)
            ],
            hovertemplate=f"%{{customdata[0]}}, {name}: %{{customdata[1]}} of 100 pairs (%{{customdata[2]}} to "
            "%{customdata[3]})<extra></extra>",
        )
    mark_line(figure, 0.5, "guessing", GREY)
    mark_line(figure, network.value, "the detector, all images", DETECTOR, dash="dashdot")
    figure.update_yaxes(
        tickvals=places,
        ticktext=[concern.name.title for concern in found],
        range=[-len(found) + 0.4, 0.6],
        showgrid=False,
        title=None,
    )
    measures = [measure for concern in found for measure in (concern.cue.measure, concern.lean.measure)]
    values = [value for measure in measures for value in (measure.value, measure.low, measure.high) if isfinite(value)]
    figure.update_xaxes(
        title="pairs ranked correctly, of 100 (AUROC x 100)",
        range=[min([0.48, *values]) - 0.01, 1.03],
        tickvals=[share / 10 for share in range(11)],
        ticktext=[str(10 * share) for share in range(11)],
    )
    # room for the names of the lines between the legend and the rows
    figure.update_layout(legend={"yref": "container", "y": 1.0, "yanchor": "top"}, margin={**MARGIN, "t": 62})
    return figure


@cached
def spread(frame: pd.DataFrame, unit: str) -> go.Figure:
    """Plot the distribution of a statistic over REAL and FAKE images.

    Args:
        frame: from `core.studies.audit_summary.histogram`.
        unit: of the values, for the axis.
    """
    return _of_names(frame) if "value" in frame else _of_numbers(frame, unit)


def _of_numbers(frame: pd.DataFrame, unit: str) -> go.Figure:
    figure = new_figure(height=250)
    top = max(frame["real"].max(), frame["fake"].max())
    for name in CLASSES:
        shares = frame[name.lower()]
        figure.add_scatter(
            # a last point draws the right end of the last step
            x=[*frame["low"], frame["high"].iloc[-1]],
            y=[*shares, shares.iloc[-1]],
            mode="lines",
            name=name,
            line={"shape": "hv", "color": CLASS_COLOURS[name], "width": 2, "dash": DASHES[name]},
            fill="tozeroy",
            fillcolor=clear(CLASS_COLOURS[name], 0.16),
            customdata=[
                [name, percent(share), f"{low:.4g}", f"{high:.4g}"]
                for share, low, high in zip(
                    [*shares, shares.iloc[-1]], [*frame["low"], frame["low"].iloc[-1]],
                    [*frame["high"], frame["high"].iloc[-1]], strict=True,
                )
            ],
            hovertemplate="%{customdata[1]} of %{customdata[0]} images: %{customdata[2]} to %{customdata[3]}"
            "<extra></extra>",
        )  # fmt: skip
    figure.update_yaxes(showticklabels=False, title=None, showgrid=False, range=[0, 1.06 * top], ticks="")
    figure.update_xaxes(title={"text": unit, "font": {"size": 12}})
    return figure


def _of_names(frame: pd.DataFrame) -> go.Figure:
    shown = frame.head(MOST_NAMES)
    # bars are placed by number: two names may be equal when shortened
    names = [figure_text(_short(str(value))) for value in shown["value"]]
    figure = new_figure(height=max(150, 60 + 36 * len(shown)), barmode="group", bargap=0.25)
    for name in CLASSES:
        figure.add_bar(
            x=shown[name.lower()],
            y=list(range(len(shown))),
            orientation="h",
            name=name,
            marker={"color": CLASS_COLOURS[name], "pattern": {"shape": "/" if name == "FAKE" else "", "solidity": 0.5}},
            customdata=[[percent(share), name, said] for share, said in zip(shown[name.lower()], names, strict=True)],
            hovertemplate="%{customdata[2]}: %{customdata[0]} of %{customdata[1]} images<extra></extra>",
        )
    figure.update_yaxes(
        autorange="reversed", title=None, showgrid=False, tickvals=list(range(len(shown))), ticktext=names
    )
    figure.update_xaxes(
        title={"text": "share of the class", "font": {"size": 12}}, tickformat=".0%", rangemode="tozero"
    )
    return figure


def _short(name: str) -> str:
    name = name.replace("_", " ")
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


@cached
def spectrum(frame: pd.DataFrame) -> go.Figure:
    """Plot median power by ring of the spectrum and class, with the middle half of the images.

    Args:
        frame: from `core.studies.audit_summary.rings`.
    """
    figure = new_figure(height=330)
    for name in CLASSES:
        side = name.lower()
        ends = [*frame[f"upper_{side}"], *frame[f"lower_{side}"][::-1]]
        figure.add_scatter(
            x=[*frame["ring"], *frame["ring"][::-1]],
            y=ends,
            fill="toself",
            fillcolor=clear(CLASS_COLOURS[name], 0.14),
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
        figure.add_scatter(
            x=frame["ring"],
            y=frame[f"median_{side}"],
            mode="lines+markers",
            name=name,
            line={"color": CLASS_COLOURS[name], "width": 2.4, "dash": DASHES[name]},
            marker={"symbol": "circle" if name == "REAL" else "diamond", "size": 7},
            customdata=[[name, f"{100 * max(value, 1 - value):.0f}"] for value in frame["direct"]],
            hovertemplate="radius %{x}, %{customdata[0]}: 10 to the power of %{y:.2f}; alone it tells "
            "%{customdata[1]} of 100 pairs apart<extra></extra>",
        )
    figure.update_xaxes(title="radius, in waves on 32 pixels: coarse shading to finest detail")
    figure.update_xaxes(tickvals=[1, 4, 8, 12, 16])
    figure.update_yaxes(title="power (1 more is ten times as much)")
    return figure


@cached
def beside(frame: pd.DataFrame, *, guessing: float) -> go.Figure:
    """Plot the accuracy of each baseline, with intervals, the network last.

    Args:
        frame: from `core.studies.audit_summary.baselines`.
        guessing: what guessing gets right, 0 to 1.
    """
    figure = new_figure(height=330, showlegend=False)
    colours = [DETECTOR if name == "The network" else GREY for name in frame["name"]]
    figure.add_bar(
        x=frame["value"],
        y=frame["name"],
        orientation="h",
        marker={"color": colours},
        width=0.55,
        error_x=error_bars(frame["value"], frame["low"], frame["high"]),
        customdata=[
            [percent(row.value), percent(row.low), percent(row.high), f"{row.auroc:.3f}", row.about]
            for row in frame.itertuples()
        ],
        hovertemplate="%{y} (%{customdata[4]}): %{customdata[0]} right (%{customdata[1]} to %{customdata[2]}), AUROC "
        "%{customdata[3]}<extra></extra>",
    )
    figure.add_scatter(
        x=frame["high"] + 0.02,
        y=frame["name"],
        mode="text",
        text=[percent(value) for value in frame["value"]],
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
    )
    mark_line(figure, guessing, "guessing", GREY)
    figure.update_xaxes(title="accuracy", range=[0, 1.12], tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_xaxes(tickformat=".0%")
    figure.update_yaxes(title=None, showgrid=False)
    figure.update_layout(margin={**MARGIN, "t": 24})
    return figure
