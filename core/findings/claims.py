"""The claim rule: decide from a finding's numbers whether its claim holds.

A claim holds if the difference from the control is significant with the same sign under every choice tried. If choices
disagree, the finding is that they disagree. That one is significant and another not is no disagreement yet: the two
must differ themselves (Gelman and Stern 2006), by an effect that matters, or the finding is shown in part. A measure
without a control is a number and explains nothing. No difference is no equality yet: "as often as" is said where the
whole interval of the difference is too small to matter.

Questions and headlines of findings: fixed texts that each study declares as data.

How a study declares them, in the module that concludes:

    HEADLINES: Headlines = {
        # the finding's key; `*` stands for anything, and the first entry that fits is taken
        "detail-FAKE": {
            "question": "Do FAKE verdicts rest on fine detail?",      # required, at most 15 words
            "subject": "every low-pass filter",                       # optional, else `details["name"]` or "title"
            "holds": "FAKE verdicts rest on fine detail.",            # the effect lies above its control
            "holds for some": "Some FAKE verdicts rest on it.",       # so, but less than half of the images follow it
            "holds slightly": "Fine detail hardly matters.",          # so, but less than 5 of 100 images do
            "holds below": "...",                                     # the effect lies below its control
            "in part": "...", "depends": "...", "depends on fill": "...", "not shown": "...", "no control": "...",
            "few sources": "...",                                     # fewer than five independent ones: counts only
            "equivalent": "...",                                      # not shown, and less than two points for certain
        },
    }

A headline has at most 15 words, plain English, and no number: the table beside it has those. What is not declared is
taken from `DEFAULTS`; "holds for some" and "holds slightly" fall back to "holds", and matter only for shares. Use
"depends" only to say more than `DEFAULTS["depends on fill"]` does. The study's `Study(headlines=HEADLINES)` is all that
`core.studies` needs; whatever concludes outside of a study calls `with_headlines(findings, HEADLINES)` itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import combinations
from typing import Literal, TypeVar

from core.findings.finding import Choice, Finding, Measure, Unit

# the least difference that matters: two points of a share, of other quantities a tenth of the larger effect
LEAST_POINTS, LEAST_PART = 0.02, 0.1
# of a difference from the control: certainly above, certainly below, or neither
Sign = Literal[-1, 0, 1]
# a difference of nothing
ZERO = Measure(0.0, 0.0, 0.0)
AnyEffect = TypeVar("AnyEffect", Finding, Choice)
Kind = Literal["holds", "in part", "depends", "not shown", "no control"]


@dataclass(frozen=True)
class ClaimStatus:
    """The outcome of the claim rule.

    Attributes:
        kind: "holds"; "in part" if only some choices make it significant, though none differs from them for certain by
            an effect that matters; "depends" if choices disagree; "not shown" if no difference is significant; or "no
            control" if there is nothing to compare with.
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


def with_noise(finding: Finding, noise: float) -> Finding:
    """Widen the intervals of effects on margins by the detector's noise, so that no smaller effect is claimed."""
    if not noise or finding.about.unit != "margins":
        return finding

    def widen(part: AnyEffect) -> AnyEffect:
        name = "measure" if part.difference is None else "difference"
        measure: Measure = getattr(part, name)
        return replace(part, **{name: replace(measure, low=measure.low - noise, high=measure.high + noise)})  # type: ignore[arg-type]

    return replace(widen(finding), choices=tuple(map(widen, finding.choices)))


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


def is_equivalent(finding: Finding) -> bool:
    """Check that a share differs by less than matters from its control, for certain, under every choice tried."""
    effects = [effect_over_control(tried) for tried in compared(finding)]
    within = (max(abs(effect.low), abs(effect.high)) < LEAST_POINTS for effect in effects)
    return finding.about.unit == "share" and bool(effects) and all(within)


