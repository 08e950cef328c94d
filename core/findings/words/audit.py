"""The words of the study `audit`."""

from collections.abc import Sequence

from core.findings.claims import sign_of
from core.findings.finding import Finding
from core.findings.lines import Line, line, listed
from core.findings.numbers import amount, bare, pairs, percent, share, signed
from core.findings.words.told import Told

# how far the low end of an AUROC must be for these words; below the last, ten facts at 95 % may come by chance
HOW_WELL = ((0.7, "well"), (0.6, "to some degree"), (0.53, "a little"), (0.0, "hardly"))
HINT = 0.53
# the same of a rank correlation within a class
HOW_MUCH = ((0.2, "its margin goes with this"), (0.05, "its margin goes with this a little"))
LEAK = "Copies of training images"
BASELINES = {"spectrum": "the 16 numbers of the radial power spectrum", "facts": "the eight image statistics together"}
# of the verdicts: as many are said to rest on a fact
FORCED = 0.25
COPIES = {
    "training.file": "repeat an earlier one byte for byte",
    "training.pixels": "repeat the very pixels of an earlier one",
    "training.near": "are near copies of another",
}


def tell(finding: Finding) -> Told:
    """A finding of an audit in words."""
    kind, _, name = finding.key.partition(".")
    if kind == "fact":
        return _fact(finding)
    if kind == "leak":
        return _leak(finding)
    if kind == "lean":
        return _lean(finding)
    if kind == "baseline":
        return _baseline(finding, name)
    if kind == "forced":
        return Told(_forced_verdict(finding))
    return _ring(finding) if kind == "ring" else _copies(finding)


def how_well(finding: Finding) -> str:
    """How well a cue tells the classes apart, by the low end of its AUROC: "well", ..., "hardly"."""
    return next(words for least, words in HOW_WELL if finding.measure.low >= least)


def tells(finding: Finding, verb: str, what: Line) -> Line:
    """ "tells REAL from FAKE well", ..., "hardly tells REAL from FAKE"."""
    how = how_well(finding)
    template = "hardly {verb} {what}" if how == "hardly" else "{verb} {what} {how}"
    return line(template, verb=verb, what=what, how=how)


def _from() -> Line:
    return line("{REAL} from {FAKE}")


def _fact(finding: Finding) -> Told:
    about = finding.details
    if about.get("one_value"):
        return Told(
            line("{title} tells nothing: all {n} images have the same.", title=about["title"], n=finding.measure.n)
        )
    answer = line(
        "{title} alone {tells}: of 100 pairs of one image of each class it picks the {REAL} one in {pairs}.",
        title=about["title"], tells=tells(finding, "tells", _from()), pairs=pairs(finding.measure),
    )  # fmt: skip
    aside = _difference(finding) if "medians" in about and finding.measure.low >= HINT else Line()
    return Told(answer, _shuffled(finding), aside)


def _shuffled(finding: Finding) -> Line:
    if finding.control is None:
        return Line()
    value = f"{100 * finding.control.measure.value:.1f}"
    return line("With {name} it is {value}.", name=finding.control.name, value=value)


def _difference(finding: Finding) -> Line:
    about = finding.details
    if about["higher"] is None:
        return line("Neither class has more of it, but its spread differs.")
    medians = [f"{_number(about['medians'][side])}{about['unit']}" for side in ("REAL", "FAKE")]
    return line(
        "{REAL} images are {which} (median {first} against {second}).",
        which=about["more"] if about["higher"] == "REAL" else about["less"], first=medians[0], second=medians[1],
    )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _leak(finding: Finding) -> Told:
    count, images = finding.details["count"], finding.measure.n
    if not count:
        return Told(
            line(
                "{leak} tell nothing: none of {n} images has a copy or near copy among the training images.",
                leak=LEAK, n=images,
            )
        )  # fmt: skip
    answer = line(
        "{leak} alone {tells}: {count} of {n} images have a copy or near copy there, {other} of "
        "them of the other class.",
        leak=LEAK, tells=tells(finding, "tell", _from()), count=count, n=images, other=finding.details["other_class"],
    )  # fmt: skip
    aside = line(
        "Whoever remembers those and guesses all others picks the {REAL} one of 100 pairs in {pairs}.",
        pairs=pairs(finding.measure),
    )
    return Told(answer, aside=aside)


def _baseline(finding: Finding, name: str) -> Told:
    fitted = finding.details["fitted"]
    how = line("fitted on {n} training images", n=fitted) if fitted else line("cross-validated on this set")
    answer = line(
        "A logistic regression on {what} ({how}) is right on {accuracy} and has AUROC {auroc}.",
        what=BASELINES[name], how=how, accuracy=share(finding.beside["accuracy"]), auroc=amount(finding.measure, 3),
    )  # fmt: skip
    control = Line()
    if finding.control is not None:
        control = line("With shuffled labels its AUROC is {value}.", value=f"{finding.control.measure.value:.2f}")
    aside = line(
        "The network is right on {accuracy} and has AUROC {auroc}.",
        accuracy=share(finding.beside["network_accuracy"]), auroc=amount(finding.beside["network"], 3),
    )  # fmt: skip
    return Told(answer, control, aside)


