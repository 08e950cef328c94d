"""The words of the study `neighbours`."""

from math import ceil, floor

from core.findings.finding import Finding
from core.findings.lines import Line
from core.findings.words.say import say
from core.findings.words.told import Told

# a control of the findings on agreement
DEALT = "random labels"


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    pixels = say(finding, "By raw pixels it is {control:share.1}.") if finding.control else Line()
    if finding.key == "truth":
        template = "For {measure:share.1} of images, most of {whose} are of the true class (the nearest decides a tie)."
        answer = say(finding, template, whose=_whose(finding))
        return Told(answer, pixels, say(finding, "The detector itself is right in {detector:percent}."))
    if finding.key == "errors":
        answer = say(
            finding,
            "Of the images that it gets wrong, {measure:share.1} have neighbours mostly of the wrong class: to its "
            "features they look like that class.",
        )
        rest = say(finding, "In the rest the features knew better than the verdict.")
        return Told(answer, aside=rest if finding.measure.value < 1 else Line())
    if finding.key == "far":
        template = "Of the tenth of the images that is least like any of them, {measure:share.1} are misclassified."
        others = say(finding, "Of the other images it is {control:share.1}.") if finding.control else Line()
        return Told(say(finding, template), others)
    template = (
        "Of the images called {group}, {measure:share.1} have mostly {group} pictures among {whose} "
        "(the nearest decides a tie)."
    )
    return Told(say(finding, template, whose=_whose(finding)), pixels, _dealt(finding))


def _whose(finding: Finding) -> Line:
    kind = (
        "training images"
        if finding.details["training"]
        else "images of this run (the training images were not available)"
    )
    return say(finding, "their {k} nearest of {candidates} {kind}", kind=kind)


def _dealt(finding: Finding) -> Line:
    """What random labels give."""
    dealt = finding.choice("control", DEALT)
    if dealt is None or dealt.control is None:
        return Line()
    one = dealt.control.measure
    return say(
        finding,
        "With random labels it is {dealt:percent}, and 95 of 100 such draws end between about {least} and {most}%.",
        dealt=one,
        least=floor(100 * one.low),
        most=ceil(100 * one.high),
    )
