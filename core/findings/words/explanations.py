"""The words of the studies `agreement`, `stability`, `certainty`, `sanity` and `one_colour`."""

from collections.abc import Mapping, Sequence

from core.findings.claims import Sign, claim_status, sign_of
from core.findings.finding import Finding
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import percent, signed
from core.findings.words.faithfulness import named
from core.findings.words.say import say
from core.findings.words.told import Told

# rank correlations from which two maps look the same, and look related
SAME, RELATED = 0.9, 0.5
# so many are named one by one
FEW = 3


def agreement(finding: Finding) -> Told:
    """A finding of the study `agreement` in words."""
    if finding.quantity == "beyond_chance":
        answer = say(
            finding,
            "On {measure} of {group} verdicts the two agree better than 95% of other images' maps would ({n} images).",
        )
        label = say(finding, "of {group} verdicts the two agree on beyond chance (5%)")
        return Told(answer, line("Chance gives 5%."), label=label)
    first, second = finding.details["names"]
    how: Mapping[Sign, str] = {
        1: "{first} and {second} agree more than by chance",
        -1: "{first} and {second} agree less than by chance",
        0: "the agreement of {first} and {second} cannot be told from chance",
    }
    answer = say(
        finding,
        "On {group} verdicts {how}: those of one image correlate by {measure} ({images} images).",
        how=line(how[sign_of(finding) or 0], first=first, second=second),
        images=(finding.difference or finding.measure).n,
    )
    others = (
        "{first} correlates with {second} of other images of the same cell by {control:plain}, a difference of "
        "{difference}."
    )
    paired = finding.control is not None and finding.difference is not None
    control = say(finding, others, first=first, second=second) if paired else Line()
    return Told(answer, control, label=say(finding, "rank correlation of the two on {group} verdicts"))


def agreeing(findings: Sequence[Finding]) -> Line:
    """Whether the two explanations agree."""
    ranks = [one for one in findings if one.quantity == "rank_correlation" and one.measure.known]
    if not ranks:
        return line("Their agreement could not be measured.")
    beyond = [one for one in ranks if sign_of(one) == 1]
    numbers = listed([line("{n} on {v} verdicts", n=signed(one.measure.value), v=str(one.group)) for one in ranks])
    scale = "where 1 means the same ranking"
    below = listed([str(one.group) for one in ranks if sign_of(one) == -1])
    if not beyond and below:
        less = "They agree less than maps of different images do on {below} verdicts: {n}, {scale}."
        return line(less, below=below, n=numbers, scale=scale)
    if not beyond:
        no = "Their agreement cannot be told from that of maps of different images: {n}, {scale}."
        return line(no, n=numbers, scale=scale)
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
    if finding.quantity == "flip_rate":
        return Told(say(finding, "Noise of 1 in 255 flips {measure} of {group} verdicts."))
    tried = [say(finding, "{m} under {what}", m=one.measure, what=one.value) for one in finding.choices]
    template = "On {group} verdicts {name} correlates with itself by {tried} ({n} images)."
    others = "With that of other images of the same cell it correlates by {control:plain}."
    return Told(say(finding, template, tried=listed(tried)), say(finding, others) if finding.control else Line())


def repeated(findings: Sequence[Finding]) -> Line:
    """Summarise how far explanations change when they are recomputed, one sentence for each kind of repetition."""
    values: dict[str, dict[str, list[float]]] = {}
    for one in findings:
        for tried in one.choices:
            if tried.measure.known:
                ways = values.setdefault(tried.value, {})
                ways.setdefault(str(one.details["name"]), []).append(tried.measure.value)
    said = joined([_changing(way, methods) for way, methods in values.items()])
    if not values:
        return Line()
    verdicts = listed(list(dict.fromkeys(str(one.group) for one in findings if one.choices)))
    return line("{said} ({verdicts} verdicts; 1 means identical.)", said=said, verdicts=verdicts)


def _changing(way: str, methods: Mapping[str, Sequence[float]]) -> Line:
    """Which maps change when they are made again in one way, by how much, and that the rest does not."""
    changed: dict[str, list[Line]] = {"change a lot": [], "change in part": []}
    for name, those in methods.items():
        if min(those) < SAME:
            degree = "change in part" if min(those) >= RELATED else "change a lot"
            changed[degree].append(line("{name} ({n})", name=name, n=listed([signed(value) for value in those])))
    parts = [line("the maps of {names} {degree}", names=listed(names), degree=degree)
             for degree, names in changed.items() if names]  # fmt: skip
    if not parts:
        return line("Under {way} no map changes appreciably.", way=way)
    many = sum(map(len, changed.values()))
    rest = "; the others hardly change" if many < len(methods) else ""
    return line("Under {way} {parts}{rest}.", way=way, parts=joined(parts, ", "), rest=rest)


