"""The words of the study `probes`."""

from typing import Literal

from core.findings.finding import Choice, Finding
from core.findings.lines import Line, joined, line, listed
from core.findings.words.say import say
from core.findings.words.told import Told

QUESTIONS = {
    "smallest_fake": "What flips FAKE verdicts most, for its size?",
    "smallest_real": "What flips REAL verdicts most, for its size?",
    "detail_out": "What must be taken out of a FAKE image to make it REAL?",
    "detail_in": "Does putting it into a REAL image make that FAKE?",
    "finest_levels": "Does it see differences of 1 or 2 in value?",
    "shape_texture": "Shape or texture?",
    "colour": "Does colour decide?",
    "detail_back": "Does a REAL image's detail make a FAKE one REAL?",
    "place": "Is there one place that decides?",
    "compression": "Do blur and compression hide it?",
    "light": "Does light decide?",
    "geometry": "Does orientation matter?",
}
# shares of verdicts: below the first a change hardly matters, above the last it decides
FEW, SOME, MOST = 0.05, 0.25, 0.5
Degree = Literal["no", "no more", "hardly", "seldom", "often", "mostly"]


def tell(finding: Finding) -> Told:
    """A finding of the probes in words."""
    if finding.key.startswith("smallest_"):
        answer, control, aside = _smallest(finding)
    else:
        answer, control, aside = WORDS[finding.key](finding)
    label = line(LABELS[finding.key]) if finding.key in LABELS else Line()
    return Told(answer, control, aside, question=QUESTIONS[finding.key], label=label)


LABELS = {
    "detail_out": "of {FAKE} verdicts become {REAL} without their fine detail",
    "detail_in": "of {REAL} verdicts become {FAKE} with the fine detail of a {FAKE}",
}
Words = tuple[Line, Line, Line]


def degree(found: Finding | Choice) -> Degree:
    """What a change decides, from the interval of the share that it flips beyond its control."""
    net = found.difference or found.measure
    if net.low <= 0 or net.high < FEW:
        # what flips hardly anything, and what flips much that its control flips too
        return "no" if net.high < FEW and found.measure.low < FEW else "no more"
    return "hardly" if net.low < FEW else "seldom" if net.low < SOME else "often" if net.low <= MOST else "mostly"


def decides(found: Finding) -> str:
    """The same as the verb of a sentence."""
    how = degree(found)
    if how == "no":
        return "does not decide"
    if found.control is None:
        return "may decide"
    return "decides no more than its control" if how == "no more" else f"{how} decides"


def _control(found: Finding) -> Line:
    return say(
        found, "The control, {control_name}, flips {control}." if found.control else "There is no control of that size."
    )


def _change(title: str, strength: str) -> str:
    return f"“{title.lower()}” ({strength})"


def _smallest(finding: Finding) -> Words:
    about = finding.details
    nothing = say(finding, "No change flips {group} verdicts more often than its control does.")
    if not finding.measure.known:
        return nothing, Line(), Line()
    what = _change(about["title"], about["strength"])
    if finding.control is None:
        return nothing, say(finding, "Without a control, {what} flips {measure}.", what=what), Line()
    answer = say(
        finding,
        "For its size, {what} flips {group} verdicts most beyond its control: it changes pixels by {grey} of 255 on "
        "average and flips {measure}.",
        what=what,
        grey=f"{about['size']:.1f}",
    )
    aside = Line()
    if "smaller" in finding.beside:
        less = _change(about["smaller_title"], about["smaller_strength"])
        aside = say(finding, "{less}, smaller and without a control, flips {smaller}.", less=less).capital()
    return answer, _control(finding), aside


def _detail_out(finding: Finding) -> Words:
    how = degree(finding)
    rest = {"no": "do not rest on fine detail", "no more": "rest on fine detail no more than on coarser detail"}
    answer = say(
        finding,
        "{FAKE} verdicts {rest}: without waves shorter than {waves}, {measure} of them become {REAL}.",
        rest=rest.get(how, f"{how} rest on fine detail"),
    )
    coarser = "As much taken from coarser detail flips {control}."
    return answer, say(finding, coarser) if finding.control else Line(), Line()


def _swapped(finding: Finding) -> Words:
    how, others = degree(finding), finding.beside["same"]
    makes = {
        "no": "does not make {group} images {lender}",
        "no more": "makes {group} images {lender} no more than other detail does",
    }.get(how, f"{how} makes {{group}} images {{lender}}")
    answer = say(
        finding,
        f"The fine detail of {{lender}} images {makes}: put in, their waves shorter than {{waves}} flip {{measure}} of "
        "{group} verdicts.",
    )
    same = "No other {group} image was available to lend its own; as"
    if others.known:
        same = "But those" if others.value > SOME else "Those"
        same += " of other {group} images flip {same}, as"
    return answer, say(finding, f"{same} large a change of coarser detail {{coarse}}."), Line()


def _verdicts(finding: Finding) -> list[Choice]:
    return [choice for choice in finding.choices if choice.kind == "verdict"]


