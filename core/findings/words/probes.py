"""The words of the study `probes`."""

from typing import Literal

from core.findings.finding import Choice, Finding, Measure
from core.findings.lines import Line, Part, joined, line, listed
from core.findings.numbers import percent, share
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


def _control(found: Finding | Choice) -> Line:
    if found.control is None:
        return line("There is no control of that size.")
    return line("The control, {name}, flips {share}.", name=found.control.name, share=share(found.control.measure))


def _change(title: str, strength: str) -> str:
    return f"“{title.lower()}” ({strength})"


def _smallest(finding: Finding) -> Words:
    verdict, about = str(finding.group), finding.details
    nothing = line("No change flips {verdict} verdicts more often than its control does.", verdict=verdict)
    if not finding.measure.known:
        return nothing, Line(), Line()
    what, flips = _change(about["title"], about["strength"]), share(finding.measure)
    if finding.control is None:
        return nothing, line("Without a control, {what} flips {flips}.", what=what, flips=flips), Line()
    answer = line(
        "For its size, {what} flips {verdict} verdicts most beyond its control: it changes pixels by {size} of 255 on "
        "average and flips {flips}.",
        what=what, verdict=verdict, size=f"{about['size']:.1f}", flips=flips,
    )  # fmt: skip
    aside = Line()
    if "smaller" in finding.beside:
        smaller = _change(about["smaller_title"], about["smaller_strength"])
        aside = line(
            "{what}, smaller and without a control, flips {flips}.",
            what=smaller,
            flips=share(finding.beside["smaller"]),
        ).capital()
    return answer, _control(finding), aside


def _detail_out(finding: Finding) -> Words:
    how = degree(finding)
    rest = {"no": "do not rest on fine detail", "no more": "rest on fine detail no more than on coarser detail"}
    answer = line(
        "{FAKE} verdicts {rest}: without waves shorter than {waves}, {share} of them become {REAL}.",
        rest=rest.get(how, f"{how} rest on fine detail"), waves=finding.details["waves"], share=share(finding.measure),
    )  # fmt: skip
    control = Line()
    if finding.control is not None:
        control = line("As much taken from coarser detail flips {share}.", share=share(finding.control.measure))
    return answer, control, Line()


def _swapped(finding: Finding) -> Words:
    verdict, lender = str(finding.group), finding.details["lender"]
    how, others = degree(finding), finding.beside["same"]
    makes = {
        "no": line("does not make {to} images {of}", to=verdict, of=lender),
        "no more": line("makes {to} images {of} no more than other detail does", to=verdict, of=lender),
    }.get(how) or line("{how} makes {to} images {of}", how=how, to=verdict, of=lender)
    answer = line(
        "The fine detail of {of} images {makes}: put in, their waves shorter than {waves} flip {share} of {to} "
        "verdicts.",
        of=lender, to=verdict, makes=makes, waves=finding.details["waves"], share=share(finding.measure),
    )  # fmt: skip
    if others.known:
        same = line(
            "{but} of other {to} images flip {share}, as",
            but="But those" if others.value > SOME else "Those", to=verdict, share=share(others),
        )  # fmt: skip
    else:
        same = line("No other {to} image was available to lend its own; as", to=verdict)
    control = line("{same} large a change of coarser detail {share}.", same=same, share=share(finding.beside["coarse"]))
    return answer, control, Line()


def _verdicts(finding: Finding) -> list[Choice]:
    return [choice for choice in finding.choices if choice.kind == "verdict"]


def _each(finding: Finding) -> Line:
    """The share of each verdict, with intervals."""
    return listed([line("{n} of {v}", n=share(one.measure), v=one.value) for one in _verdicts(finding)])


def _bare(finding: Finding, name: str) -> Line:
    """The share of each verdict that something beside flips, without intervals."""
    parts: list[Part] = [
        line("{n} of {v}", n=_value(finding.beside[f"{name}.{one.value}"]), v=one.value) for one in _verdicts(finding)
    ]
    return listed(parts)


def _value(measure: Measure) -> str:
    return percent(measure.value) if measure.known else "an unknown share"


