"""The claim rule: decide what a finding answers, from its contrasts alone.

The effect of a contrast is its difference from the control, towards the side that means yes. With 95 % confidence it is
"yes" where its whole interval lies at `least` or beyond, "no" where its whole interval falls short of that (it lies on
the other side, or nearer to the control than matters), and open otherwise. A certain and an open choice do not yet
disagree: their effects must differ, by an amount that matters (Gelman and Stern 2006,
https://doi.org/10.1198/000313006X152649).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from core.findings.contrast import UNITS, Contrast, Finding, Measure

Word = Literal["yes", "no", "in part", "depends", "not shown", "no control"]
Ruling = Literal["yes", "no", "open"]
# of the run's median absolute margin, the least difference of margins that matters where a study declares none
LEAST_MARGIN_PART = 0.1
# what each answer means, for a legend
MEANINGS: Mapping[Word, str] = {
    "yes": "differs from its strongest control by an effect that matters, under every choice",
    "no": "does not, for certain, under every choice",
    "in part": "certain under some choices, which the others do not contradict",
    "depends": "choices disagree",
    "not shown": "no choice makes it certain",
    "no control": "nothing comparable was tried: a number only",
}
# beside the word, for those who look first
MARKS: Mapping[Word, str] = {
    "yes": "\N{CHECK MARK}",
    "no": "\N{MULTIPLICATION X}",
    "in part": "\N{CIRCLE WITH LEFT HALF BLACK}",
    "depends": "\N{LEFTWARDS ARROW OVER RIGHTWARDS ARROW}",
    "not shown": "?",
    "no control": "\N{WHITE CIRCLE}",
}


@dataclass(frozen=True)
class Answer:
    """What a finding answers.

    Attributes:
        word: the answer.
        on: of "depends" and "in part", the kinds of choice that differ from the main contrast.
    """

    word: Word
    on: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """Return the sign that stands beside the word."""
        return MARKS[self.word]

    def __str__(self) -> str:
        if self.word == "depends" and self.on:
            return f"depends on {', '.join(self.on)}"
        return self.word


def answer_of(finding: Finding) -> Answer:
    """Decide what a finding answers; contrasts without a control can neither support nor refute it."""
    tried = [contrast for contrast in finding.contrasts if contrast.difference is not None]
    if finding.difference is None:
        return Answer("no control")
    rulings = {ruling_of(finding, contrast) for contrast in tried}
    if rulings == {"yes"}:
        return Answer("yes")
    if rulings == {"no"}:
        return Answer("no")
    if any(_contradict(finding, *pair) for pair in combinations(tried, 2)):
        return Answer("depends", _contradicting_kinds(finding, tried))
    if "yes" in rulings:
        return Answer("in part", _contradicting_kinds(finding, tried))
    return Answer("not shown")


def ruling_of(finding: Finding, contrast: Contrast) -> Ruling | None:
    """Decide what one contrast of a finding says; None without a control."""
    difference = contrast.difference
    if difference is None:
        return None
    low = difference.low
    high = difference.high
    if finding.yes == "below":
        low, high = -high, -low
    # comparisons with NaN are false
    if low >= finding.least and low > 0:
        return "yes"
    if high < finding.least or high <= 0:
        return "no"
    return "open"


def certain_side(measure: Measure) -> int:
    """Return 1 where a difference is certainly above 0, -1 where it is certainly below, and 0 otherwise."""
    if measure.low > 0:
        return 1
    if measure.high < 0:
        return -1
    return 0


def with_noise(finding: Finding, noise: float) -> Finding:
    """Widen the differences of margins by the detector's noise, so that no smaller effect is claimed."""
    if finding.unit != "margins":
        return finding
    wider = []
    for contrast in finding.contrasts:
        difference = contrast.difference
        if difference is not None:
            difference = replace(difference, low=difference.low - noise, high=difference.high + noise)
        wider.append(replace(contrast, difference=difference))
    return replace(finding, contrasts=tuple(wider))


def with_least(finding: Finding, median_margin: float) -> Finding:
    """Fill in the usual least effect where a study declares none.

    Args:
        finding: any.
        median_margin: the median absolute margin of the run.
    """
    if finding.least:
        return finding
    return replace(finding, least=UNITS[finding.unit].get("least", LEAST_MARGIN_PART * median_margin))


def _contradict(finding: Finding, first: Contrast, second: Contrast) -> bool:
    """Check that two contrasts have different rulings and intervals that lie apart, by a difference that matters.

    Intervals that do not overlap differ at a stricter level than 95 %.
    """
    own = first.difference
    other = second.difference
    if own is None or other is None or ruling_of(finding, first) == ruling_of(finding, second):
        return False
    apart = own.low > other.high or own.high < other.low
    return apart and abs(own.value - other.value) >= finding.least


def _contradicting_kinds(finding: Finding, tried: Iterable[Contrast]) -> tuple[str, ...]:
    """List the kinds of choice that differ from the main contrast for certain, or else only in their ruling."""
    others = [contrast for contrast in tried if ruling_of(finding, contrast) != ruling_of(finding, finding.main)]
    certain = [contrast for contrast in others if _contradict(finding, finding.main, contrast)]
    return tuple(dict.fromkeys(contrast.kind for contrast in certain or others))