def _each(finding: Finding, beside: str = "") -> Line:
    """The share of each verdict, or without its interval that of each that something beside flips."""
    form, found = "{found:percent} of {v}" if beside else "{found} of {v}", finding.beside
    return listed(
        [
            say(finding, form, found=found[f"{beside}.{one.value}"] if beside else one.measure, v=one.value)
            for one in _verdicts(finding)
        ]
    )


def _finest_levels(finding: Finding) -> Words:
    how = degree(finding)
    answer = say(
        finding,
        "Differences of 1 or 2 in value {decide}: {what} flips {each} verdicts.",
        decide="do not decide" if how in ("no", "no more") else f"{how} decide",
        each=_each(finding),
    )
    return (
        answer,
        say(finding, "There is no control so small; {more} flips {each}.", each=_each(finding, "more")),
        Line(),
    )


def _shape_texture(finding: Finding) -> Words:
    rests: dict[Degree, str] = {
        "no": "rest on texture", "no more": "flip about as often by the seams alone", "hardly": "hardly need shape",
        "seldom": "seldom need shape", "often": "often need shape as well", "mostly": "mostly need shape as well",
    }  # fmt: skip
    said: dict[str, str] = {}
    for one in _verdicts(finding):
        falls = finding.beside[f"moved.{one.value}"].low > one.measure.high + FEW
        said["hang more on where pixels fall than on shape" if falls else rests[degree(one)]] = one.value
    (first, one_verdict), *rest = said.items()
    template = "{one} verdicts {first}, {other} verdicts {second}" if rest else "Verdicts {first}"
    second, other = rest[0] if rest else ("", "")
    answer = line(template, one=one_verdict, first=first, other=other, second=second)
    answer = line("{answer}: shuffling blocks of 8 pixels flips {each}.", answer=answer, each=_each(finding))
    control = line(
        "The same seams without shuffling flip {seams}, a shift by half a block {moved}.",
        seams=_each(finding, "seams"),
        moved=_each(finding, "moved"),
    )
    return answer, control, Line()


def _denied(finding: Finding) -> bool:
    """What is denied is no more than what was compared with a control."""
    return degree(finding) in ("no", "no more")


def _decides(finding: Finding, topic: str, what: str = "{what}") -> Line:
    return say(
        finding,
        f"{{topic}} {{decides}}: {what} flips {{measure}} of {{group}} verdicts.",
        topic=topic,
        decides=decides(finding),
    )


def _colour(finding: Finding) -> Words:
    alone = not finding.details["hue_controlled"]
    aside = say(
        finding,
        "{may}pposite hues{without} flip {hue} of {hue_verdict} verdicts.",
        may="Unnatural colours may: o" if _denied(finding) and alone and finding.beside["hue"].low > FEW else "O",
        without=", which have no control," if alone else "",
    )
    topic = "How much colour, and of what tint," if _denied(finding) else "Colour"
    return _decides(finding, topic), _control(finding), aside


def _place(finding: Finding) -> Words:
    control = say(finding, "Hiding as much anywhere flips {control}.") if finding.control else Line()
    return _decides(finding, "One place", "hiding {where}"), control, Line()


def _compression(finding: Finding) -> Words:
    alike: dict[Degree, list[Choice]] = {}
    for one in _verdicts(finding):
        alike.setdefault(degree(one), []).append(one)
    said, strengths = [], finding.details["strengths"]
    for how, those in alike.items():
        name = line("{names} verdicts", names=listed([one.value for one in those]))
        flips = {"no": "does not flip {name}", "no more": "flips no more {name} than a control"}
        shares = [say(finding, "{m} at {s}", m=one.measure, s=strengths[one.value]) for one in those]
        template = flips.get(how, f"{how} flips {{name}}") + ", {shares}"
        said.append(line(template, name=name, shares=listed(shares)))
    beside = ", as large a change of coarser detail {jpeg_control:percent}" if "jpeg_control" in finding.beside else ""
    aside = say(finding, f"JPEG again at quality 30 flips {{jpeg}} of {{jpeg_verdict}} verdicts{beside}.")
    return line("Blur {said}.", said=joined(said, ", and ")), _control(finding), aside


def _light(finding: Finding) -> Words:
    also = "alone" in finding.beside
    aside = Line()
    if also:
        template = "{which}, which has no control, flips {alone} of {alone_verdict} verdicts."
        aside = say(finding, template, which=finding.details["alone"]).capital()
    topic = "Light, changed a little," if also and _denied(finding) else "Light"
    return _decides(finding, topic), _control(finding), aside


def _geometry(finding: Finding) -> Words:
    mirrored = line("Mirroring flips {each}.", each=_each(finding, "mirrored"))
    return _decides(finding, "How the picture lies"), _control(finding), mirrored


WORDS = {
    "detail_out": _detail_out, "detail_in": _swapped, "detail_back": _swapped, "finest_levels": _finest_levels,
    "shape_texture": _shape_texture, "colour": _colour, "place": _place, "compression": _compression,
    "light": _light, "geometry": _geometry,
}  # fmt: skip