def _finest_levels(finding: Finding) -> Words:
    how, about = degree(finding), finding.details
    answer = line(
        "Differences of 1 or 2 in value {answer}: {what} flips {each} verdicts.",
        answer="do not decide" if how in ("no", "no more") else f"{how} decide", what=about["what"],
        each=_each(finding),
    )  # fmt: skip
    control = line(
        "There is no control so small; {more} flips {each}.", more=about["more"], each=_bare(finding, "more")
    )
    return answer, control, Line()


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
    answer = line("Verdicts {rest}", rest=first)
    if rest:
        ((second, other),) = rest
        answer = line(
            "{one} verdicts {first}, {other} verdicts {second}", one=one_verdict, first=first, other=other,
            second=second,
        )  # fmt: skip
    answer = line("{answer}: shuffling blocks of 8 pixels flips {each}.", answer=answer, each=_each(finding))
    control = line(
        "The same seams without shuffling flip {seams}, a shift by half a block {moved}.",
        seams=_bare(finding, "seams"), moved=_bare(finding, "moved"),
    )  # fmt: skip
    return answer, control, Line()


def _colour(finding: Finding) -> Words:
    about, hue = finding.details, finding.beside["hue"]
    # what is denied is no more than what was compared with a control
    denied = degree(finding) in ("no", "no more")
    answer = line(
        "{topic} {decides}: {what} flips {share} of {verdict} verdicts.",
        topic="How much colour, and of what tint," if denied else "Colour", decides=decides(finding),
        what=about["what"], share=share(finding.measure), verdict=str(finding.group),
    )  # fmt: skip
    alone = not about["hue_controlled"]
    aside = line(
        "{may}pposite hues{without} flip {share} of {verdict} verdicts.",
        may="Unnatural colours may: o" if denied and alone and hue.low > FEW else "O",
        without=", which have no control," if alone else "", share=share(hue), verdict=about["hue_verdict"],
    )  # fmt: skip
    return answer, _control(finding), aside


def _place(finding: Finding) -> Words:
    answer = line(
        "One place {decides}: hiding {where} flips {share} of {verdict} verdicts.",
        decides=decides(finding), where=finding.details["where"], share=share(finding.measure),
        verdict=str(finding.group),
    )  # fmt: skip
    control = Line()
    if finding.control is not None:
        control = line("Hiding as much anywhere flips {share}.", share=share(finding.control.measure))
    return answer, control, Line()


def _compression(finding: Finding) -> Words:
    about = finding.details
    alike: dict[Degree, list[Choice]] = {}
    for one in _verdicts(finding):
        alike.setdefault(degree(one), []).append(one)
    said = []
    for how, those in alike.items():
        name = line("{names} verdicts", names=listed([one.value for one in those]))
        turns = {"no": line("does not flip {name}", name=name)}
        turns["no more"] = line("flips no more {name} than a control", name=name)
        shares = [line("{n} at {s}", n=share(one.measure), s=about["strengths"][one.value]) for one in those]
        flips = turns.get(how) or line("{how} flips {name}", how=how, name=name)
        said.append(line("{flips}, {shares}", flips=flips, shares=listed(shares)))
    beside = Line()
    if "jpeg_control" in finding.beside:
        beside = line(", as large a change of coarser detail {n}", n=_value(finding.beside["jpeg_control"]))
    aside = line(
        "JPEG again at quality 30 flips {share} of {verdict} verdicts{beside}.",
        share=share(finding.beside["jpeg"]), verdict=about["jpeg_verdict"], beside=beside,
    )  # fmt: skip
    return line("Blur {said}.", said=joined(said, ", and ")), _control(finding), aside


def _light(finding: Finding) -> Words:
    about, also = finding.details, "alone" in finding.beside
    # what is denied is no more than what was compared with a control
    little = also and degree(finding) in ("no", "no more")
    answer = line(
        "{topic} {decides}: {what} flips {share} of {verdict} verdicts.",
        topic="Light, changed a little," if little else "Light", decides=decides(finding), what=about["what"],
        share=share(finding.measure), verdict=str(finding.group),
    )  # fmt: skip
    aside = Line()
    if also:
        aside = line(
            "{what}, which has no control, flips {share} of {verdict} verdicts.",
            what=about["alone"], share=share(finding.beside["alone"]), verdict=about["alone_verdict"],
        ).capital()  # fmt: skip
    return answer, _control(finding), aside


def _geometry(finding: Finding) -> Words:
    answer = line(
        "How the picture lies {decides}: {what} flips {share} of {verdict} verdicts.",
        decides=decides(finding), what=finding.details["what"], share=share(finding.measure),
        verdict=str(finding.group),
    )  # fmt: skip
    return answer, _control(finding), line("Mirroring flips {each}.", each=_bare(finding, "mirrored"))


WORDS = {
    "detail_out": _detail_out, "detail_in": _swapped, "detail_back": _swapped, "finest_levels": _finest_levels,
    "shape_texture": _shape_texture, "colour": _colour, "place": _place, "compression": _compression,
    "light": _light, "geometry": _geometry,
}  # fmt: skip
