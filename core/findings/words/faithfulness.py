"""The words of the study `faithfulness`."""

from collections.abc import Iterable, Mapping, Sequence

from core.findings.claims import Sign, Standing, standing
from core.findings.finding import Choice, Finding
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import amount, share
from core.findings.words.standing import sides
from core.findings.words.told import Told

# controls, and what following them means
CONTROLS = {
    "chance": "chance",
    "edges first": "simply following edges",
    "flat areas first": "simply following flat areas",
    "middle first": "simply going from the middle outwards",
    "border first": "simply going from the border inwards",
    "large segments first": "simply taking large segments first",
    "small segments first": "simply taking small segments first",
    "the map of another image of the same cell": "the map of another image",
}
HOW: Mapping[Sign, str] = {1: "better than", -1: "worse than", 0: "neither better nor worse than"}


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    return _flipped(finding) if finding.quantity == "flip_rate" else _faithful(finding)


def _fills(finding: Finding) -> list[Choice]:
    return [one for one in finding.choices if one.kind == "fill"]


def _flipped(finding: Finding) -> Told:
    fills = _fills(finding)
    answer = line(
        "Filling the quarter of the image that {name} ranks first flips {each} of {verdict} verdicts.",
        name=finding.details["name"], verdict=str(finding.group),
        each=listed([line("{n} ({fill})", n=share(one.measure), fill=one.value) for one in fills]),
    )  # fmt: skip
    controls = [
        line("{n} ({fill})", n=share(one.control.measure), fill=one.value) for one in fills if one.control is not None
    ]
    return Told(answer, line("A quarter chosen by chance flips {each}.", each=listed(controls)))


def _faithful(finding: Finding) -> Told:
    stands, name, verdict = standing(finding), finding.details["name"], str(finding.group)
    if stands.kind == "depends":
        answer = line(
            "Whether {name} names what {verdict} verdicts lean on better than the best control depends on the fill: "
            "{sides}.",
            name=name, verdict=verdict, sides=sides(finding, "fill"),
        )  # fmt: skip
        return Told(answer, _best(finding), standing=Line())
    how: Mapping[Sign, str] = {
        1: "better than the best control",
        -1: "worse than a control that knows nothing of them",
        0: "no better than a control that knows nothing",
    }
    lead = finding.difference or finding.measure
    answer = line(
        "{name} names what {verdict} verdicts lean on {how}: faithfulness minus that of the control is {lead} margins, "
        "over {fills} fills ({n} images).",
        name=name, verdict=verdict, how=how[stands.sign], lead=amount(lead),
        fills=listed(finding.details["pooled"]), n=lead.n,
    )  # fmt: skip
    return Told(answer, _best(finding))


def _best(finding: Finding) -> Line:
    """The best control under each fill."""
    by_name: dict[str, list[str]] = {}
    for one in _fills(finding):
        if one.control is not None:
            by_name.setdefault(one.control.name, []).append(one.value)
    if len(by_name) == 1:
        return line("The best control is {name}.", name=next(iter(by_name)))
    return line(
        "The best control is {each}.",
        each=listed([line("{name} ({fills})", name=name, fills=listed(fills)) for name, fills in by_name.items()]),
    )


def _lead(one: Choice) -> Line:
    return line("{fill}, {lead}", fill=one.value, lead=amount(one.difference or one.measure))


def trusted(findings: Sequence[Finding]) -> Line:
    """Whether the explanations can be trusted, from all findings; nothing where there is none."""
    mine = _scored(findings)
    good, depends, poor = (_named(_of(mine, which)) for which in ("good", "depends", "poor"))
    if not mine:
        return Line()
    if good and not depends and not poor:
        return line(
            "Yes, as far as tested. {good} name what the detector leans on better than all controls.", good=listed(good)
        )
    parts = [line("In part." if good else "That depends on the fill." if depends else "Not on this run.")]
    if good:
        parts.append(
            line(
                "{good} {name} what the detector leans on better than all controls, under every fill.",
                good=listed(good),
                name=_verb(good, "names", "name"),
            )
        )
    if depends:
        parts.append(
            line(
                "{depends} {do} better than all controls under one fill and not under another.",
                depends=listed(depends),
                do=_verb(depends, "does", "do"),
            )
        )
    if poor:
        parts.append(
            line(
                "{poor} {shown} better than a control that knows nothing of the detector.",
                poor=listed(poor),
                shown=_verb(poor, "is not shown to do", "are not shown to do"),
            )
        )
    both = len(depends) + len(poor)
    return joined(
        [*parts, line("Read {it}, not as reasons.", it="it as a picture" if both == 1 else "them as pictures")]
    )


def _scored(findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.quantity == "faithfulness"]


def _of(findings: Sequence[Finding], which: str) -> list[Finding]:
    def kind(stands: Standing) -> str:
        if stands.kind == "depends":
            return "depends"
        # of what is not known to be better nothing is promised
        return "good" if stands.kind == "claimed" and stands.sign > 0 else "poor"

    return [one for one in findings if kind(standing(one)) == which]


def faithful(findings: Sequence[Finding]) -> Line:
    """Whether each explanation does better than the best control."""
    by_method: dict[str, dict[str, list[str]]] = {}
    for one in _scored(findings):
        stands = standing(one)
        control = CONTROLS.get(one.control.name, one.control.name) if one.control else "chance"
        how = f"{HOW[stands.sign]} {control}"
        if stands.kind == "depends":
            how = "better or worse than its controls, depending on the fill,"
        by_method.setdefault(one.details["name"], {}).setdefault(how, []).append(str(one.group))
    sentences = []
    for name, found in by_method.items():
        said = [line("{how} on {groups} verdicts", how=how, groups=listed(groups)) for how, groups in found.items()]
        sentences.append(line("{name} does {said}.", name=name, said=listed(said)))
    return joined(sentences)


def leads(findings: Sequence[Finding]) -> Line:
    """How far each explanation leads, under each fill."""
    by_method: dict[str, list[Line]] = {}
    for one in _scored(findings):
        each = listed([_lead(fill) for fill in _fills(one)])
        numbers = line("{each} on {verdict} verdicts", each=each, verdict=str(one.group))
        by_method.setdefault(one.details["name"], []).append(numbers)
    parts = [line("{name}: {numbers}", name=name, numbers=joined(numbers, "; ")) for name, numbers in by_method.items()]
    return line(
        "Faithfulness minus best control, in margins. {parts}. It adds deletion and insertion, so that it can rest on "
        "one of them where the curves of the other lie close.",
        parts=joined(parts, ". "),
    )


def _named(findings: Iterable[Finding]) -> list[Line]:
    """Method and verdict of findings, both verdicts of one method as one."""
    return named((str(one.details["name"]), str(one.group)) for one in findings)


def named(pairs: Iterable[tuple[str, str]]) -> list[Line]:
    """ "LIME on FAKE and REAL verdicts" for each method of pairs of method and verdict."""
    found: dict[str, list[str]] = {}
    for name, group in pairs:
        found.setdefault(name, []).append(group)
    return [line("{name} on {groups} verdicts", name=name, groups=listed(groups)) for name, groups in found.items()]


def _verb(parts: Sequence[object], one: str, more: str) -> str:
    return one if len(parts) == 1 else more
