"""The one rule by which a finding is claimed, or not.

A finding is claimed where its sign, beside its control, holds with its interval under every choice that was tried.
Where choices disagree, the finding is that they disagree. What has no control is a number, without a "because".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.findings.finding import Choice, Finding, Measure

# of a difference from the control: certainly above, certainly below, or neither
Sign = Literal[-1, 0, 1]
# a difference of nothing
NOTHING = Measure(0.0, 0.0, 0.0)
Kind = Literal["claimed", "depends", "not shown", "uncontrolled"]


@dataclass(frozen=True)
class Standing:
    """Whether a finding is claimed.

    Attributes:
        kind: "claimed"; "depends", where choices disagree; "not shown", where an interval holds no difference; or
            "uncontrolled", where there is nothing to compare with.
        sign: of what is claimed, 1 above the control and -1 below; 0 where nothing is.
        on: kind of choice -> its value -> the sign there, of the kinds of choice on which a finding depends.
    """

    kind: Kind
    sign: Sign = 0
    on: Mapping[str, Mapping[str, Sign]] = field(default_factory=dict)


def sign_of(found: Finding | Choice) -> Sign | None:
    """The certain direction of a measure beside its control, 0 where none is certain, None without a control.

    By the paired interval of the difference where there is one; else by whether the two intervals overlap. A control
    without an interval is exact; a measure without one is never certain.
    """
    if found.difference is not None:
        return sign(found.difference)
    if found.control is None:
        return None
    bar = found.control.measure
    return sign(found.measure, bar if bar.has_interval else Measure(bar.value, bar.value, bar.value))


def sign(one: Measure, bar: Measure = NOTHING) -> Sign:
    """The certain direction of a measure beside another, by default beside nothing; 0 where none is certain."""
    # comparisons with NaN are false
    return 1 if one.low > bar.high else -1 if one.high < bar.low else 0


def standing(finding: Finding) -> Standing:
    """Whether a finding is claimed, and if not why.

    Choices that have no control of their own are left out: they can neither bear a claim nor deny it.
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
        return Standing("depends", on=on)
    return Standing("claimed", own) if own else Standing("not shown")
