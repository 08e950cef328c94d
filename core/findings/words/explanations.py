"""The words of the studies `agreement`, `stability`, `sanity` and `one_colour`."""

from collections.abc import Sequence

from core.findings.claims import sign_of, standing
from core.findings.finding import Finding, Measure
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import amount, percent, share, signed
from core.findings.words.faithfulness import named
from core.findings.words.told import Told

# a rank correlation from here on is the same picture to the eye, and from the second on a related one
SAME, RELATED = 0.9, 0.5


def agreement(finding: Finding) -> Told:
    """A finding of the study `agreement` in words."""
    verdict, (first, second) = str(finding.group), finding.details["names"]
    if finding.quantity == "beyond_chance":
        answer = line(
            "On {share} of {verdict} verdicts the two agree better than 95% of other images' maps would ({n} images).",
            share=share(finding.measure), verdict=verdict, n=finding.measure.n,
        )  # fmt: skip
        label = line("of {verdict} verdicts the two agree on beyond chance", verdict=verdict)
        return Told(answer, line("Chance gives 5%."), label=label)
    how = {1: "more than", -1: "less than"}.get(sign_of(finding) or 0, "no more than")
    answer = line(
        "On {verdict} verdicts {first} and {second} agree {how} by chance: those of one image correlate by {own} ({n} "
        "images).",
        verdict=verdict, first=first, second=second, how=how, own=amount(finding.measure),
        n=(finding.difference or finding.measure).n,
    )  # fmt: skip
    control = Line()
    if finding.control is not None and finding.difference is not None:
        control = line(
            "{first} correlates with {second} of other images of the same cell by {other}, a difference of {more}.",
            first=first, second=second, other=_alone(finding.control.measure), more=amount(finding.difference),
        )  # fmt: skip
    return Told(answer, control)


def _alone(measure: Measure) -> str:
    return signed(measure.value) if measure.known else "an unknown amount"


def agreeing(findings: Sequence[Finding]) -> Line:
    """Whether the two explanations agree."""
    ranks = [one for one in findings if one.quantity == "rank_correlation"]
    beyond = [one for one in ranks if sign_of(one) == 1]
    numbers = listed([line("{n} on {v} verdicts", n=signed(one.measure.value), v=str(one.group)) for one in ranks])
    scale = "where 1 is the same order of places"
    if not beyond:
        return line("They agree no more than maps of different images do: {n}, {scale}.", n=numbers, scale=scale)
    where = Line()
    if len(beyond) < len(ranks):
        where = line(" on {groups} verdicts only", groups=listed([str(one.group) for one in beyond]))
    values = [one.measure.value for one in ranks]
    degree = (
        "and nearly fully" if min(values) >= SAME else "but far from fully" if max(values) < RELATED else "and in part"
    )
    return line(
        "They agree more than by chance{where}, {degree}: {n}, {scale}.", where=where, degree=degree, n=numbers,
        scale=scale,
    )  # fmt: skip


def stability(finding: Finding) -> Told:
    """A finding of the study `stability` in words."""
    verdict = str(finding.group)
    if finding.quantity == "flip_rate":
        return Told(
            line("That noise flips {share} of {verdict} verdicts.", share=share(finding.measure), verdict=verdict)
        )
    tried = [line("{n} under {what}", n=amount(one.measure), what=one.value) for one in finding.choices]
    answer = line(
        "On {verdict} verdicts {name} correlates with itself by {tried} ({n} images).",
        verdict=verdict, name=finding.details["name"], tried=listed(tried), n=finding.measure.n,
    )  # fmt: skip
    control = Line()
    if finding.control is not None:
        control = line(
            "With that of other images of the same cell it correlates by {n}.", n=_alone(finding.control.measure)
        )
    return Told(answer, control)


def repeated(findings: Sequence[Finding]) -> Line:
    """Whether explanations stay as they are when they are made again."""
    values: dict[str, list[float]] = {}
    groups: list[str] = []
    for one in findings:
        for tried in one.choices:
            if tried.measure.known:
                values.setdefault(f"{one.details['name']} under {tried.value}", []).append(tried.measure.value)
                groups.append(str(one.group))
    degrees: dict[str, list[Line]] = {"stays as it was": [], "changes in part": [], "changes a lot": []}
    for name, those in values.items():
        least = min(those)
        degree = "stays as it was" if least >= SAME else "changes in part" if least >= RELATED else "changes a lot"
        degrees[degree].append(line("{name} ({n})", name=name, n=listed([signed(value) for value in those])))
    parts = [
        line("{degree}: {names}", degree=degree, names=listed(names)).capital()
        for degree, names in degrees.items()
        if names
    ]
    return line(
        "{parts}, for {groups} verdicts; 1 is the very same.",
        parts=joined(parts, ". "), groups=listed(list(dict.fromkeys(groups))),
    )  # fmt: skip


