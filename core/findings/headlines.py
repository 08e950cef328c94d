"""Questions and headlines of findings: fixed texts that each study declares as data.

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
        },
    }

A headline has at most 15 words, plain English, and no number: the table beside it has those. What is not declared is
taken from `DEFAULTS`; "holds for some" and "holds slightly" fall back to "holds", and matter only for shares. Use
"depends" only to say more than `DEFAULTS["depends on fill"]` does. The study's `Study(headlines=HEADLINES)` is all that
`core.studies` needs; whatever concludes outside of a study calls `with_headlines(findings, HEADLINES)` itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase

from core.findings.claims import claim_status, effect_over_control
from core.findings.finding import Finding

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
    status = claim_status(finding)
    if status.kind == "depends" and len(status.on) == 1:
        yield f"depends on {next(iter(status.on))}"
    if status.kind == "holds" and status.sign > 0:
        least = effect_over_control(finding).low
        if finding.about.unit == "share" and least < MOST:
            yield from (("holds slightly", "holds for some") if least < SLIGHT else ("holds for some",))
    yield "holds below" if status.sign < 0 else status.kind