def _disagree(finding: Finding) -> bool:
    """Check for choices of different signs whose intervals lie apart, by a difference that matters.

    Intervals that do not overlap differ at a stricter level than 95%.
    """
    tried = [(sign_of(one), effect_over_control(one)) for one in compared(finding)]
    return any(
        own != other and sign(effect, against) and _matters(effect, against, finding.about.unit)
        for (own, effect), (other, against) in combinations(tried, 2)
    )


def _matters(effect: Measure, other: Measure, unit: Unit) -> bool:
    least = LEAST_POINTS if unit == "share" else LEAST_PART * max(abs(effect.value), abs(other.value))
    return abs(effect.value - other.value) >= least


# pattern of keys -> "question", "subject", or status -> text
Headlines = Mapping[str, Mapping[str, str]]

# shares of images above the control: below the first an effect hardly matters, from the second on it decides most
SLIGHT, MOST = 0.05, 0.5

DEFAULTS: Mapping[str, str] = {
    "holds": "More than its control, under every choice that was tried.",
    "holds below": "Less than its control, under every choice that was tried.",
    "in part": "Shown under some of the choices that were tried, not under all.",
    "depends": "Depends on how it is measured; the choices are in the table.",
    "depends on fill": "Depends on how the gap is filled.",
    "depends on deletion": "Depends on how the deleted part is filled.",
    "depends on insertion": "Depends on how the part not yet inserted is filled.",
    "depends on seam": "Depends on how the seams are treated.",
    "depends on control": "Depends on the control.",
    "depends on change": "Depends on how the change is made.",
    "depends on angle": "Depends on the angle.",
    "depends on filter": "Depends on the filter that makes the picture small.",
    "depends on encoding": "Depends on how the picture is saved.",
    "depends on rule": "Depends on the rule that reads the cue.",
    "depends on generator": "Depends on the generator.",
    "depends on repetition": "Depends on how it is repeated.",
    "depends on images": "Depends on which images are counted.",
    "not shown": "No difference from its control was found.",
    "equivalent": "As often as its control, within two points.",
    "few sources": "Too few independent sources for a claim: counts only.",
    "no control": "No matched control: descriptive only.",
    "unknown": "Could not be measured.",
}


def with_headlines(findings: Iterable[Finding], headlines: Headlines) -> list[Finding]:
    """Fill in question, subject and headline of each finding; what is filled already stays.

    Args:
        findings: of one study.
        headlines: what the study declares, see above.
    """
    return [_filled(finding, headlines) for finding in findings]


def headline_of(finding: Finding, texts: Mapping[str, str]) -> str:
    """Look up the headline for a finding's claim status: in a study's texts, else among `DEFAULTS`."""
    return next(source[status] for source in (texts, DEFAULTS) for status in _statuses(finding) if status in source)


def _filled(finding: Finding, headlines: Headlines) -> Finding:
    texts = next((texts for pattern, texts in headlines.items() if fnmatchcase(finding.key, pattern)), {})
    subject = texts.get("subject", "") or str(finding.details.get("name") or finding.details.get("title") or "")
    return replace(
        finding,
        subject=finding.subject or subject,
        question=finding.question or texts.get("question", ""),
        headline=finding.headline or headline_of(finding, texts),
    )


def _statuses(finding: Finding) -> Iterator[str]:
    """Yield the keys under which a headline may be declared, the most specific first."""
    if not finding.measure.known:
        yield "unknown"
        return
    if finding.measure.has_few_sources:
        yield "few sources"
    status = claim_status(finding)
    if status.kind == "depends" and len(status.on) == 1:
        yield f"depends on {next(iter(status.on))}"
    if status.kind == "holds" and status.sign > 0:
        least = effect_over_control(finding).low
        if finding.about.unit == "share" and least < MOST:
            yield from (("holds slightly", "holds for some") if least < SLIGHT else ("holds for some",))
    if status.kind == "not shown" and is_equivalent(finding):
        yield "equivalent"
    yield "holds below" if status.sign < 0 else status.kind
