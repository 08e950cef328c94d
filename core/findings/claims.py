"""The claim rule: decide from a finding's numbers whether its claim holds.

A claim holds if the difference from the control is significant with the same sign under every choice tried. If choices
disagree, the finding is that they disagree. That one is significant and another not is no disagreement yet: the two
must differ themselves (Gelman and Stern 2006), or the finding is shown in part. A measure without a control is a number
and explains nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from core.findings.finding import Choice, Finding, Measure

# of a difference from the control: certainly above, certainly below, or neither
Sign = Literal[-1, 0, 1]
# a difference of nothing
ZERO = Measure(0.0, 0.0, 0.0)
Kind = Literal["holds", "in part", "depends", "not shown", "no control"]


@dataclass(frozen=True)
class ClaimStatus:
    """The outcome of the claim rule.

    Attributes:
        kind: "holds"; "in part" if only some choices make it significant, though none differs from them for certain;
            "depends" if choices disagree; "not shown" if no difference is significant; or "no control" if there is
            nothing to compare with.
        sign: of a claim that holds, 1 above the control and -1 below; otherwise 0.
        on: kind of choice -> value -> sign under it, for the kinds of choice that keep the claim from holding.
    """

    kind: Kind
    sign: Sign = 0
    on: Mapping[str, Mapping[str, Sign]] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.kind == "holds":
            return "holds" if self.sign > 0 else "holds, below control"
        return f"{self.kind} on {', '.join(self.on)}" if self.kind == "depends" else self.kind


def sign_of(finding: Finding | Choice) -> Sign | None:
    """Return the sign of a significant difference from the control: 1, -1, or 0 for none; None without a control.

    Uses the paired interval of the difference where there is one, else whether the two intervals overlap. A control
    without an interval counts as exact; a measure without one never differs significantly.
    """
    if finding.difference is not None:
        return sign(finding.difference)
    return None if finding.control is None else sign(finding.measure, finding.control.measure.or_exact)


def sign(measure: Measure, other: Measure = ZERO) -> Sign:
    """Return 1 if a measure's interval lies above another's (by default zero), -1 if below, 0 otherwise."""
    # comparisons with NaN are false
    return 1 if measure.low > other.high else -1 if measure.high < other.low else 0


def claim_status(finding: Finding) -> ClaimStatus:
    """Decide whether a finding's claim holds, and if not, why not.

    Choices without a control of their own are left out: they can neither support nor refute a claim.
    """
    own = sign_of(finding)
    if own is None:
        return ClaimStatus("no control")
    tried: dict[str, dict[str, Sign]] = {}
    for choice in finding.choices:
        under = sign_of(choice)
        if under is not None:
            tried.setdefault(choice.kind, {})[choice.value] = under
    on = {kind: signs for kind, signs in tried.items() if set(signs.values()) != {own}}
    if on:
        return ClaimStatus("depends" if _disagree(finding) else "in part", on=on)
    return ClaimStatus("holds", own) if own else ClaimStatus("not shown")


def compared(finding: Finding) -> Iterator[Finding | Choice]:
    """Yield a finding and those of its choices that have a control."""
    if sign_of(finding) is not None:
        yield finding
    yield from (choice for choice in finding.choices if sign_of(choice) is not None)


def effect_over_control(finding: Finding | Choice) -> Measure:
    """Return the difference from the control; without a paired one, an interval that is certainly wide enough."""
    if finding.difference is not None or finding.control is None:
        return finding.difference or finding.measure
    measure, control = finding.measure, finding.control.measure.or_exact
    return Measure(measure.value - control.value, measure.low - control.high, measure.high - control.low)


def _disagree(finding: Finding) -> bool:
    """Check for choices of different signs whose intervals lie apart, as those of opposite signs always do.

    Intervals that do not overlap differ at a stricter level than 95%.
    """
    return any(
        sign_of(first) != sign_of(second) and sign(effect_over_control(first), effect_over_control(second))
        for first, second in combinations(compared(finding), 2)
    )
