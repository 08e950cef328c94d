"""Whether a finding is claimed, in words."""

from core.findings.claims import Sign, claim_status, sign_of
from core.findings.finding import Choice, Finding
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import amount, of_unit, points
from core.findings.quantities import Unit

SIDES: dict[Sign, str] = {1: "above its control", -1: "below its control", 0: "no significant difference"}
EVERY = {
    "fill": "under every fill",
    "verdict": "for both verdicts",
    "filter": "with every filter",
    "generator": "for every generator",
    "rule": "by either rule",
    "encoding": "in both encodings",
    "control": "against every control",
    "change": "however it is changed",
    "seam": "with every seam",
    "repetition": "however it is repeated",
}


MAY_BE_CHANCE = ", which may be chance"


def unclaimed(finding: Finding) -> str:
    """What is said behind a difference of two detectors that is not claimed."""
    stands = claim_status(finding)
    if stands.kind == "holds":
        return ""
    rest = next((one.value for one in finding.choices if one.kind == "images" and one.value != "all"), "")
    # a difference on all images that goes without those that a detector may know is no chance
    if rest and sign_of(finding.choices[0]):
        return f", but that does not hold {rest}" if stands.kind == "depends" else f", but not significantly {rest}"
    return MAY_BE_CHANCE


def standing_line(finding: Finding) -> Line:
    """The standing of a finding as a sentence; nothing where there is no number, or a mere count."""
    stands = claim_status(finding)
    if not finding.measure.known or (stands.kind == "no control" and finding.about.counted):
        return Line()
    if stands.kind == "no control":
        return line("Nothing of the same size and shape was compared with it: a number, not a reason.")
    if stands.kind == "not shown":
        if finding.difference is None and not finding.measure.has_interval:
            return line("Without an interval no difference from its control is claimed.")
        return line("The difference from its control may be chance.")
    if stands.kind == "holds":
        tried: dict[str, int] = {}
        for choice in finding.choices:
            if sign_of(choice) is not None:
                tried[choice.kind] = tried.get(choice.kind, 0) + 1
        every = [EVERY.get(kind, f"under every {kind}") for kind, count in tried.items() if count > 1]
        under = line(", {every}", every=listed(every)) if every else Line()
        return line("Significantly {side}{under}.", side=SIDES[stands.sign], under=under)
    # each choice may say the same while the whole, of few independent samples, says nothing
    own = sign_of(finding)
    alike = "Each {kind} alone: {sides}; taken together it is {together}."
    differ = (
        "The difference depends on the {kind}: {sides}."
        if stands.kind == "depends"
        else "Not with every {kind}: {sides}."
    )
    return joined(
        line(
            alike if len(set(signs.values())) == 1 else differ,
            kind=kind,
            sides=sides(finding, kind),
            together=SIDES[own] if own else "not shown",
        )
        for kind, signs in stands.on.items()
    )


def sides(finding: Finding, kind: str) -> Line:
    """List the choices of one kind that put a finding above its control, below it or neither, with their numbers."""
    parts = []
    for sign, words in SIDES.items():
        there = [
            line("{value}, {number}", value=choice.value, number=_number(choice, finding.about.unit))
            for choice in finding.choices
            if choice.kind == kind and sign_of(choice) == sign
        ]
        if there:
            parts.append(line("{side} for {values}", side=words, values=listed(there)))
    return joined(parts, "; ")


def _number(choice: Choice, unit: Unit) -> Line:
    if choice.difference is None:
        return of_unit(choice.measure, unit)
    return points(choice.difference) if unit == "share" else amount(choice.difference)
