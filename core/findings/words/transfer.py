"""The words of the study `transfer`."""

from collections.abc import Sequence

from core.findings.finding import Choice, Finding, find
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import percent
from core.findings.words.say import say
from core.findings.words.told import Told

# so many generators are named
FEW = 3
# fewer generators than these are too few for a rate
LEAST = 3
WHAT = {
    "imitations": "pictures that imitate {imitates}, drawn at the detector's size",
    "large": "full-size pictures by other generators",
    "photographs": "ordinary photographs",
}
LABELS = {
    "imitations": "of imitations of {imitates} are called {REAL}",
    "large": "of full-size pictures by other generators are called {REAL}, depending on the resampling filter",
    "photographs": "of ordinary photographs are called {FAKE}, depending on the resampling filter",
}
ANSWERS = {
    "imitations": "Of {n} pictures by {counted} that {imitate} {imitates}{own_real} {measure:share.1} are called "
    "{REAL}{ends}.",
    "large": "Of {n} full-size pictures by {generators}, resized with the {filter} filter, {measure} are called "
    "{REAL}; with other filters from {least} to {most}.",
    "photographs": "Of {n} squares of {counted}, resized with the {filter} filter, {measure:share.1} are called "
    "{FAKE}; with other filters from {least} to {most}.",
}
INDEPENDENT = {
    "large": "{sources} generators are {sources} independent samples, however many pictures they drew.",
    "photographs": "{sources} photographs are {sources} independent samples, however many squares are cropped.",
}
# the same of one
ALONE = {
    "large": "1 generator is 1 independent sample, however many pictures it drew.",
    "photographs": "1 photograph is 1 independent sample, however many squares are cropped.",
}


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    kind, _, group = finding.key.partition("_")
    if kind == "filters":
        return _filters(finding, group)
    if kind == "confidence":
        return _confidence(finding)
    if not finding.measure.known:
        what = say(finding, WHAT[finding.key]).capital()
        return Told(line("{what} were not available, so what the detector says of them was not measured.", what=what))
    return _rate(finding)


def _extremes(finding: Finding, *, others: bool = False) -> tuple[Choice, Choice]:
    """Return the choices with the lowest and the highest rate, among filters if there are any, else generators.

    With `others`, the detector's own filter has no say.
    """
    own = finding.details.get("filter")
    kind = "filter" if own else "generator"
    tried = sorted((one for one in finding.choices if one.kind == kind), key=lambda one: one.measure.value)
    if others:
        tried = [one for one in tried if one.value != own] or tried
    return tried[0], tried[-1]


def _rate(finding: Finding) -> Told:
    extremes = {
        name: line(
            "{share} of {value}" if one.kind == "generator" else "{share} ({value})",
            share=percent(one.measure.value),
            value=one.value,
        )
        for name, one in zip(("least", "most"), _extremes(finding, others=True), strict=True)
    }
    alone = finding.details["sources"] == 1
    answer = say(
        finding,
        ANSWERS[finding.key],
        own_real=say(finding, ", the {REAL} class of {set},") if finding.details["own_real"] else "",
        generators=_generators(finding),
        counted=_counted(finding, "ordinary photograph" if finding.key == "photographs" else "generator"),
        imitate="imitates" if alone else "imitate",
        ends="" if alone else line(", from {least} to {most}", **extremes),
        **extremes,
    )
    aside = [say(finding, (ALONE if alone else INDEPENDENT)[finding.key])] if finding.key in INDEPENDENT else []
    plain = finding.choice("encoding", finding.details["plain"])
    if plain is not None:
        aside.append(say(finding, "Not saved as JPEG, as CIFAKE's are, it is {it:percent}.", it=plain.measure))
    if left := finding.details["left_out"]:
        words = "file was" if left == 1 else "files were"
        aside.append(say(finding, "{left_out} {words} left out, damaged or of another size.", words=words))
    control = say(finding, "Of the {control_name} {control:percent} are.") if finding.control else Line()
    return Told(answer, control, joined(aside), label=say(finding, LABELS[finding.key]), number=_range(finding))


def _generators(finding: Finding) -> Line:
    """The generators by name where they are few."""
    names = sorted(one.value for one in finding.choices if one.kind == "generator")
    return listed(names) if 0 < len(names) <= FEW else _counted(finding, "generator")


def _counted(finding: Finding, source: str) -> Line:
    """ "10 generators", "1 generator"."""
    return say(finding, "{sources} {what}", what=source if finding.details["sources"] == 1 else f"{source}s")


def _range(finding: Finding) -> str:
    """ "10 to 63%", over the filters; "" where none had a say."""
    if not finding.details["filter"]:
        return ""
    least, most = (one.measure.value for one in _extremes(finding))
    return f"{percent(least, 0).removesuffix('%')} to {percent(most, 0)}"


def _filters(finding: Finding, group: str) -> Told:
    which = "squares" if group == "photographs" else "pictures"
    without = Line()
    if "without" in finding.beside:
        without = say(finding, "; without nearest, the crudest filter, on {without:share}")
    answer = say(
        finding,
        "The filter alone decides the verdict on {measure:share} of these {which}{without}: {REAL} under one, {FAKE} "
        "under another.",
        which=which,
        without=without,
    )
    what = "ordinary photographs" if group == "photographs" else "full-size pictures by other generators"
    return Told(answer, label=line("of {what} flip with the resampling filter", what=what))


def _confidence(finding: Finding) -> Told:
    answer = say(
        finding,
        "On {where} the detector is {measure:percent} sure on average (standard deviation {sd} points).",
        sd=f"{100 * finding.details['deviation']:.1f}",
    )
    level = f"{100 * finding.details['level']:.0f}%"
    sure = "It is at least {level} sure of {sure:percent} of them, against {own_sure:percent}."
    control = say(finding, "On {control_name} it is {control:percent} sure on average.")
    return Told(answer, control, say(finding, sure, level=level))


def overall(findings: Sequence[Finding]) -> Line:
    """What the rates come to, each group by itself; nothing where none was measured."""
    templates = {
        "large": "of {n} full-size pictures by {generators}, {rate} are called {REAL}, depending on how they were "
        "resized{few}",
        "imitations": "of {n} imitations of {imitates} by {counted}, {rate} are called {REAL}",
        "photographs": "of {n} squares cut from {counted}, {rate} are called {FAKE}, depending on how they were "
        "resized",
    }
    found = [one for key in templates if (one := find(findings, key)) is not None and one.measure.known]
    said = [
        say(
            one,
            templates[one.key],
            rate=_range(one) or percent(one.measure.value, 0),
            generators=_generators(one),
            counted=_counted(one, "ordinary photograph" if one.key == "photographs" else "other generator"),
            few=" (too few generators for a rate)" if one.details["sources"] < LEAST else "",
        )
        for one in found
    ]
    if not said:
        return Line()
    return line(
        "{said}. Do not rely on verdicts on images unlike the training images.", said=joined(said, "; ")
    ).capital()
