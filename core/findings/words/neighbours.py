"""The words of the study `neighbours`."""

from math import ceil, floor

from core.findings.finding import Finding
from core.findings.lines import Line, line
from core.findings.numbers import percent, share
from core.findings.words.told import Told

# a control of the findings on agreement
DEALT = "labels dealt at random"


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    known = {"truth": _truth, "errors": _errors, "far": _far}
    return known.get(finding.key, _agree)(finding)


def _whose(finding: Finding) -> Line:
    about = finding.details
    kind = "training images" if about["training"] else "images of this run (the training images were not available)"
    return line("their {k} nearest of {count} {kind}", k=str(about["k"]), count=about["candidates"], kind=kind)


def _agree(finding: Finding) -> Told:
    verdict = str(finding.group)
    answer = line(
        "Of the images called {verdict}, {share} have mostly {verdict} pictures among {whose}.",
        verdict=verdict, share=share(finding.measure, 1), whose=_whose(finding),
    )  # fmt: skip
    aside, dealt = Line(), finding.choice("control", DEALT)
    if dealt is not None and dealt.control is not None:
        one = dealt.control.measure
        aside = line(
            "By chance it would be about half: with labels dealt at random it is {n}, and 95 of 100 such deals end "
            "between about {least} and {most}%.",
            n=percent(one.value), least=str(floor(100 * one.low)), most=str(ceil(100 * one.high)),
        )  # fmt: skip
    return Told(answer, _pixels(finding), aside)


def _pixels(finding: Finding) -> Line:
    if finding.control is None:
        return Line()
    return line("By raw pixels it is {share}.", share=share(finding.control.measure, 1))


def _truth(finding: Finding) -> Told:
    answer = line(
        "Most of {whose} are of the image's true class in {share} of cases.",
        whose=_whose(finding), share=share(finding.measure, 1),
    )  # fmt: skip
    aside = line("The detector itself is right in {n}.", n=percent(finding.beside["detector"].value))
    return Told(answer, _pixels(finding), aside)


def _errors(finding: Finding) -> Told:
    answer = line(
        "Where the detector errs, {share} of the images have neighbours that err with it: to its features they are "
        "pictures of the other class.",
        share=share(finding.measure, 1),
    )  # fmt: skip
    return Told(answer, aside=line("In the rest the features knew better than the verdict."))


def _far(finding: Finding) -> Told:
    answer = line(
        "Of the tenth of the images that is least like any of them, {share} are called wrongly.",
        share=share(finding.measure, 1),
    )
    control = Line()
    if finding.control is not None:
        control = line("Of the other images it is {share}.", share=share(finding.control.measure, 1))
    return Told(answer, control)
