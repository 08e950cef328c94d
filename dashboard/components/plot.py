"""A small chart of lines, points and bars as SVG: Plotly's own script is 4.7 MB, which the first page does without."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from dashboard.components.component import component, nothing

HEIGHT = 330
# a step between two ticks is one of these times a power of ten
STEPS = (1, 2, 2.5, 5, 10)
_mount = component(__file__, "plot")


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        title: beside it.
        low, high: its ends.
        percent: write its ticks as percentages.
        ticks: about how many.
        whole: only whole numbers are ticks.
    """

    title: str
    low: float
    high: float
    percent: bool = False
    ticks: int = 7
    whole: bool = False


@dataclass(frozen=True)
class Line:
    """Points, joined or not.

    Attributes:
        x, y: coordinates of the points.
        name: label in the legend; "" leaves the line out of it.
        says: hover text of each point; empty for none.
        colour: any CSS colour.
        dash: of the line.
        width: of the line in pixels; 0 draws none.
        size: of the points in pixels; 0 draws none.
        low, high: ends of each point's interval; empty where there is none.
    """

    x: Sequence[float]
    y: Sequence[float]
    name: str = ""
    says: Sequence[str] = ()
    colour: str = "var(--st-gray-text-color)"
    dash: Literal["solid", "dot"] = "solid"
    width: float = 2.5
    size: float = 0
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Bars:
    """Bars that stand on zero.

    Attributes:
        low, high: left and right edge of each bar.
        y: height of each bar.
        says: hover text of each bar.
        hatched: fill the bars with stripes.
    """

    low: Sequence[float]
    high: Sequence[float]
    y: Sequence[float]
    says: Sequence[str]
    hatched: bool = False


@dataclass(frozen=True)
class Panel:
    """One of the charts that stand above each other on one x axis."""

    y: Axis
    lines: Sequence[Line] = ()
    bars: Sequence[Bars] = ()


def plot(x: Axis, panels: Sequence[Panel], *, key: str, alt: str) -> None:
    """Draw panels above each other.

    Args:
        x: their common axis.
        panels: from top to bottom.
        key: of the element.
        alt: what it shows, for screen readers.
    """
    data = {
        "alt": alt,
        "height": HEIGHT,
        "x": _axis(x),
        "panels": [_drawn(one) for one in panels],
    }
    _mount(key=key, data=data, on_point_change=nothing)


def _drawn(panel: Panel) -> dict[str, object]:
    return {
        "y": _axis(panel.y),
        "lines": [_rounded(line) for line in panel.lines],
        "bars": [asdict(bars) for bars in panel.bars],
    }


def ticks_of(axis: Axis) -> list[float]:
    """Return round numbers between an axis' ends, about as many as it asks for."""
    rough = (axis.high - axis.low) / max(1, axis.ticks - 1)
    if not rough > 0:
        return [axis.low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in STEPS if step * power >= rough * 0.999)
    if axis.whole:
        step = max(1.0, float(math.ceil(step)))
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _axis(axis: Axis) -> dict[str, object]:
    found = ticks_of(axis)
    finest = max((_decimals(100 * one if axis.percent else one) for one in found), default=0)
    labels = [f"{100 * one:.{finest}f}%" if axis.percent else f"{one:,.{finest}f}" for one in found]
    return {"title": axis.title, "low": axis.low, "high": axis.high, "ticks": list(zip(found, labels, strict=True))}


def _decimals(value: float) -> int:
    return next(digits for digits in (0, 1, 2, 3) if digits == 3 or abs(value - round(value, digits)) < 1e-6)


def _rounded(line: Line) -> dict[str, object]:
    """Return a line as plain values; five digits are finer than a pixel."""
    short = {name: [round(float(value), 5) for value in getattr(line, name)] for name in ("x", "y", "low", "high")}
    return asdict(line) | short | {"says": list(line.says)}
