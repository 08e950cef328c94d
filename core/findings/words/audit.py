"""The words of the study `audit`."""

from collections.abc import Sequence

from core.findings.claims import sign_of
from core.findings.finding import Finding, Measure
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import bare, percent, signed
from core.findings.words.say import say
from core.findings.words.told import Told
from core.perturbations.probe import inline

# lower end of an AUROC's interval from which each phrase applies; of ten facts, one may reach 0.53 by chance
HOW_WELL = ((0.7, "well"), (0.6, "to some degree"), (0.53, "a little"), (0.0, "hardly"))
HINT = 0.53
# the same of a rank correlation within a class
HOW_MUCH = ((0.2, "its margin follows this"), (0.05, "its margin follows this a little"))
LEAK = "Copies of training images"
BASELINES = {"spectrum": "the 16 numbers of the radial power spectrum", "facts": "the eight image statistics together"}
# share of verdicts flipped beyond a control, above which they are said to rest on a fact
FORCED = 0.25
COPIES = {
    "training.file": "repeat an earlier one byte for byte",
    "training.pixels": "repeat the very pixels of an earlier one",
    "training.near": "are near copies of another",
}
# the same of one image
ONE_COPY = {
    "training.file": "repeats an earlier one byte for byte",
    "training.pixels": "repeats the very pixels of an earlier one",
    "training.near": "is a near copy of another",
}


def tell(finding: Finding) -> Told:
    """A finding of an audit in words."""
    kind, _, name = finding.key.partition(".")
    if kind == "fact":
        return _fact(finding)
    if kind == "leak":
        return _leak(finding)
    if kind == "grey":
        return _grey(finding)
    if kind == "lean":
        return _lean(finding)
    if kind == "baseline":
        return _baseline(finding, name)
    if kind == "forced":
        return Told(_forced_verdict(finding))
    return _ring(finding) if kind == "ring" else _copies(finding)


def how_well(measure: Measure) -> str:
    """How well a cue tells the classes apart, by the low end of its AUROC: "well", ..., "hardly"."""
    return next(words for least, words in HOW_WELL if measure.low >= least)


def ranked(finding: Finding) -> Measure | None:
    """Return the AUROC of ranking images by a fact; None if it is not a number."""
    choice = next((one for one in finding.choices if one.value == "rank"), None)
    return None if choice is None else choice.measure


def tells(finding: Finding, verb: str, what: Line) -> Line:
    """ "tells REAL from FAKE well", ..., "hardly tells REAL from FAKE", by both rules where they differ."""
    how, rank = how_well(finding.measure), ranked(finding)
    if rank is not None and how_well(rank) != how:
        return line("{verb} {what} {how} by a fitted rule, {by_rank} by rank", verb=verb, what=what, how=how,
                    by_rank=how_well(rank))  # fmt: skip
    template = "hardly {verb} {what}" if how == "hardly" else "{verb} {what} {how}"
    return line(template, verb=verb, what=what, how=how)


def _fact(finding: Finding) -> Told:
    about = finding.details
    if about.get("one_value"):
        return Told(say(finding, "{title} tells nothing: all {n} images have the same."))
    rank = ranked(finding)
    answer = say(
        finding,
        "{title} alone {tells}: of 100 pairs of one image of each class {it} picks the {REAL} one in "
        "{measure:pairs}{by_rank}.",
        tells=tells(finding, "tells", line("{REAL} from {FAKE}")),
        it="it" if rank is None else say(finding, "a rule of {bins} fitted bins"),
        by_rank="" if rank is None else say(finding, ", ranking by it in {rank:pairs}", rank=rank),
    )
    control = say(finding, "With {control_name} it is {control:of 100}.") if finding.control else Line()
    return Told(answer, control, _medians(finding) if "medians" in about and finding.measure.low >= HINT else Line())


def _grey(finding: Finding) -> Told:
    answer = say(
        finding,
        "{measure:share} of {group} images are grey all over or nearly ({level} and more), {times:amount.1} times as "
        "many as of {control_name} ({control:percent}).",
    )
    other = "REAL" if finding.group == "FAKE" else "FAKE"
    against = line(
        "All in all {other} images are greyer, so a ranking cannot use this and a fitted rule can.", other=other
    )
    return Told(answer, aside=against if finding.details["against"] else Line())


