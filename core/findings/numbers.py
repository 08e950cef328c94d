"""Numbers as they are written everywhere."""

from collections.abc import Callable
from functools import partial

from core.findings.contrast import Measure, Unit

MINUS = "\N{MINUS SIGN}"
# a share whose interval is at least this wide (0 to 1) is written without decimals
WIDE = 0.1


def percent(share: float, digits: int = 1) -> str:
    """Write 0.942 as "94.2%"; a share that only rounds to 0% or 100% becomes "under 0.1%" or "over 99.9%".

    Args:
        share: 0 to 1.
        digits: after the point.
    """
    hundred = 100 * share
    least = 10.0**-digits
    if 0 < hundred <= least / 2:
        return f"under {least:.{digits}f}%"
    if 100 - least / 2 <= hundred < 100:
        return f"over {100 - least:.{digits}f}%"
    return f"{hundred:.{digits}f}%"


def unbroken_percent(share: float, digits: int = 1) -> str:
    """Write a share as `percent` does, never broken between lines."""
    return percent(share, digits).replace(" ", "\N{NO-BREAK SPACE}")


def signed(value: float, digits: int = 2) -> str:
    """Write a number with `digits` decimals and a true minus sign; one that rounds to zero has no sign."""
    text = f"{value:.{digits}f}"
    is_zero = not text.strip("-0.")
    if is_zero:
        return text.removeprefix("-")
    return text.replace("-", MINUS)


def plus(value: float) -> str:
    """Write a number with its sign, a plus too: "+1.23", "−0.40"."""
    return f"{value:+.2f}".replace("-", MINUS)


def format_measure(measure: Measure, unit: Unit) -> str:
    """Write a measure with its interval in its unit: "4.6% (4.1 to 5.2%)", "−0.40 (−0.47 to −0.33)"; "" if unknown."""
    if not measure.known:
        return ""
    if unit == "auroc":
        return _with_interval(measure, partial(signed, digits=3))
    if unit != "share":
        return _with_interval(measure, signed)
    digits = 1
    if measure.high - measure.low >= WIDE:
        digits = 0
    return _with_interval(measure, partial(percent, digits=digits), "%")


def format_value(measure: Measure, unit: Unit) -> str:
    """Write a measure as `format_measure` does, without its interval."""
    return format_measure(Measure(measure.value), unit)


def format_difference(measure: Measure, unit: Unit) -> str:
    """Write a difference with its interval, shares in percentage points: "+3.1 points (1.8 to 4.4)"; "" if unknown."""
    if unit != "share" or not measure.known:
        return format_measure(measure, unit)
    points = Measure(100 * measure.value, 100 * measure.low, 100 * measure.high)
    sign = ""
    if round(points.value, 1) > 0:
        sign = "+"
    value, bracket, interval = _with_interval(points, partial(signed, digits=1)).partition(" (")
    return f"{sign}{value} points{bracket}{interval}"


def _with_interval(measure: Measure, write: Callable[[float], str], unit: str = "") -> str:
    """Write a value and, in brackets, its interval; the unit stands once there."""
    text = write(measure.value)
    if not measure.has_interval:
        return text
    return f"{text} ({write(measure.low).removesuffix(unit)} to {write(measure.high)})"
