"""The words of the study `transfer`."""

from collections.abc import Sequence

from core.findings.claims import sign_of
from core.findings.finding import Choice, Finding, find
from core.findings.lines import Line, line, listed
from core.findings.words.say import say
from core.findings.words.told import Told

# percentage points of confidence that are said to be the same
SAME = 1
OWN = "Of the {group} images of {set} {control:percent} are{after}."


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    if finding.key == "generators":
        return _generators(finding)
    if finding.key == "photographs":
        return _photographs(finding)
    if finding.key == "no_generators":
        what = "Pictures by other generators were not available, so what the detector says of them was not measured."
        return Told(say(finding, what))
    if finding.key == "filters":
        answer = say(
            finding,
            "The filter alone decides the verdict on {measure:share.1} of these squares: {REAL} under one, {FAKE} "
            "under another.",
        )
        return Told(answer, label=line("of ordinary photographs flip with the resampling filter"))
    return _confidence(finding)


def _extremes(finding: Finding, kind: str) -> tuple[Choice, Choice]:
    """The choices of one kind that give least and most."""
    tried = sorted((one for one in finding.choices if one.kind == kind), key=lambda one: one.measure.value)
    return tried[0], tried[-1]


def _generators(finding: Finding) -> Told:
    least, most = _extremes(finding, "generator")
    answer = say(
        finding,
        "Of {n} pictures by {sources} other generators {measure:share.1} are called {REAL}, from {low:percent} of "
        "{least} to {high:percent} of {most}.",
        sources=finding.measure.clusters or 1, low=least.measure, least=least.value, high=most.measure, most=most.value,
    )  # fmt: skip
    aside, plain = Line(), finding.choice("encoding", finding.details["plain"])
    if plain is not None:
        aside = say(finding, "Unless they are saved as JPEG like CIFAKE's it is {it:percent}.", it=plain.measure)
    if left := finding.details["left_out"]:
        words = "file was" if left == 1 else "files were"
        aside += say(finding, " {left_out} {words} left out, damaged or of another size.", words=words)
    control = say(finding, OWN, after="") if finding.control else Line()
    return Told(answer, control, aside, label=line("of pictures by other generators are called {REAL}"))


def _photographs(finding: Finding) -> Told:
    least, most = _extremes(finding, "filter")
    answer = say(
        finding,
        "Of {n} squares of {photographs} ordinary photographs, resampled with the {filter} filter, {measure:share.1} "
        "are called {FAKE}; with other filters from {low:percent} ({least}) to {high:percent} ({most}).",
        low=least.measure, least=least.value, high=most.measure, most=most.value,
    )  # fmt: skip
    after = "" if sign_of(finding) else "; whether photographs fare worse than those is not shown"
    control = say(finding, OWN, after=after) if finding.control else Line()
    many = "{photographs} photographs are {photographs} independent samples, however many squares are cut."
    label = line("of ordinary photographs are called {FAKE}")
    return Told(answer, control, say(finding, many), label=label)


def _confidence(finding: Finding) -> Told:
    own = finding.control.measure.value if finding.control else float("nan")
    lead = 100 * (finding.measure.value - own)
    how = "as sure as" if abs(lead) < SAME else "surer than" if lead > 0 else "less sure than"
    answer = say(
        finding,
        "On {where} the detector is {how} on {control_name}: {measure:percent} on average (standard deviation {sd} "
        "points).",
        how=how,
        sd=f"{100 * finding.details['deviation']:.1f}",
    )
    level = f"{100 * finding.details['level']:.0f}%"
    sure = "It is at least {level} sure of {sure:percent} of them, against {own_sure:percent}."
    control = say(finding, "On {control_name} it is {control:percent} sure on average.")
    return Told(answer, control, say(finding, sure, level=level))


def overall(findings: Sequence[Finding]) -> Line:
    """What the rates come to, with the numbers that say most; nothing where none was measured."""
    templates = {
        "generators": "{measure:percent.0} of pictures by other generators are called {REAL}",
        "photographs": "{measure:percent.0} of ordinary photographs are called {FAKE}{beside}",
        "filters": "on {measure:percent.0} of these photographs the verdict depends on the resampling filter",
    }
    found = [one for key in templates if (one := find(findings, key)) is not None]
    if not found:
        return Line()
    said = listed([say(one, templates[one.key], beside=_beside(one)) for one in found], last=", and ")
    return line("{said}: outside its own kind of images a verdict is no evidence.", said=said).capital()


def _beside(finding: Finding) -> Line:
    if finding.control is None or sign_of(finding):
        return Line()
    return say(finding, ", not certainly more than of its own {REAL} images ({control:percent.0})")