def certainty(finding: Finding) -> Told:
    """A finding of the study `certainty` in words."""
    if finding.quantity == "held_signs":
        answer = say(
            finding,
            "Of the signs that {name} calls certain on {group} verdicts with {fill}, {measure} are certain and the "
            "same under every fill ({n} images).",
        )
        return Told(answer, say(finding, "As many further draws with the same fill confirm {control}."))
    each = [say(finding, "{m} ({fill})", m=one.measure, fill=one.value) for one in finding.choices]
    answer = say(
        finding,
        "Of the signs that {name} calls certain on {group} verdicts with {fill} and with another fill, that other "
        "reverses {each}.",
        each=listed(each),
    )
    return Told(answer, say(finding, "Another draw of the samples reverses {control}."))


def certain(findings: Sequence[Finding]) -> Line:
    """How far what is called certain holds under other fills."""
    each = [
        line("{n} by {name} on {group} verdicts", n=percent(one.measure.value, 0), name=one.details["name"],
             group=str(one.group))
        for one in findings
        if one.quantity == "held_signs" and one.measure.known
    ]  # fmt: skip
    if not each:
        return line("How many certain signs every fill confirms has yet to be compared with further draws of samples.")
    return line("Of the signs that are called certain under one fill, these hold under all: {each}.", each=listed(each))


def sanity(finding: Finding) -> Told:
    """A finding of the study `sanity` in words."""
    side = sign_of(finding) or 0
    kept = side == 1
    answer = say(
        finding,
        "{part} of {name} on {group} verdicts {comes} from the picture alone: with all weights random, its correlation "
        "with the original is {measure}, sign ignored ({n} images).",
        part="Part" if kept else "No part",
        comes="comes" if kept else "is shown to come",
    )
    more = "That {more} {control_name}: {control}, a difference of {difference}."
    paired = finding.control is not None and finding.difference is not None
    than = {1: "is more than", 0: "cannot be told from", -1: "is less than"}
    control = say(finding, more, more=than[side]) if paired else Line()
    aside = "With only the classifier random it is {classifier}; between map and edges, {edges:plain}."
    return Told(answer, control, say(finding, aside))


def dependent(findings: Sequence[Finding]) -> Line:
    """Whether explanations depend on the weights; without any interval nothing can be said."""
    findings = [one for one in findings if (one.difference or one.measure).has_interval]
    if not findings:
        return line("Too few images were measured to say.")
    kept = named((str(one.details["name"]), str(one.group)) for one in findings if sign_of(one) == 1)
    lost = named((str(one.details["name"]), str(one.group)) for one in findings if sign_of(one) != 1)
    if not kept:
        names = list(dict.fromkeys(str(one.details["name"]) for one in findings))
        return line(
            "Yes, as far as can be seen: once the weights are random, no map is significantly closer to its original "
            "than another image's map is ({names}).",
            names=listed(names),
        )
    also = Line()
    if lost:
        depend = "depends" if len(lost) == 1 else "depend"
        others = listed(lost) if len(lost) <= FEW else line("The others")
        also = line(" {lost} {depend} on the weights as far as can be seen.", lost=others, depend=depend)
    return line(
        "Only in part for {kept}: with random weights its map still resembles the original more than another image's "
        "map does, so that part comes from the picture alone.{also}",
        kept=listed(kept), also=also,
    )  # fmt: skip


def one_colour(finding: Finding) -> Told:
    """A finding of the study `one_colour` in words."""
    if "few" in finding.beside:
        answer = say(
            finding,
            "Under the paper's settings {name} shows one colour on {measure} of {group} verdicts and is all against "
            "the verdict on {against:percent} ({n} images).",
        )
        label = say(finding, "of {group} verdicts give one colour under the paper's settings")
        return Told(answer, aside=say(finding, "It finds one segment or two on {few:percent}."), label=label)
    answer = say(
        finding,
        "Under our settings {name} shows one colour or none on {measure} of {group} verdicts and is all against the "
        "verdict on {against:percent} ({n} images).",
    )
    control = say(finding, "Under {control_name} it is {control}.") if finding.control else Line()
    return Told(answer, control, label=say(finding, "of {group} verdicts give one colour or none under ours"))


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


def cured(findings: Sequence[Finding]) -> Line:
    """Whether our settings certainly show one colour less often than the paper's, for every verdict."""
    compared = [one for one in findings if one.control is not None]
    # where the paper's settings never show one colour, there is nothing to cure
    both = [(one, one.control.measure.value) for one in compared if one.control and one.control.measure.value]
    if compared and not both:
        return Line()
    ours = [claim_status(one) for one, _ in both]
    if ours and all((one.kind, one.sign) == ("holds", -1) for one in ours):
        groups = {one.group for one, _ in both}
        papers = [one.beside["few"].value for one in findings if "few" in one.beside and one.group in groups]
        few = all(share > 0.5 for share in papers)
        if not few or any(one.measure.value > paper / 2 for one, paper in both):
            return line("Our settings show one colour less often.")
        why = "the paper's leave a segment or two, and one segment has one colour"
        return line("Most of it is the settings: {why}.", why=why)
    return line("That finer segments alone cure it is not shown for every verdict here.")
