"""The words of a comparison of two runs after deliveries and on images of other sources."""

from collections.abc import Sequence

from core.findings.claims import claim_status
from core.findings.finding import Finding
from core.findings.lines import CLASSES, Line, joined, line, listed
from core.findings.numbers import percent
from core.findings.words.say import detector, say
from core.findings.words.standing import unclaimed
from core.findings.words.told import Told

# what the images of a source are, of several sources and of one
OTHER_IMAGES = {
    "imitations": (
        "pictures by {sources} generators that imitate {imitates}",
        "pictures by one generator that imitates {imitates}",
    ),
    "large": ("full-size pictures by {sources} generators", "full-size pictures by one generator"),
    "photographs": ("squares of {sources} ordinary photographs", "squares of one ordinary photograph"),
}


def delivery(finding: Finding) -> Told:
    """Accuracies after one delivery, with the recalls of both classes beside them."""
    answer = say(
        finding,
        "{value}: of {n} images {first} gets {measure} right and {second} {control}, {difference:points}{open_}.",
        open_=unclaimed(finding),
    )
    each = [
        line(
            "of {label} images {first} gets {one} and {second} {other}"
            if not number
            else "of {label} images {one} and {other}",
            label=label,
            one=percent(finding.beside[f"first_{label}"].value),
            other=percent(finding.beside[f"second_{label}"].value),
            first=detector(finding, "first"),
            second=detector(finding, "second"),
        )
        for number, label in enumerate(label for label in CLASSES if f"first_{label}" in finding.beside)
    ]
    return Told(answer, aside=line("{each}.", each=joined(each, ", ")).capital() if each else Line(), standing=Line())


def other_images(finding: Finding) -> Told:
    """Shares of images of one other source that both call right."""
    stands, alone = claim_status(finding), finding.details["sources"] == 1
    answer = say(
        finding,
        "Of {n} {what}, {first} calls {measure} {group} and {second} {control}, {difference:points}.",
        what=say(finding, OTHER_IMAGES[finding.key.partition("-")[2]][alone]),
    )
    how = {1: "{first} is right more often", -1: "{second} is right more often"}
    if finding.control is not None and max(finding.measure.value, finding.control.measure.value) < 0.5:
        how = {sign: f"Both are wrong on most of them; {who}" for sign, who in how.items()}
    if stands.kind == "holds":
        return Told(answer, standing=say(finding, how[stands.sign] + "{tried}.", tried=_tried(finding)))
    if stands.kind == "depends":
        template = "Whether {first} is right more often depends on the {on}."
        return Told(answer, standing=say(finding, template, on=listed(list(stands.on))))
    if stands.kind == "in part":
        return Told(answer, standing=line("Not significant with every {on}.", on=listed(list(stands.on))))
    return Told(answer, standing=line("One says nothing of others." if alone else "The difference may be chance."))


def _tried(finding: Finding) -> str:
    """Behind a claim, the choices that it was made under: ", however they are resized and saved"."""
    ways = {"filter": "resized", "encoding": "saved"}
    many = {kind for kind in ways if sum(one.kind == kind for one in finding.choices) > 1}
    return f", however they are {' and '.join(ways[kind] for kind in ways if kind in many)}" if many else ""


def delivery_name(finding: Finding) -> str:
    """The delivery that a finding of `after_deliveries` is about, for an axis."""
    name = str(finding.details["value"])
    return name if finding.details["changes"] else f"unchanged (saved as {name})"


def other_source(finding: Finding) -> str:
    """The source of the images that a finding of `on_other_images` is about, in a few words for an axis."""
    names = {"imitations": "imitations", "large": "full-size pictures", "photographs": "photographs"}
    return f"{names[finding.key.partition('-')[2]]}, {finding.group}"


def after_deliveries(findings: Sequence[Finding]) -> Line:
    """After which deliveries either detector is right more often, in one sentence.

    Args:
        findings: from `core.studies.compared_images.after_deliveries`; one that changes no pixel is not counted.
    """
    findings = [one for one in findings if one.details["changes"]]
    if not findings:
        return Line()
    parts = []
    for sign, which in ((1, "first"), (-1, "second")):
        there = [str(one.details["value"]) for one in findings if claim_status(one).sign == sign]
        if there:
            parts.append(
                line(
                    "{name} is right more often after {n} of {many} {deliveries} ({there})",
                    name=detector(findings[0], which),
                    n=len(there),
                    many=len(findings),
                    deliveries="delivery" if len(findings) == 1 else "deliveries",
                    there=listed(there),
                )
            )
    kinds = [claim_status(one).kind for one in findings]
    if "depends" in kinds:
        leaks = [str(one.details["value"]) for one in findings if claim_status(one).kind == "depends"]
        after = "after" if parts else "After"
        parts.append(line(after + " {there} it depends on leaks and repeats", there=listed(leaks)))
    if not parts:
        return line("After none of the deliveries is either right significantly more often.")
    also = "; after the rest the difference may be chance" if {"not shown", "in part"} & {*kinds} else ""
    return line("{parts}{also}.", parts=joined(parts, "; "), also=also)
