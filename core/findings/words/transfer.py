"""The words of the study `transfer`."""

from collections.abc import Sequence

from core.findings.claims import sign_of
from core.findings.finding import Choice, Finding, find
from core.findings.lines import Line, line, listed
from core.findings.numbers import percent, share
from core.findings.words.told import Told

# percentage points of confidence that are said to be the same
SAME = 1


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    return {
        "no_generators": _no_generators, "generators": _generators, "photographs": _photographs, "filters": _filters,
    }.get(finding.key, _confidence)(finding)  # fmt: skip


def _no_generators(_finding: Finding) -> Told:
    return Told(
        line("Pictures by other generators were not available, so what the detector says of them was not measured.")
    )


def _control(finding: Finding, after: str = "") -> Line:
    if finding.control is None:
        return Line()
    own, label = percent(finding.control.measure.value), str(finding.group)
    return line(
        "Of the {label} images of {set} {own} are{after}.",
        label=label,
        set=finding.details["set"],
        own=own,
        after=after,
    )


def _extremes(finding: Finding, kind: str) -> tuple[Choice, Choice]:
    """The choices of one kind that give least and most."""
    tried = sorted((one for one in finding.choices if one.kind == kind), key=lambda one: one.measure.value)
    return tried[0], tried[-1]


def _generators(finding: Finding) -> Told:
    least, most = _extremes(finding, "generator")
    plain = finding.choice("encoding", finding.details["plain"])
    answer = line(
        "Of {n} pictures by {sources} other generators {share} are called {REAL}, from {low} of {least} to {high} of "
        "{most}.",
        n=finding.measure.n, sources=finding.measure.clusters or 1, share=share(finding.measure, 1),
        low=percent(least.measure.value), least=least.value, high=percent(most.measure.value), most=most.value,
    )  # fmt: skip
    aside = Line()
    if plain is not None:
        aside = line("Unless they are saved as JPEG like CIFAKE's it is {n}.", n=percent(plain.measure.value))
    if left := finding.details["left_out"]:
        words = "file was" if left == 1 else "files were"
        aside += line(" {n} {words} left out, damaged or of another size.", n=left, words=words)
    label = line("of pictures by other generators are called {REAL}")
    return Told(answer, _control(finding), aside, label=label)


def _photographs(finding: Finding) -> Told:
    least, most = _extremes(finding, "filter")
    count = finding.details["photographs"]
    answer = line(
        "Of {n} squares of {count} ordinary photographs, resampled with the {filter} filter, {share} are called "
        "{FAKE}; with other filters from {low} ({least}) to {high} ({most}).",
        n=finding.measure.n, count=str(count), filter=finding.details["filter"], share=share(finding.measure, 1),
        low=percent(least.measure.value), least=least.value, high=percent(most.measure.value), most=most.value,
    )  # fmt: skip
    after = "" if sign_of(finding) else "; whether photographs fare worse than those is not shown"
    aside = line("{count} photographs are {count} independent samples, however many squares are cut.", count=str(count))
    label = line("of ordinary photographs are called {FAKE}")
    return Told(answer, _control(finding, after), aside, label=label)


def _filters(finding: Finding) -> Told:
    answer = line(
        "The filter alone decides the verdict on {share} of these squares: {REAL} under one, {FAKE} under another.",
        share=share(finding.measure, 1),
    )
    return Told(answer, label=line("of ordinary photographs flip with the resampling filter"))


def _confidence(finding: Finding) -> Told:
    about, one = finding.details, finding.measure
    own = finding.control.measure.value if finding.control else float("nan")
    lead = 100 * (one.value - own)
    how = "as sure" if abs(lead) < SAME else "surer" if lead > 0 else "less sure"
    name = finding.control.name if finding.control else ""
    answer = line(
        "On {where} the detector is {how} {than} on {name}: {mean} on average (standard deviation {sd} points).",
        where=about["where"], how=how, than="as" if how == "as sure" else "than", name=name, mean=percent(one.value),
        sd=f"{100 * about['deviation']:.1f}",
    )  # fmt: skip
    control = line("On {name} it is {own} sure on average.", name=name, own=percent(own))
    aside = line(
        "It is at least {level} sure of {share} of them, against {own}.",
        level=percent(about["level"], 0), share=percent(finding.beside["sure"].value),
        own=percent(finding.beside["own_sure"].value),
    )  # fmt: skip
    return Told(answer, control, aside)


def overall(findings: Sequence[Finding]) -> Line:
    """What the rates come to, with the numbers that say most; nothing where none was measured."""
    said = []
    if (passed := find(findings, "generators")) is not None:
        said.append(line("{n} of pictures by other generators are called {REAL}", n=percent(passed.measure.value, 0)))
    if (photographs := find(findings, "photographs")) is not None:
        said.append(
            line(
                "{n} of ordinary photographs are called {FAKE}{beside}",
                n=percent(photographs.measure.value, 0),
                beside=_beside(photographs),
            )
        )
    if (depends := find(findings, "filters")) is not None:
        said.append(
            line(
                "on {n} of these photographs the verdict depends on the resampling filter",
                n=percent(depends.measure.value, 0),
            )
        )
    if not said:
        return Line()
    return line(
        "{said}: outside its own kind of images a verdict is no evidence.", said=listed(said, last=", and ")
    ).capital()


def _beside(finding: Finding) -> Line:
    if finding.control is None or sign_of(finding):
        return Line()
    own = percent(finding.control.measure.value, 0)
    return line(", not certainly more than of its own {REAL} images ({own})", own=own)
