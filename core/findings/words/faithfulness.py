"""The words of the study `faithfulness`."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from core.findings.claims import Sign, claim_status, sign_of
from core.findings.finding import Choice, Finding
from core.findings.lines import Line, Part, joined, line, listed
from core.findings.numbers import amount, bare, signed
from core.findings.words.say import say
from core.findings.words.told import Told

SIDES: Mapping[Sign, str] = {1: "better", -1: "worse", 0: "no significant difference"}
FILL, WAY = "the fill", "whether pixels are deleted or inserted"
# where deletion and insertion agree
_OF_SIGNS: Mapping[frozenset[Sign | None], str] = {
    frozenset([1]): "better",
    frozenset([-1]): "worse",
    frozenset([0]): "no different",
}


def tell(finding: Finding) -> Told:
    """A finding of this study in words."""
    return _flipped(finding) if finding.quantity == "flip_rate" else _faithful(finding)


def _flipped(finding: Finding) -> Told:
    each, scattered = [], []
    for one in finding.choices:
        fill = _fill(finding, one)
        each.append(say(finding, "{m} ({fill})", m=one.measure, fill=fill))
        scattered.append(say(finding, "{m} ({fill})", m=finding.beside[one.value], fill=fill))
    template = "Filling the quarter of the image that {name} ranks first flips {each} of {group} verdicts."
    template_beside = (
        "A quarter of single cells scattered at random flips {each}. It has another shape, so the two are not compared."
    )
    return Told(
        say(finding, template, each=listed(each)), aside=line(template_beside, each=listed(scattered)), standing=Line()
    )


def _faithful(finding: Finding) -> Told:
    """Say whether a method beats its best control under every fill and in both directions, or what that depends on."""
    stands = claim_status(finding)
    if stands.on:
        if sometimes_better(finding):
            template = (
                "Whether {name} finds what {group} verdicts lean on better than the best control depends on {what}"
            )
        else:
            template = (
                "{name} is never significantly better than the best control at finding what {group} verdicts lean on"
            )
        answer = say(
            finding,
            template + ": {sides} (differences in margins, {images} images).",
            what=hangs_on(finding),
            sides=sides(finding),
            images=_images(finding),
        )
        return Told(answer, standing=Line())
    how: Mapping[Sign, str] = {
        1: "{name} finds what {group} verdicts lean on better than every control",
        -1: "{name} finds what {group} verdicts lean on worse than a control that knows nothing of them",
        0: "{name} on {group} verdicts cannot be told from the best control",
    }
    least = min(finding.choices, key=lambda one: abs((one.difference or one.measure).value))
    answer = say(
        finding,
        how[stands.sign] + ", under every fill, by deletion and by insertion: the least difference is {least} margins "
        "({kind} with {fill}, {images} images).",
        least=amount(least.difference or least.measure),
        kind=least.kind,
        fill=_fill(finding, least),
        images=_images(finding),
    )
    return Told(answer, standing=Line())


def sometimes_better(finding: Finding) -> bool:
    """Whether a method beats its best control under any of the choices."""
    return any(sign_of(one) == 1 for one in finding.choices)


def _images(finding: Finding) -> int:
    return (finding.difference or finding.measure).n


def _fill(finding: Finding, choice: Choice) -> str:
    """A fill as it is called."""
    return str(finding.details["fills"].get(choice.value, choice.value))


def sides(finding: Finding) -> Line:
    """List the fills and directions in which a method is better than its control, worse or neither, with numbers."""
    parts = []
    for sign, words in SIDES.items():
        by_fill: dict[str, list[Line]] = {}
        for one in finding.choices:
            if sign_of(one) == sign:
                number = bare(signed((one.difference or one.measure).value))
                told = line("{kind} {number}", kind=one.kind, number=number)
                by_fill.setdefault(_fill(finding, one), []).append(told)
        each = [line("{fill} ({told})", fill=fill, told=joined(told, ", ")) for fill, told in by_fill.items()]
        if each:
            parts.append(line("{words} under {each}", words=words, each=listed(each)))
    return joined(parts, "; ")


def hangs_on(finding: Finding) -> str:
    """Name the choice that decides whether a method beats its control: the fill, or the direction alone."""
    return FILL if any(len(signs) > 1 for signs in _signs_by(finding, _way).values()) else WAY


def _way(choice: Choice) -> str:
    return choice.kind


def _signs_by(finding: Finding, part: Callable[[Choice], str]) -> dict[str, set[Sign | None]]:
    """The signs of the choices that share a fill, or a way."""
    found: dict[str, set[Sign | None]] = {}
    for one in finding.choices:
        found.setdefault(part(one), set()).add(sign_of(one))
    return found


def in_short(finding: Finding) -> Line:
    """Summarise a faithfulness finding beside a map: a reason, a mere picture, or what decides between the two."""
    stands = claim_status(finding)
    if (stands.kind, stands.sign) == ("holds", 1):
        return say(finding, "Better than its controls under every fill, for {group} verdicts.")
    if not sometimes_better(finding):
        best = Counter(one.control.name for one in finding.choices if one.control is not None)
        control = line(" (the best: {name})", name=best.most_common(1)[0][0]) if best else Line()
        template = (
            "Not shown to be better than its controls{control} under any fill, for {group} verdicts: a picture, not a "
            "reason."
        )
        return say(finding, template, control=control)
    what = hangs_on(finding)
    told: dict[str, list[Part]] = {"better": [], "worse": [], "no different": [], "mixed": []}
    for choice, signs in _signs_by(finding, partial(_fill, finding) if what == FILL else _way).items():
        told[_OF_SIGNS.get(frozenset(signs), "mixed")].append(choice)
    template = "{words} with {choices}" if what == FILL else "{words} by {choices}"
    sides = [line(template, words=words, choices=listed(given)) for words, given in told.items() if given]
    return say(
        finding,
        "For {group} verdicts, whether this map beats its controls depends on {what}: {sides}.",
        what=what,
        sides=joined(sides, ", "),
    )


def trusted(findings: Sequence[Finding]) -> Line:
    """Whether the explanations can be trusted, in one sentence from all findings; nothing where there is none."""
    mine = [one for one in findings if one.quantity == "faithfulness"]
    if not mine:
        return Line()
    good = _named(one for one in mine if (claim_status(one).kind, claim_status(one).sign) == ("holds", 1))
    rest = len(mine) - sum((claim_status(one).kind, claim_status(one).sign) == ("holds", 1) for one in mine)
    never = sum(not sometimes_better(one) for one in mine)
    hang = Counter(hangs_on(one) for one in mine if sometimes_better(one) and claim_status(one).kind != "holds")
    counted = [line("{n} {are} never better", n=never, are="is" if never == 1 else "are")] if never else []
    counted += [
        line("{n} {depend} on {what}", n=n, depend="depends" if n == 1 else "depend", what=what)
        for what, n in hang.items()
    ]
    on = listed(counted) if hang else Line()
    pictures = "treat maps as illustrations, not as reasons"
    if not good:
        no = "No method finds what the detector leans on better than every control under every fill"
        cases = line("of {all} cases, a method and a verdict each, {on}", all=len(mine), on=on) if on else on
        return line("{no}{cases}: {pictures}.", no=no, cases=_bracketed(cases), pictures=pictures)
    yes = line("Better than every control under every fill: {good}", good=listed(good))
    if not rest:
        return line("{yes}.", yes=yes)
    return line(
        "{yes}; {others} of {all} {are} not{on}: {pictures}.",
        yes=yes,
        others="the remaining one" if rest == 1 else line("the other {n}", n=rest),
        are="is" if rest == 1 else "are",
        all=len(mine),
        on=_bracketed(on),
        pictures=pictures,
    )


def _bracketed(one: Line) -> Line:
    return line(" ({one})", one=one) if one else one


def _named(findings: Iterable[Finding]) -> list[Line]:
    """Method and verdict of findings, both verdicts of one method as one."""
    return named((str(one.details["name"]), str(one.group)) for one in findings)


def named(pairs: Iterable[tuple[str, str]]) -> list[Line]:
    """ "LIME on FAKE and REAL verdicts" for each method of pairs of method and verdict."""
    found: dict[str, list[str]] = {}
    for name, group in pairs:
        found.setdefault(name, []).append(group)
    return [line("{name} on {groups} verdicts", name=name, groups=listed(groups)) for name, groups in found.items()]