def _among(finding: Finding) -> str:
    if finding.key == "lean.leak":
        return "images that have no copy among the training images"
    return f"images alike in {finding.details['alike']}"


def _lean(finding: Finding) -> Told:
    among = _among(finding)
    if not finding.measure.known:
        return Told(
            line(
                "There are too few {among} in both classes to say whether the detector uses anything else.", among=among
            )
        )
    answer = line(
        "Among {among} the detector picks the {REAL} one of 100 pairs in {pairs}.",
        among=among, pairs=pairs(finding.measure),
    )  # fmt: skip
    control = Line()
    if finding.control is not None:
        so = ", so part of what it can do goes with that" if sign_of(finding) == -1 else ""
        control = line("Over all images it is {pairs}{so}.", pairs=pairs(finding.control.measure), so=so)
    return Told(answer, control, _margin(finding))


def _margin(finding: Finding) -> Line:
    """How the margin goes with a fact within a class."""
    lean = finding.beside.get("lean")
    if lean is None:
        return Line()
    words = next((words for least, words in HOW_MUCH if lean.low >= least), "its margin does not go with this")
    if lean.low < HOW_MUCH[1][0]:
        if lean.low > 0:
            words = "its margin hardly goes with this"
        elif lean.high < 0:
            words = "its margin goes a little against this"
    if lean.high <= -HOW_MUCH[1][0]:
        words = "its margin goes against this"
    return line("Within a class {words} (rank correlation {lean}).", words=words, lean=_bracketed(finding))


def _bracketed(finding: Finding) -> Line:
    lean = finding.beside["lean"]
    ends = f"{signed(lean.low)} to {signed(lean.high)}"
    return bare(signed(lean.value)) + line(", 95% interval {ends}", ends=ends)


def _ring(finding: Finding) -> Told:
    one = finding.measure
    folded = one if one.value > 0.5 else type(one)(1 - one.value, 1 - one.high, 1 - one.low, one.n)
    answer = line(
        "Of the {n} rings of the power spectrum the one at {ring} cycles an image differs most: {REAL} images have "
        "{more} power there in {pairs} of 100 pairs of one image of each class.",
        n=str(finding.details["rings"]), ring=str(finding.details["ring"]),
        more="more" if one.value > 0.5 else "less", pairs=pairs(folded),
    )  # fmt: skip
    return Told(answer)


def _copies(finding: Finding) -> Told:
    count = finding.details["count"]
    clash = line("; {n} are in groups of both classes", n=finding.details["other_class"]) if count else Line()
    answer = line(
        "{count} of {n} training images {words}{clash}.",
        count=count or "None", n=finding.measure.n, words=COPIES[finding.key], clash=clash,
    )  # fmt: skip
    return Told(answer)


def verdict(cue: Finding, lean: Finding) -> Line:
    """What a cue tells alone, and whether the detector's score hangs on it, in a few words."""
    if not lean.measure.known:
        need = "whether the detector needs it cannot be said"
    elif sign_of(lean) == -1:
        need = "part of what the detector can do goes with it"
    else:
        need = "the detector does not need it"
    return line("{tells}; {need}.", tells=tells(cue, "tells", line("the classes apart")), need=need)


def overall(findings: Sequence[Finding]) -> Line:
    """What an audit comes to, in one sentence."""
    cues = [one for one in findings if one.quantity == "cue_auroc" and not one.key.startswith("baseline.")]
    if not cues or cues[0].measure.low < HINT:
        return line("Nothing that was looked at tells {REAL} from {FAKE} by itself.")
    worst = cues[0]
    key = "leak" if worst.key == "leak" else worst.key.removeprefix("fact.")
    lean = next(one for one in findings if one.key == f"lean.{key}")
    network = lean.control.measure.value if lean.control else float("nan")
    text = line(
        "{title} alone picks the {REAL} one in {alone} of 100 pairs, the detector in {network}",
        title=worst.details.get("title", LEAK), alone=f"{100 * worst.measure.value:.0f}",
        network=f"{100 * network:.1f}",
    )  # fmt: skip
    if not lean.measure.known:
        return line("{text}.", text=text)
    return line(
        "{text}, and {still} in {without} where images {where}.",
        text=text, still="only" if sign_of(lean) == -1 else "still", without=f"{100 * lean.measure.value:.1f}",
        where="have no copy" if key == "leak" else "are alike in it",
    )  # fmt: skip


def forced(findings: Sequence[Finding]) -> Line:
    """What changing a fact does, nothing where no experiment changes it."""
    if not findings:
        return Line()
    return line("Changing it flips {each}.", each=listed([_forced_verdict(one) for one in findings]))


def rests(findings: Sequence[Finding]) -> bool:
    """Whether changing a fact certainly flips over a quarter of some verdicts beyond a control."""
    return any((one.details["certain"] or 0) > FORCED for one in findings)


def _forced_verdict(finding: Finding) -> Line:
    control = ", which has no control"
    if finding.control is not None:
        control = f"; the control, {finding.control.name}, {percent(finding.control.measure.value)}"
    return line(
        "{share} of {verdict} verdicts (“{title}”, {strength}{control})",
        share=share(finding.measure, 1), verdict=str(finding.group), title=finding.details["title"].lower(),
        strength=finding.details["strength"], control=control,
    )  # fmt: skip
