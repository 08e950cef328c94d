"""The one rule that decides whether a finding is claimed.

A finding is claimed if its difference from the control is significant with the same sign under every choice tried. If
choices disagree, the finding is that they disagree. That one is significant and another not is no disagreement yet:
the two must differ themselves (Gelman and Stern 2006), or the finding is shown in part. A measure without a control is
a number and explains nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from core.findings.finding import Choice, Finding, Measure

# of a difference from the control: certainly above, certainly below, or neither
Sign = Literal[-1, 0, 1]
# a difference of nothing
NOTHING = Measure(0.0, 0.0, 0.0)
Kind = Literal["claimed", "in part", "depends", "not shown", "uncontrolled"]


@dataclass(frozen=True)
class Standing:
    """Whether a finding is claimed.

    Attributes:
        kind: "claimed"; "in part" if only some choices make it significant, though none differs from them for certain;
            "depends" if choices disagree; "not shown" if no difference is significant; or "uncontrolled" if there is
            nothing to compare with.
        sign: of a claimed finding, 1 above the control and -1 below; otherwise 0.
        on: kind of choice -> value -> sign under it, for the kinds of choice that keep the finding from being claimed.
    """

    kind: Kind
    sign: Sign = 0
    on: Mapping[str, Mapping[str, Sign]] = field(default_factory=dict)


def sign_of(found: Finding | Choice) -> Sign | None:
    """Return the sign of a significant difference from the control: 1, -1, or 0 for none; None without a control.

    Uses the paired interval of the difference where there is one, else whether the two intervals overlap. A control
    without an interval counts as exact; a measure without one never differs significantly.
    """
    if found.difference is not None:
        return sign(found.difference)
    if found.control is None:
        return None
    bar = found.control.measure
    return sign(found.measure, bar if bar.has_interval else Measure(bar.value, bar.value, bar.value))


def sign(one: Measure, bar: Measure = NOTHING) -> Sign:
    """Return 1 if a measure's interval lies above another's (by default zero), -1 if below, 0 otherwise."""
    # comparisons with NaN are false
    return 1 if one.low > bar.high else -1 if one.high < bar.low else 0


def standing(finding: Finding) -> Standing:
    """Decide whether a finding is claimed, and if not, why not.

    Choices without a control of their own are left out: they can neither support nor refute a claim.
    """
    own = sign_of(finding)
    if own is None:
        return Standing("uncontrolled")
    tried: dict[str, dict[str, Sign]] = {}
    for choice in finding.choices:
        sign = sign_of(choice)
        if sign is not None:
            tried.setdefault(choice.kind, {})[choice.value] = sign
    on = {kind: signs for kind, signs in tried.items() if set(signs.values()) != {own}}
    if on:
        return Standing("depends" if _disagree(list(compared(finding))) else "in part", on=on)
    return Standing("claimed", own) if own else Standing("not shown")


def compared(finding: Finding) -> Iterator[Finding | Choice]:
    """Yield a finding and those of its choices that have a control."""
    if sign_of(finding) is not None:
        yield finding
    yield from (one for one in finding.choices if sign_of(one) is not None)


def lead(found: Finding | Choice) -> Measure:
    """Return the difference from the control; without a paired one, an interval that is certainly wide enough."""
    if found.difference is not None or found.control is None:
        return found.difference or found.measure
    one, bar = found.measure, found.control.measure
    low, high = (bar.low, bar.high) if bar.has_interval else (bar.value, bar.value)
    return Measure(one.value - bar.value, one.low - high, one.high - low)


def _disagree(found: Sequence[Finding | Choice]) -> bool:
    """Check for significant differences of both signs, or for one whose interval lies apart from an insignificant one.

    Intervals that do not overlap differ at a stricter level than 95%.
    """
    return any(
        sign_of(one) != sign_of(other) and ((sign_of(one) and sign_of(other)) or sign(lead(one), lead(other)))
        for one, other in combinations(found, 2)
    )
