"""Static charts of reports, written as SVG: they need no script and can be printed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from markupsafe import escape
from numpy.typing import NDArray

from core.images.encoding import data_url
from core.images.palette import UNDECIDED
from core.runs.metrics import largest
from core.storage import harmless

INK, GREY, PALE = "#1d2026", "#5b616b", "#e3e5e9"
# letters of a name beside a row
MOST_LETTERS = 40
# pixels: around the axes, a row, a letter
LEFT, RIGHT, TOP, BOTTOM, ROW, LETTER = 62, 24, 28, 46, 26, 7
Axis = tuple[str, float, float]


@dataclass(frozen=True)
class Chart:
    """A chart with its caption.

    Attributes:
        svg: the picture.
        width: of the picture in pixels.
        alt: description for those who do not see it.
        caption: what it shows.
    """

    svg: str
    width: int
    alt: str
    caption: str

    @property
    def url(self) -> str:
        """The picture as a data URL."""
        return data_url(self.svg.encode(), mime="image/svg+xml")


@dataclass(frozen=True, eq=False)
class Curve:
    """Points on two axes, joined by a line unless they have intervals.

    Attributes:
        name: for the legend; "" for none.
        x, y: (N,) coordinates.
        colour: CSS.
        dash: SVG's dash pattern of the line.
        low, high: (N,) ends of the intervals of y; None without.
    """

    name: str
    x: Sequence[float] | NDArray[np.floating]
    y: Sequence[float] | NDArray[np.floating]
    colour: str = INK
    dash: str = ""
    low: NDArray[np.floating] | None = None
    high: NDArray[np.floating] | None = None


def percent(value: float) -> str:
    """Write a share of 1 as an axis shows it."""
    return f"{100 * value:.3g}%"


def short_name(value: object) -> str:
    """Shorten a category's name to fit beside a row."""
    name = harmless(str(value)).replace("_", " ")
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 1]}…"


def curve_chart(curves: Sequence[Curve], across: Axis, up: Axis, *, alt: str, caption: str) -> Chart:
    """Draw curves on two axes, each given as its label and its ends; a curve of one point is a dot."""
    drawing = Drawing(470, 330)
    x, y = _scale(across, LEFT, 470 - RIGHT), _scale(up, 330 - BOTTOM, TOP)
    drawing.text((LEFT + 470 - RIGHT) / 2, 322, across[0])
    drawing.text(LEFT - 46, 16, up[0], anchor="start")
    for value in _ticks(across):
        drawing.text(x(value), 330 - BOTTOM + 18, percent(value), GREY)
    for value in _ticks(up):
        drawing.path([(LEFT, y(value)), (470 - RIGHT, y(value))], PALE)
        drawing.text(LEFT - 8, y(value) + 4, percent(value), GREY, anchor="end")
    for curve in curves:
        points = [(x(a), y(b)) for a, b in zip(curve.x, curve.y, strict=True)]
        if curve.low is None and len(points) > 1:
            drawing.path(points, curve.colour, curve.dash)
            continue
        if curve.low is not None and curve.high is not None:
            for (a, _), low, high in zip(points, curve.low, curve.high, strict=True):
                drawing.path([(a, y(low)), (a, y(high))], curve.colour)
        for a, b in points:
            drawing.dot(a, b, curve.colour)
    for place, curve in enumerate(curve for curve in curves[::-1] if curve.name):
        drawing.text(470 - RIGHT - 6, 330 - BOTTOM - 10 - 17 * place, curve.name, curve.colour, anchor="end")
    return Chart(drawing.svg, drawing.width, alt, caption)