def _medians(finding: Finding) -> Line:
    about = finding.details
    if about["higher"] is None:
        return line("Neither class has more of it, but its spread differs.")
    real, fake = (f"{_number(about['medians'][side])}{about['unit']}" for side in ("REAL", "FAKE"))
    which = about["more"] if about["higher"] == "REAL" else about["less"]
    return line("{REAL} images are {which} (median {real} against {fake}).", which=which, real=real, fake=fake)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _leak(finding: Finding) -> Told:
    if not finding.details["count"]:
        none = "{leak} tell nothing: none of {n} images has a copy or near copy among the training images."
        return Told(say(finding, none, leak=LEAK))
    alone = finding.details["count"] == 1
    several = "{count} of {n} images have a copy or near copy there, {other_class} of them of the other class"
    whose = "the other" if finding.details["other_class"] else "its own"
    one = "1 of {n} images has a copy or near copy there, of {whose} class"
    answer = say(
        finding,
        "{leak} alone {tells}: {counted}.",
        leak=LEAK,
        tells=tells(finding, "tell", line("{REAL} from {FAKE}")),
        counted=say(finding, one if alone else several, whose=whose),
    )
    who = "Remembering {those} and guessing the rest picks the {REAL} one in {measure:pairs} of 100 pairs."
    return Told(answer, aside=say(finding, who, those="that one" if alone else "those"))


def _baseline(finding: Finding, name: str) -> Told:
    fitted = finding.details["fitted"]
    answer = say(
        finding,
        "A logistic regression on {what} ({how}) is right on {accuracy:share} and has AUROC {measure}.",
        what=BASELINES[name],
        how=say(finding, "fitted on {fitted} training images" if fitted else "cross-validated on this set"),
    )
    shuffled = "With shuffled labels its AUROC is {control:plain}."
    network = "The network is right on {network_accuracy:share} and has AUROC {network}."
    return Told(answer, say(finding, shuffled) if finding.control else Line(), say(finding, network))


def _lean(finding: Finding) -> Told:
    alike = finding.details.get("alike")
    among = "images that have no copy among the training images" if alike is None else f"images alike in {alike}"
    if not finding.measure.known:
        few = "There are too few {among} in both classes to say whether the detector uses anything else."
        return Told(line(few, among=among))
    template = "Among {among} the detector picks the {REAL} one in {measure:pairs} of 100 pairs."
    so = ", so part of its accuracy goes with that" if sign_of(finding) == -1 else ""
    over = say(finding, "Over all images it is {control:pairs}{so}.", so=so) if finding.control else Line()
    return Told(say(finding, template, among=among), over, _margin(finding))


def _margin(finding: Finding) -> Line:
    """How the margin goes with a fact within a class."""
    lean = finding.beside.get("lean")
    if lean is None:
        return Line()
    words = next((words for least, words in HOW_MUCH if lean.low >= least), "its margin does not follow this")
    if lean.low < HOW_MUCH[1][0]:
        if lean.low > 0:
            words = "its margin hardly follows this"
        elif lean.high < 0:
            words = "its margin goes a little against this"
    if lean.high <= -HOW_MUCH[1][0]:
        words = "its margin goes against this"
    ends = f"{signed(lean.low)} to {signed(lean.high)}"
    value = bare(signed(lean.value))
    template = "Within a class {words} (rank correlation {value}, 95% interval {ends})."
    return line(template, words=words, value=value, ends=ends)


def _ring(finding: Finding) -> Told:
    one = finding.measure
    more = one.value > 0.5
    answer = say(
        finding,
        "Of the {rings} rings of the power spectrum the one at {ring} cycles per 32 pixels differs most: {REAL} images "
        "have {more} power there in {folded:pairs} of 100 pairs of one image of each class.",
        more="more" if more else "less",
        folded=one if more else type(one)(1 - one.value, 1 - one.high, 1 - one.low, one.n),
    )
    return Told(answer)


