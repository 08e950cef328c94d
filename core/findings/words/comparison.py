"""The words of a comparison of two runs (`core.studies.comparison`)."""

from collections.abc import Sequence

from core.findings.claims import claim_status, sign_of
from core.findings.finding import Finding
from core.findings.lines import Line, as_line, joined, line, listed
from core.findings.numbers import amount, of_unit, points
from core.findings.words import elsewhere
from core.findings.words.faithfulness import hangs_on
from core.findings.words.say import detector, say
from core.findings.words.standing import MAY_BE_CHANCE, unclaimed
from core.findings.words.told import Told
from core.perturbations.probe import FAMILIES, inline


def tell(finding: Finding) -> Told:
    """A finding of a comparison in words."""
    kind = finding.key.partition("-")[0]
    told = {
        "accuracy": _accuracy,
        "recall": _recall,
        "both_wrong": _both_wrong,
        "auroc": _auroc,
        "margins": _margins,
        "confidence": _confidence,
        "reads": _reads,
        "delivery": elsewhere.delivery,
        "other": elsewhere.other_images,
    }.get(kind, _group)
    return told(finding)


def _accuracy(finding: Finding) -> Told:
    stands = claim_status(finding)
    numbers = say(
        finding,
        "{first} gets {measure} of {n} images right, against {control}, {difference:points} (McNemar's test: p {p})",
        p=p_value(float(finding.details["p"])),
    )
    how = {1: "{first} is right more often than {second}: ", -1: "{first} is right less often than {second}: "}
    if stands.kind == "holds":
        answer = say(finding, how[stands.sign] + "{numbers}.", numbers=numbers)
    elif stands.on and sign_of(finding):
        answer = say(finding, "Whether {first} or {second} is right more often is open: {numbers}.", numbers=numbers)
    else:
        answer = say(finding, "{first} and {second} may be equally good: {numbers}.", numbers=numbers)
    return Told(answer, standing=_also(finding))


def _also(finding: Finding) -> Line:
    """What the other images say, where a difference was also measured on them."""
    if claim_status(finding).on:
        each = [
            line(
                "{what} it is {by}{open_}",
                what="on all images" if one.value == "all" else one.value,
                by=points(one.difference or one.measure),
                open_="" if sign_of(one) else MAY_BE_CHANCE,
            )
            for one in finding.choices
            if one.kind == "images" and (one.difference or one.measure).known
        ]
        each += [
            line("{what} no image is left", what=one.value)
            for one in finding.choices
            if one.kind == "images" and not (one.difference or one.measure).known
        ]
        return line("{each}.", each=listed(each)).capital()
    others = [one for one in finding.choices if one.kind == "images" and one.value != "all" and one.difference]
    if not others:
        return Line()
    each = [line("{what} it is {by}", what=one.value, by=points(one.difference or one.measure)) for one in others]
    return line("{each}.", each=listed(each)).capital()


def _recall(finding: Finding) -> Told:
    open_ = unclaimed(finding)
    template = "Of {n} {group} images {first} recognises {measure} and {second} {control}, {difference:points}{open_}."
    return Told(say(finding, template, open_=open_), standing=Line())


def _group(finding: Finding) -> Told:
    open_ = unclaimed(finding)
    answer = say(
        finding,
        "{what}: of {n} images {first} gets {measure} right and {second} {control}, {difference:points}{open_}.",
        what=finding.details["value"].replace("_", " "),
        open_=open_,
    )
    return Told(answer.capital(), standing=Line())


def _both_wrong(finding: Finding) -> Told:
    expected = float(finding.details["expected"])
    about = f"about {expected:,.0f}" if expected >= 1 else "fewer than one"
    answer = say(
        finding,
        "Of {either} images that at least one gets wrong, only {first} errs on {only_first_wrong}, only {second} on "
        "{only_second_wrong}, and both on {both_wrong}, {measure} of all.",
    )
    control = line("Were their errors independent within each class, both would err on {about}.", about=about)
    return Told(answer, control, standing=Line())


def _auroc(finding: Finding) -> Told:
    open_ = "" if claim_status(finding).kind == "holds" else MAY_BE_CHANCE
    numbers = "AUROC is {measure:auroc.bare} for {first} and {control:auroc.bare} for {second}, a difference of "
    return Told(say(finding, numbers + "{difference:auroc}{open_}.", open_=open_), standing=Line())


def _margins(finding: Finding) -> Told:
    answer = say(finding, "On {group} images the margins of {first} and {second} have a rank correlation of {measure}.")
    return Told(answer, standing=Line())


def _confidence(finding: Finding) -> Told:
    open_ = "" if claim_status(finding).kind == "holds" else MAY_BE_CHANCE
    answer = say(
        finding,
        "Confidence minus accuracy is {measure:points} for {first} and {control:points} for {second}, a difference of "
        "{difference:points}{open_}.",
        open_=open_,
    )
    aside = say(
        finding,
        "The calibration error is {error_first:percent} against {error_second:percent}. The Brier score (lower is "
        "better) is {brier_first:brier} against {brier_second:brier}, a difference of {brier_difference:brier}.",
    )
    return Told(answer, aside=aside, standing=Line())


