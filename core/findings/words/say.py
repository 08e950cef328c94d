"""Build a sentence about a finding from a template that names its numbers."""

from collections.abc import Callable
from string import Formatter

from core.findings.finding import Finding, Measure
from core.findings.lines import CLASSES, Line, Part, Span, as_line
from core.findings.numbers import amount, bare, of_unit, pairs, percent, points, share, signed
from core.findings.quantities import Unit

# details that are names of detectors or runs
NAMES = ("first", "second")
# how a measure is written, named after a colon in a template; by default as its unit is
FORMS: dict[str, Callable[[Measure], Part]] = {
    "share": share,
    "share.1": lambda one: share(one, 1),
    "share.2": lambda one: share(one, 2),
    "amount": amount,
    "amount.1": lambda one: amount(one, 1),
    "points": points,
    "auroc": lambda one: amount(one, 3),
    "auroc.bare": lambda one: bare(signed(one.value, 3)),
    "brier": lambda one: amount(one, 4),
    "pairs": pairs,
    # without an interval
    "percent": lambda one: percent(one.value) if one.known else "an unknown share",
    "percent.0": lambda one: percent(one.value, 0),
    "plain": lambda one: signed(one.value) if one.known else "an unknown amount",
    "of 100": lambda one: f"{100 * one.value:.1f}",
}


def say(finding: Finding, template: str, **more: Part | Measure) -> Line:
    """Build a sentence from a template.

    Args:
        finding: what the sentence is about.
        template: "{measure} of {group} verdicts become {REAL}." Names are those of `more`, of measures `beside` the
            finding, of its `details`, or one of measure, difference, control, control_name, n, group, REAL and FAKE;
            a key of `FORMS` may follow after a colon.
        more: further parts, by name.
    """
    spans: list[Span] = []
    for text, name, form, _ in Formatter().parse(template):
        spans.append(Span(text))
        if name is not None:
            spans += as_line(_part(finding, name, form or "", more)).spans
    return Line(tuple(span for span in spans if span.text))


def detector(finding: Finding, which: str) -> Span:
    """The name of the "first" or the "second" of two compared detectors."""
    return Span(str(finding.details[which]), "name")


def _part(finding: Finding, name: str, form: str, more: dict[str, Part | Measure]) -> Part:
    found = more[name] if name in more else finding.beside.get(name)
    if found is None and name in finding.details:
        told = finding.details[name]
        found = detector(finding, name) if name in NAMES else told if isinstance(told, str) else int(told)
    if found is None:
        found = _own(finding, name)
    return _written(found, form, finding.about.unit) if isinstance(found, Measure) else found


def _own(finding: Finding, name: str) -> Part | Measure:
    control = finding.control
    if name in CLASSES:
        return name
    own: dict[str, Part | Measure] = {
        "measure": finding.measure,
        "difference": finding.difference or finding.measure,
        "control": Measure(float("nan")) if control is None else control.measure,
        "control_name": "" if control is None else control.name,
        "n": finding.measure.n,
        "group": str(finding.group),
    }
    return own[name]


def _written(measure: Measure, form: str, unit: Unit) -> Part:
    return FORMS[form](measure) if form else of_unit(measure, unit)