def sanity(finding: Finding) -> Told:
    """A finding of the study `sanity` in words."""
    kept = sign_of(finding) == 1
    answer = line(
        "{part} of {name} on {verdict} verdicts {comes} from the picture alone: once everything is random it "
        "correlates with what it was by {last} ({n} images, whatever the sign).",
        part="Part" if kept else "No part", name=finding.details["name"], verdict=str(finding.group),
        comes="comes" if kept else "is shown to come", last=amount(finding.measure), n=finding.measure.n,
    )  # fmt: skip
    control = Line()
    if finding.control is not None and finding.difference is not None:
        control = line(
            "That is {more} than {name}: {other}, a difference of {difference}.",
            more="more" if kept else "no more", name=finding.control.name, other=amount(finding.control.measure),
            difference=amount(finding.difference),
        )  # fmt: skip
    aside = line(
        "Once the classifier alone is random it is {first}; with edges {edges}.",
        first=amount(finding.beside["classifier"]), edges=_alone(finding.beside["edges"]),
    )  # fmt: skip
    return Told(answer, control, aside)


def dependent(findings: Sequence[Finding]) -> Line:
    """Whether explanations depend on the weights."""
    kept = named((str(one.details["name"]), str(one.group)) for one in findings if sign_of(one) == 1)
    lost = named((str(one.details["name"]), str(one.group)) for one in findings if sign_of(one) != 1)
    if not kept:
        names = list(dict.fromkeys(str(one.details["name"]) for one in findings))
        return line(
            "Yes, as far as can be seen: with random weights no more is left of a map than another image's by the same "
            "random detector has of it, for {names} alike.",
            names=listed(names),
        )
    also = Line()
    if lost:
        depend = "depends" if len(lost) == 1 else "depend"
        also = line(" {lost} {depend} on it as far as can be seen.", lost=listed(lost), depend=depend)
    return line(
        "Only in part for {kept}: with random weights more of the map is left than another image's by the same random "
        "detector has of it, so that part comes from the picture alone.{also}",
        kept=listed(kept), also=also,
    )  # fmt: skip


def one_colour(finding: Finding) -> Told:
    """A finding of the study `one_colour` in words."""
    verdict, against = str(finding.group), percent(finding.beside["against"].value)
    name = finding.details["name"]
    if "few" in finding.beside:
        answer = line(
            "Under the paper's settings {name} shows one colour on {share} of {verdict} verdicts and is all against "
            "the verdict on {against} ({n} images).",
            name=name, share=share(finding.measure), verdict=verdict, against=against, n=finding.measure.n,
        )  # fmt: skip
        aside = line("It finds one segment or two on {few}.", few=percent(finding.beside["few"].value))
        label = line("of {verdict} verdicts come out in one colour, cut the paper's way", verdict=verdict)
        return Told(answer, aside=aside, label=label)
    answer = line(
        "Under our settings {name} shows one colour or none on {share} of {verdict} verdicts and is all against the "
        "verdict on {against} ({n} images).",
        name=name, share=share(finding.measure), verdict=verdict, against=against, n=finding.measure.n,
    )  # fmt: skip
    control = Line()
    if finding.control is not None:
        control = line("Under {name} it is {share}.", name=finding.control.name, share=share(finding.control.measure))
    return Told(answer, control, label=line("of {verdict} verdicts do, cut our way", verdict=verdict))


def one_coloured(findings: Sequence[Finding]) -> Line:
    """How often LIME shows one colour."""
    settings = {
        True: "Paper's settings: one colour on {each}.",
        False: "Our settings, undecided segments left grey: one colour or none on {each}.",
    }
    parts = []
    for papers, template in settings.items():
        each = [
            line("{n} of {verdict} verdicts", n=percent(one.measure.value, 0), verdict=str(one.group))
            for one in findings
            if ("few" in one.beside) == papers
        ]
        parts.append(line(template, each=listed(each)))
    return joined(parts)


def cured(findings: Sequence[Finding]) -> bool:
    """Whether our settings certainly show one colour less often than the paper's, for every verdict."""
    ours = [standing(one) for one in findings if one.control is not None]
    return bool(ours) and all((one.kind, one.sign) == ("claimed", -1) for one in ours)