def _copies(finding: Finding) -> Told:
    count = finding.details["count"]
    clash = "; {other_class} are in groups of both classes" if count else ""
    words = (ONE_COPY if count == 1 else COPIES)[finding.key]
    template = f"{{count}} of {{n}} training images {words}{clash}."
    return Told(say(finding, template, count=count or "None"))


def verdict(cue: Finding, lean: Finding, changed: Sequence[Finding] = ()) -> Line:
    """Summarise how well a cue separates the classes, and whether it explains the accuracy and decides verdicts.

    Args:
        cue, lean: findings of the audit on one cue.
        changed: what changing it does to verdicts.
    """
    if not lean.measure.known:
        need = "whether it explains the detector's accuracy cannot be said"
    elif sign_of(lean) == -1:
        need = "part of the detector's accuracy goes with it"
    else:
        need = "it is not shown to explain the detector's accuracy"
    resting = [one for one in changed if _rests(one)]
    flips = [say(one, "{measure:percent} of {group} verdicts") for one in resting]
    yet = line(", yet changing it flips {each}", each=listed(flips)) if flips else Line()
    return line("{tells}; {need}{yet}.", tells=tells(cue, "tells", line("the classes apart")), need=need, yet=yet)


def overall(findings: Sequence[Finding]) -> Line:
    """What an audit comes to: whether what tells the classes apart explains the accuracy, and what tells most."""
    cues = [one for one in findings if one.quantity == "cue_auroc" and not one.key.startswith("baseline.")]
    facts = any(one.key.startswith("fact.") for one in cues)
    if not facts and (not cues or cues[0].measure.low < HINT):
        return line("There are too few images of each class to test a cue.")
    if cues[0].measure.low < HINT:
        return line("Nothing that was looked at tells {REAL} from {FAKE} by itself.")
    worst, rank = cues[0], ranked(cues[0])
    key = "leak" if worst.key == "leak" else worst.key.removeprefix("fact.")
    lean = next(one for one in findings if one.key == f"lean.{key}")
    text = say(
        lean,
        "{what} alone {picks} the {REAL} image in {alone} of 100 pairs{rule}, the detector in {control:of 100}",
        what=worst.details.get("title", LEAK),
        picks="pick" if key == "leak" else "picks",
        alone=f"{100 * worst.measure.value:.0f}",
        rule="" if rank is None else f" by a fitted rule ({100 * rank.value:.0f} by rank)",
    )
    if not lean.measure.known:
        return line("{text}.", text=text)
    still = "only" if sign_of(lean) == -1 else "still"
    where = "without a copy" if key == "leak" else "matched on it"
    most = say(
        lean, "{text}, and {still} in {measure:of 100} among images {where}.", text=text, still=still, where=where
    )
    return joined([_explained(findings, cues), most])


def _explained(findings: Sequence[Finding], cues: Sequence[Finding]) -> Line:
    """Whether any of the cues that tell the classes apart explains the detector's accuracy."""
    telling = {one.key.removeprefix("fact.") for one in cues if one.measure.low >= HINT}
    leans = [one for one in findings if one.key.removeprefix("lean.") in telling and one.key.startswith("lean.")]
    part = [str(one.details.get("alike", LEAK.lower())) for one in leans if sign_of(one) == -1]
    if part:
        return line("Part of the detector's accuracy goes with {cues}.", cues=listed(part))
    return line("None of the simple cues tested is shown to explain the detector's accuracy.")


def forced(findings: Sequence[Finding]) -> Line:
    """What changing a fact does, nothing where no experiment changes it."""
    if not findings:
        return Line()
    return line("Changing it flips {each}.", each=listed([_forced_verdict(one) for one in findings]))


def _rests(finding: Finding) -> bool:
    """Whether changing a fact flips significantly over a quarter of verdicts beyond a control."""
    return (finding.details["certain"] or 0) > FORCED


def _forced_verdict(finding: Finding) -> Line:
    control = ", which has no control"
    if finding.control is not None:
        control = f"; the control, {finding.control.name}, {percent(finding.control.measure.value)}"
    template = "{measure:share.1} of {group} verdicts ({lower}, {strength}{control})"
    return say(finding, template, lower=inline(finding.details["title"]), control=control)
