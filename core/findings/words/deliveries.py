"""The words of the study `deliveries`."""

from core.findings.claims import sign_of
from core.findings.finding import Finding
from core.findings.lines import Line, line, listed
from core.findings.numbers import percent
from core.findings.words.say import say
from core.findings.words.told import Told

LABELS = {
    "flips": "of {group} verdicts flip under at least one delivery",
    "errors": "of {group} images are misclassified after {worst_name}",
}


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    kind = finding.key.partition("_")[0]
    if kind == "flips":
        answer = say(finding, "Of {group} verdicts {measure} flip under at least one of {deliveries} deliveries.")
        control = say(finding, "{control_name} alone flips {control}.").capital()
    else:
        answer = say(finding, "Of {group} images {measure} are misclassified after {worst_name}.")
        # only a significantly higher error rate can be blamed on the delivery
        rest = ": the rest of these errors comes from delivery" if sign_of(finding) == 1 else ""
        control = say(finding, f"Without any delivery it is {{control}}{rest}.")
    return Told(
        answer, control, say(finding, "One by one: {each}.", each=_each(finding)), label=say(finding, LABELS[kind])
    )


def _each(finding: Finding) -> Line:
    names = sorted(map(str, finding.details["each"]), key=lambda name: -finding.beside[name].value)
    return listed([line("{name} {share}", name=name, share=percent(finding.beside[name].value)) for name in names])
