"""How the charts of a report look, and how they become SVG that needs no script and can be printed."""

from __future__ import annotations

import functools
import io
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, ParamSpec

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.images.encoding import data_url
from core.storage import harmless

INK = "#1d2026"
GREY = "#6a707b"
# letters of a name beside a bar
MOST_LETTERS = 40
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#b9bdc5",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
    # text stays text, drawn in the reader's own font; a picture's alternative is what is read aloud
    "svg.fonttype": "none",
    # a category's name may contain dollar signs
    "text.parse_math": False,
    # the same picture gives the same bytes
    "svg.hashsalt": "telltale",
}


@dataclass(frozen=True)
class Drawn:
    """A chart with its caption.

    Attributes:
        svg: the picture.
        inches: width at which its text has the size of the page's.
        alt: description for those who do not see it.
        caption: what it shows, and what to conclude.
    """

    kind: ClassVar = "figure"
    svg: bytes
    inches: float
    alt: str
    caption: str

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return data_url(self.svg, mime="image/svg+xml")


P = ParamSpec("P")
_STYLED = threading.RLock()


def styled(draw: Callable[P, Drawn]) -> Callable[P, Drawn]:
    """Draw a chart in the report's style, one at a time: matplotlib's settings belong to the whole process."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **options: P.kwargs) -> Drawn:
        with _STYLED, rc_context(STYLE):
            return draw(*args, **options)

    return drawn


def short_name(value: object) -> str:
    """Shorten a category's name to fit beside a bar."""
    name = harmless(str(value)).replace("_", " ")
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def error_bars(rows: pd.DataFrame, column: str) -> list[Any]:
    """Return matplotlib's error bars of a column from the ends `low` and `high` of its interval."""
    return [(rows[column] - rows["low"]).clip(lower=0), (rows["high"] - rows[column]).clip(lower=0)]


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty chart of this size in inches."""
    # pyplot keeps figures and is not thread-safe
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def in_percent(axes: Axes, *, y_only: bool = False) -> None:
    """Label shares of 1 along the axes as percentages."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if not y_only:
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def drawn_from(figure: Figure, alt: str, caption: str) -> Drawn:
    """Render a figure as SVG; the same figure gives the same bytes."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        # the reader's browser may have fonts that this process lacks
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font", UserWarning)
        # without its date, so that the same report has the same bytes
        figure.savefig(file, format="svg", metadata={"Date": None})
    return Drawn(file.getvalue(), figure.get_figwidth(), alt, caption)
