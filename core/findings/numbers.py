"""Numbers as they are written everywhere."""

from collections.abc import Callable

from core.findings.finding import Measure
from core.findings.lines import Line, Span
from core.findings.quantities import Unit

MINUS = "\N{MINUS SIGN}"
# a share whose interval is at least this wide (0 to 1) is written without decimals
WIDE = 0.1


def percent(share: float, digits: int = 1) -> str:
    """Write 0.942 as "94.2%"; a share that only rounds to 0% or 100% becomes "under 0.1%" or "over 99.9%".

    Args:
        share: 0 to 1.
        digits: after the point.
    """
    hundred, least = 100 * share, 10.0**-digits
    if 0 < hundred <= least / 2:
        return f"under {least:.{digits}f}%"
    if 100 - least / 2 <= hundred < 100:
        return f"over {100 - least:.{digits}f}%"
    return f"{hundred:.{digits}f}%"


def unbroken_percent(share: float, digits: int = 1) -> str:
    """Write the same, never broken between lines."""
    return percent(share, digits).replace(" ", "\N{NO-BREAK SPACE}")


def signed(value: float, digits: int = 2) -> str:
    """Write a number with `digits` decimals and a true minus sign; one that rounds to zero has no sign."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not text.strip("-0.") else text.replace("-", MINUS)


def plus(value: float, digits: int = 2) -> str:
    """The same with a plus sign where it is positive: "+1.23", "−0.40"."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def format_measure(measure: Measure, unit: Unit) -> str:
    """Write a measure with its interval in its unit: "4.6% (4.1 to 5.2%)", "−0.40 (−0.47 to −0.33)"; "" if unknown."""
    if not measure.known:
        return ""
    wide = measure.high - measure.low >= WIDE
    if unit == "share":
        return _with_interval(measure, lambda value: percent(value, 0 if wide else 1), "%")
    return _with_interval(measure, lambda value: signed(value, 3 if unit == "auroc" else 2))


def format_difference(measure: Measure, unit: Unit) -> str:
    """Write a difference with its interval, shares in percentage points: "+3.1 points (1.8 to 4.4)"; "" if unknown."""
    if not measure.known:
        return ""
    if unit != "share":
        return _with_interval(measure, lambda value: signed(value, 3 if unit == "auroc" else 2))
    plus = "+" if round(100 * measure.value, 1) > 0 else ""
    return f"{plus}{signed(100 * measure.value, 1)} points{_interval(measure, lambda value: signed(100 * value, 1))}"


def _with_interval(measure: Measure, write: Callable[[float], str], unit: str = "") -> str:
    return write(measure.value) + _interval(measure, write, unit)


def _interval(measure: Measure, write: Callable[[float], str], unit: str = "") -> str:
    return f" ({write(measure.low).removesuffix(unit)} to {write(measure.high)})" if measure.has_interval else ""


def share(measure: Measure, digits: int | None = None) -> Line:
    """A share with its interval: "4.6% (4.1 to 5.2%)"; one digit after the point unless the interval is wide."""
    wide = measure.high - measure.low >= WIDE
    return _number(measure, lambda value: percent(value, (0 if wide else 1) if digits is None else digits), "%")


def amount(measure: Measure, digits: int = 2) -> Line:
    """A number with its interval: "−0.40 (−0.47 to −0.33)"."""
    return _number(measure, lambda value: signed(value, digits))


def pairs(measure: Measure) -> Line:
    """An AUROC as the number of 100 pairs, one image of each class, that are told apart: "72.1 (71.4 to 72.8)"."""
    return _number(measure, lambda value: f"{100 * value:.1f}")


def of_unit(measure: Measure, unit: Unit) -> Line:
    """A measure as its unit is written."""
    if unit == "share":
        return share(measure)
    return amount(measure, 3 if unit == "auroc" else 2)


def points(measure: Measure) -> Line:
    """A difference of shares in percentage points: "+3.1 points (1.8 to 4.4)"; one that rounds to zero has no sign."""
    found = _number(measure, lambda value: signed(100 * value, 1))
    if not measure.known:
        return found
    number, *rest = found.spans
    plus = "+" if measure.value > 0 and number.text.strip("0.") else ""
    return Line((Span(f"{plus}{number.text} points", "number"), *rest))


def bare(text: str) -> Line:
    """A number without its interval."""
    return Line((Span(text, "number"),))


def ends(measure: Measure, write: Callable[[float], str], unit: str = "") -> str:
    """ "4.1 to 5.2%"."""
    return f"{write(measure.low).removesuffix(unit)} to {write(measure.high)}"


def _number(measure: Measure, write: Callable[[float], str], unit: str = "") -> Line:
    if not measure.known:
        return Line((Span("an unknown amount"),))
    found = bare(write(measure.value))
    if not measure.has_interval:
        return found + Line((Span(" "), Span("(no interval)", "interval")))
    return found + Line((Span(" "), Span(f"({ends(measure, write, unit)})", "interval")))
