"""Plotly charts of the dashboard: one template, one set of colours, and a cache of figures shared by all visitors."""

import functools
import hashlib
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, ParamSpec, TypeVar

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.images.palette import CLASS_COLOURS, GREY, rgb
from core.storage import Bounded

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


MOST = 24
P = ParamSpec("P")
T = TypeVar("T")


def cached(build: Callable[P, T], *, most: int = MOST) -> Callable[P, T]:
    """Cache the results of a builder by its arguments; callers must not modify a result.

    A positional argument with a `stamp`, such as an opened run, is keyed by that, all others by their pickled value.
    The `most` most recently used results are kept. Concurrent calls with equal arguments share one build.
    """
    built: Bounded[bytes, T] = Bounded(most)
    building: dict[bytes, Future[T]] = {}
    lock = threading.Lock()

    @functools.wraps(build)
    def get(*args: P.args, **options: P.kwargs) -> T:
        # the bytes are hashed and never read again
        known = [getattr(given, "stamp", given) for given in args]
        key = hashlib.blake2b(pickle.dumps((known, options))).digest()
        with lock:
            if key in built:
                built.move_to_end(key)
                return built[key]
            others = building.get(key)
            if others is None:
                mine = building[key] = Future()
        if others is not None:
            try:
                return others.result()
            except CancelledError:
                # its visitor's page was stopped or begun anew, which is nobody else's affair
                return get(*args, **options)
        try:
            result = build(*args, **options)
        except BaseException as error:
            with lock:
                # the next one who asks tries again
                del building[key]
            if isinstance(error, Exception):
                mine.set_exception(error)
            else:
                mine.cancel()
            raise
        with lock:
            # a future has two kilobytes, more than many a result
            built[key] = result
            del building[key]
        mine.set_result(result)
        return result

    return get


SYMBOLS = {"FAKE": "circle", "REAL": "square"}


@cached
def response(rates: pd.DataFrame) -> go.Figure:
    """Share of verdicts flipped by strength, with 95 % intervals; the control dashed and hollow.

    Args:
        rates: the rows of one probe in `core.studies.flips.responses`, weakest first for each verdict.
    """
    figure = new_figure(margin={**MARGIN, "r": 12}, height=220, showlegend=False)
    for verdict, rows in rates.groupby("flipped"):
        if not rows["images"].any():
            continue
        colour, symbol = CLASS_COLOURS[str(verdict)], SYMBOLS[str(verdict)]
        if rows["control"].notna().any():
            figure.add_scatter(
                x=rows["strength"],
                y=rows["control_share"],
                error_y=_ends(rows, "control_share", "control_low", "control_high", colour),
                mode="lines+markers",
                line={"color": colour, "width": 1.5, "dash": "dash"},
                marker={"size": 8, "symbol": f"{symbol}-open", "color": colour},
                hovertemplate=f"strongest control: %{{y:.1%}} of {verdict} flip<extra></extra>",
            )
        figure.add_scatter(
            x=rows["strength"],
            y=rows["share"],
            error_y=_ends(rows, "share", "low", "high", colour),
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 9, "symbol": symbol, "color": colour},
            customdata=rows[["low", "high", "shift"]],
            hovertemplate=f"%{{y:.1%}} of {verdict} flip (%{{customdata[0]:.1%}} to %{{customdata[1]:.1%}})<br>"
            "margin moves by %{customdata[2]:+.2f}<extra></extra>",
        )
    figure.update_yaxes(range=[-0.04, 1.04], tickformat=".0%", dtick=0.25, gridcolor=GRID)
    figure.update_xaxes(type="category")
    return figure


@cached
def carried(rows: pd.DataFrame, *, own: float | None, hue: str, x: str) -> go.Figure:
    """Verdicts on images from elsewhere, a dot with its interval a source, the test set's own rate dashed.

    Args:
        rows: `name`, `value`, `low`, `high`, `n`, shares of 0 to 1; drawn from the top down.
        own: the same share on the run's own images.
        hue: the class whose colour the dots have.
        x: title of the axis.
    """
    figure = new_figure(height=70 + 26 * len(rows), showlegend=False)
    figure.add_scatter(
        x=rows["value"],
        y=rows["name"],
        mode="markers",
        marker={"size": 10, "symbol": SYMBOLS[hue], "color": CLASS_COLOURS[hue]},
        error_x=error_bars(rows["value"], rows["low"], rows["high"], thickness=1.5),
        customdata=rows[["low", "high", "n"]],
        hovertemplate="%{y}: %{x:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%}) of %{customdata[2]:,}"
        "<extra></extra>",
    )
    if own is not None:
        figure.add_vline(x=own, line={"color": GREY, "dash": "dash", "width": 1.5})
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", title=x, gridcolor=GRID)
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def _ends(rows: pd.DataFrame, value: str, low: str, high: str, colour: str) -> dict[str, object]:
    return error_bars(rows[value], rows[low], rows[high], color=colour, thickness=1.2)