def row_chart(
    rows: pd.DataFrame,
    *,
    unit: str,
    alt: str,
    caption: str,
    line: float | None = None,
    colours: Sequence[str] = (INK,),
    legend: Sequence[str] = (),
) -> Chart:
    """Draw shares with their intervals, a row for each name, the first row on top.

    Args:
        rows: columns `name`, `value`, `low`, `high`, and `series` (0, 1, ...) where a name has several values.
        unit: label of the axis.
        alt, caption: see `Chart`.
        line: a dashed upright line.
        colours, legend: of each series.
    """
    names = list(dict.fromkeys(rows["name"]))
    left = LETTER * max(len(short_name(name)) for name in names) + 16
    drawing = Drawing(left + 420, TOP + ROW * len(names) + BOTTOM)
    ends = [*rows[["value", "low", "high"]].to_numpy(np.float64).ravel(), math.nan if line is None else line]
    axis = (unit, float(np.nanmin(ends)), float(np.nanmax(ends)))
    x, bottom = _scale(axis, left + 12, drawing.width - RIGHT), drawing.height - BOTTOM
    drawing.text((left + drawing.width) / 2, drawing.height - 8, unit)
    for value in _ticks(axis):
        drawing.path([(x(value), TOP - 4), (x(value), bottom)], PALE)
        drawing.text(x(value), bottom + 18, percent(value), GREY)
    if line is not None:
        drawing.path([(x(line), TOP - 4), (x(line), bottom)], INK, "4 3")
    for place, name in enumerate(names):
        drawing.text(left, TOP + ROW * (place + 0.5) + 4, short_name(name), anchor="end")
    for row in rows.itertuples():
        of = getattr(row, "series", 0)
        y = TOP + ROW * (names.index(row.name) + 0.5) + 8 * (of - (len(colours) - 1) / 2)
        if math.isfinite(row.low) and math.isfinite(row.high):
            drawing.path([(x(row.low), y), (x(row.high), y)], colours[of])
        if math.isfinite(row.value):
            drawing.dot(x(row.value), y, colours[of])
    for place, name in enumerate(legend):
        drawing.text(left + 12 + 200 * place, 14, short_name(name), colours[place], anchor="start")
    return Chart(drawing.svg, drawing.width, alt, caption)


def rates_chart(groups: pd.DataFrame, overall: float, *, by: str = "category", of: str = "all images") -> Chart:
    """Draw the error rates of `core.runs.metrics.error_by`, worst on top, with a line at `overall`."""
    shown = largest(groups).rename(columns={"value": "name", "rate": "value"})
    listed = "; ".join(f"{row.name} {row.value:.1%}" for row in shown.itertuples(index=False))
    caption = f"Error rate by {by}, with 95% intervals; the line is that of {of}."
    if len(shown) < len(groups):
        caption += f" Shown are the {len(shown)} of {len(groups):,} with the most images."
    return row_chart(
        shown, unit="error rate", line=overall, colours=(UNDECIDED,), alt=f"Error rate by {by}: {listed}.",
        caption=caption,
    )  # fmt: skip


@dataclass
class Drawing:
    """An SVG picture that shapes are added to; all numbers are pixels."""

    width: int
    height: int
    shapes: list[str] = field(default_factory=list)

    def path(self, points: Sequence[tuple[float, float]], colour: str, dash: str = "") -> None:
        """Add a line through points."""
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        style = f'fill="none" stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"'
        self.shapes.append(f'<polyline points="{corners}" {style}/>')

    def dot(self, x: float, y: float, colour: str) -> None:
        """Add a dot."""
        self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"/>')

    def text(self, x: float, y: float, text: str, colour: str = INK, *, anchor: str = "middle") -> None:
        """Add a line of text whose middle, start or end is at x."""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"'
        self.shapes.append(f"<text {place}>{escape(text)}</text>")

    @property
    def svg(self) -> str:
        """The whole picture; its text is drawn in the reader's own font."""
        box = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="system-ui, sans-serif" font-size="13">'
        return f"{head}{''.join(self.shapes)}</svg>"


def _scale(axis: Axis, start: float, end: float) -> Callable[[float], float]:
    """Return the function from a value on an axis to its pixel."""
    _, low, high = axis
    return lambda value: start + (float(value) - low) / ((high - low) or 1) * (end - start)


def _ticks(axis: Axis) -> list[float]:
    """Choose three to eight round values within an axis."""
    _, low, high = axis
    size = 10.0 ** math.floor(math.log10((high - low) or 1))
    step = next(size * part for part in (0.1, 0.2, 0.5, 1, 2) if (high - low) / (size * part) <= 8)
    return [step * number for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