def _reads(finding: Finding) -> Told:
    about, stands = finding.details, claim_status(finding)
    template = "{family}: {what} flips {measure} of {group} verdicts of {first} and {control} of those of {second}"
    if about["bar"]:
        template = (
            "{family}: {what} flips {measure:points} more {group} verdicts of {first} than {bar} does, and "
            "{control:points} more of those of {second}"
        )
    answer = say(
        finding,
        template + ", a difference of {difference:points}.",
        family=FAMILIES[about["family"]].title,
        what=f"{inline(about['title'])} ({about['strength']})",
    )
    how = {1: "{first} reads it more than {second}", -1: "{first} reads it less than {second}"}
    if stands.kind == "holds" and about["bar"] and not _beyond(finding):
        return Told(
            answer, standing=line("Significantly different, but neither flips significantly more than its control.")
        )
    if stands.kind == "holds" and about["bar"]:
        return Told(answer, standing=say(finding, how[stands.sign] + ", whatever it is compared with."))
    if stands.kind == "holds":
        return Told(answer, standing=line("Significantly different; without a control that is a number, not a reason."))
    if stands.kind == "depends":
        return Told(
            answer, standing=line("Which of the two reads it more depends on the {on}.", on=listed(list(stands.on)))
        )
    if stands.kind == "in part":
        return Told(answer, standing=line("Not significant with every {on}.", on=listed(list(stands.on))))
    return Told(answer, standing=line("The difference may be chance."))


def _beyond(finding: Finding) -> bool:
    """Whether the detector that reads it more flips more than the control at all."""
    more = finding.measure if claim_status(finding).sign > 0 or finding.control is None else finding.control.measure
    return more.low > 0


def p_value(p: float) -> str:
    """ "< 0.001", "= 0.02"; never 0."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"


def by_value(findings: Sequence[Finding], what: str) -> Line:
    """Summarise in one sentence on which values of a column either detector is right more often.

    Args:
        findings: from `core.studies.compared_predictions.by`.
        what: the column in the plural: "categories".
    """
    if not findings:
        return Line()
    names = {1: detector(findings[0], "first"), -1: detector(findings[0], "second")}
    parts = []
    for sign, name in names.items():
        there = [one.details["value"].replace("_", " ") for one in findings if claim_status(one).sign == sign]
        if there:
            every = f"all {len(findings)} {what} compared" if len(there) == len(findings) else listed(there)
            parts.append(line("{name} is right more often on {there}", name=name, there=every))
    kinds = [claim_status(one).kind for one in findings]
    depends, rest = kinds.count("depends"), len(kinds) - kinds.count("holds") - kinds.count("depends")
    if not parts and not depends:
        return line(
            "Neither is right significantly more often on any of the {n} {what} compared.", n=len(findings), what=what
        )
    if depends:
        there = [one.details["value"].replace("_", " ") for one in findings if claim_status(one).kind == "depends"]
        where = "on {there} it depends on leaks and repeats"
        parts.append(line(where if parts else where.capitalize(), there=listed(there)))
    also = line("; on the other {n} the difference may be chance", n=rest) if rest else Line()
    return line("{parts}{also}.", parts=joined(parts, "; ") if depends else listed(parts), also=also)


def recalls(findings: Sequence[Finding]) -> Line:
    """Which classes each of the two recognises, in one sentence from all findings of a comparison."""
    found = [one for one in findings if one.quantity == "recall"]
    template = (
        "of {group} images {first} recognises {measure:percent} and {second} {control:percent}, {difference:points}"
    )
    parts = [say(one, template + "{open_}", open_=unclaimed(one)) for one in found]
    return line("{parts}.", parts=joined(parts, "; ")).capital() if parts else Line()


def reading(findings: Sequence[Finding]) -> Line:
    """What each of the two certainly reads more than the other, in one sentence from all findings on probes."""
    if not findings:
        return Line()
    parts = []
    for sign, which in ((1, "first"), (-1, "second")):
        there = [
            line("{what} ({group})", what=FAMILIES[one.details["family"]].title.lower(), group=str(one.group))
            for one in findings
            if one.details["bar"] and _beyond(one)
            if (claim_status(one).kind, claim_status(one).sign) == ("holds", sign)
        ]
        if there:
            name = detector(findings[0], which)
            parts.append(line("{name} reads significantly more of {there}", name=name, there=listed(there)))
    if not parts:
        return line("Neither reads significantly more of anything that was tried with a control.")
    return line("{parts}; of nothing else that was tried with a control is that shown.", parts=joined(parts, "; "))


def beside_control(finding: Finding) -> Line:
    """A finding's number for a table's cell: its difference from the control where one was measured.

    Of several choices the first gives the number, and the cell says which that is.
    """
    unit, first = finding.about.unit, finding.choices[0] if finding.choices else None
    number = of_unit(finding.measure, unit)
    if finding.difference is not None:
        number = points(finding.difference) if unit == "share" else amount(finding.difference)
    if first is None or first.measure != finding.measure:
        return as_line(number)
    return line("{number} ({kind}: {value})", number=number, kind=first.kind, value=first.value)


def subject(finding: Finding) -> str:
    """What a finding on explanations is about, in a few words for a table's cell."""
    name, group = finding.details.get("name", ""), "" if finding.group is None else f"{finding.group} verdicts"
    return ", ".join(filter(None, (finding.about.label, str(name), group)))


def stands(finding: Finding) -> str:
    """How a finding stands, in a few words for a table's cell."""
    found = claim_status(finding)
    if found.kind == "holds":
        return "above its control" if found.sign > 0 else "below its control"
    if found.kind == "depends":
        if finding.quantity == "faithfulness":
            return f"depends on {hangs_on(finding)}"
        return f"depends on the {' and the '.join(found.on)}"
    if found.kind == "in part":
        return f"not with every {' and '.join(found.on)}"
    return {"not shown": "may be chance", "no control": "a number without a control"}[found.kind]
