"""The words of the study `probes`."""

import math
from collections.abc import Sequence
from typing import Literal

from core.findings.claims import claim_status, compared, effect_over_control, sign_of
from core.findings.finding import Finding
from core.findings.lines import Line, joined, line, listed
from core.findings.numbers import percent
from core.findings.words.say import say
from core.findings.words.told import Told
from core.perturbations.probe import FAMILIES, inline

# shares of verdicts: below the first a change hardly matters, above the last it decides
FEW, SOME, MOST = 0.05, 0.25, 0.5
Degree = Literal["hardly", "seldom", "often", "mostly"]


def tell(finding: Finding) -> Told:
    """A finding of the probes in words."""
    if finding.key.startswith("smallest-"):
        return _smallest(finding)
    family = FAMILIES[finding.details["family"]]
    what = _change(finding.details["title"], finding.details["strength"])
    return Told(
        _answer(finding, family.rests, what),
        _controls(finding),
        _aside(finding),
        question=family.question,
        label=say(finding, "of {group} verdicts flip after {what}", what=what),
    )


def degree(finding: Finding) -> Degree:
    """How much a claimed change decides, from the interval of the share that it flips beyond its control."""
    low = (finding.difference or finding.measure).low
    return "hardly" if low < FEW else "seldom" if low < SOME else "often" if low <= MOST else "mostly"


def _answer(finding: Finding, rests: str, what: str) -> Line:
    stands = claim_status(finding)
    if stands.kind == "holds" and stands.sign > 0:
        template = "{group} verdicts {how} {rests}: {what} flips {measure}{bar}."
        return say(finding, template, bar=_strongest(finding), how=degree(finding), rests=rests, what=what)
    if stands.kind == "holds":
        return say(
            finding,
            "{group} verdicts do not {rests}: {what} flips fewer, {measure}, than its control.",
            rests=rests,
            what=what,
        )
    if stands.on and (most := _farthest(finding)) < FEW:
        template = (
            "{what} flips hardly any {group} verdicts, {measure}: within {most} points of its control under every "
            "choice."
        )
        return say(finding, template, what=what, most=f"{100 * most:.1f}").capital()
    if stands.kind == "depends":
        template = "Whether {group} verdicts {rests} depends on the {kinds}: {what} flips {measure} of them."
        return say(finding, template, rests=rests, what=what, kinds=listed(list(stands.on)))
    if stands.kind == "in part" and sign_of(finding) != -1:
        template = "That {group} verdicts {rests} is not shown with every {kinds}: {what} flips {measure} of them."
        return say(finding, template, rests=rests, what=what, kinds=listed(list(stands.on)))
    if stands.kind in ("in part", "not shown"):
        template = "That {group} verdicts {rests} is not shown: {what} flips {measure} of them."
        return say(finding, template, rests=rests, what=what)
    return say(finding, "{what} flips {measure} of {group} verdicts.", what=what).capital()


def _farthest(finding: Finding) -> float:
    """How far from its control the share may be at most, 0 to 1, under any choice; infinity without intervals."""
    leads = [effect_over_control(one) for one in compared(finding)]
    return max(max(-one.low, one.high) if one.has_interval else math.inf for one in leads)


def _strongest(finding: Finding) -> Line:
    """The share that the strongest of its controls flips."""
    return (
        line(", its strongest control {it}", it=percent(finding.control.measure.value)) if finding.control else Line()
    )


def _controls(finding: Finding) -> Line:
    tried = [one for one in finding.choices if one.kind == "control"]
    bars = [one.control for one in (tried or (finding,)) if one.control is not None]
    if not bars:
        return Line()
    shares = [say(finding, "{name} flips {it}", name=one.name, it=one.measure) for one in bars]
    return line("As a control, {shares}." if len(bars) == 1 else "As controls, {shares}.", shares=listed(shares))


def _aside(finding: Finding) -> Line:
    about = finding.details
    strengths = [_with_share(finding, name) for name in about["strengths"]]
    said = [line("By strength: {strengths}.", strengths=listed(strengths))] if len(strengths) > 1 else []
    if about["falls_at"]:
        said.append(line("Not monotone: it falls at {where}.", where=listed(about["falls_at"])))
    if others := [_with_share(finding, name) for name in about["others"]]:
        said.append(line("Also tried: {others}.", others=listed(others)))
    return joined(said)


def _with_share(finding: Finding, name: str) -> Line:
    return line("{name} {share}", name=name, share=percent(finding.beside[name].value))


def overall(findings: Sequence[Finding]) -> Line:
    """What the verdicts of each class rest on, in a sentence each; nothing where no control is beaten."""
    found = [one for one in findings if "probe" in one.details]
    groups = dict.fromkeys(str(one.group) for one in found)
    return joined(_of_verdict(group, [one for one in found if str(one.group) == group]) for group in groups)


def _of_verdict(group: str, findings: Sequence[Finding]) -> Line:
    claimed = [
        one for one in findings if one.control and (claim_status(one).kind, claim_status(one).sign) == ("holds", 1)
    ]
    claimed.sort(key=lambda one: -(one.difference or one.measure).low)
    strong = [one for one in claimed if degree(one) in ("mostly", "often")]
    if strong:
        said = [line("{how} {rests}", how=degree(one), rests=FAMILIES[one.details["family"]].rests) for one in strong]
        return line("{group} verdicts {said}.", group=group, said=listed(said))
    if not claimed:
        return Line()
    best = claimed[0]
    return say(
        best,
        "No change that has a control flips most {group} verdicts beyond it; {what} goes furthest, {measure}{bar}.",
        what=_change(best.details["title"], best.details["strength"]),
        bar=_strongest(best),
    )


def _change(title: str, strength: str) -> str:
    return f"{inline(title)} ({strength})"


def _smallest(finding: Finding) -> Told:
    about = finding.details
    question = f"What flips {finding.group} verdicts most, for its size?"
    nothing = say(finding, "No change flips {group} verdicts significantly more often than its control does.")
    if not finding.measure.known:
        return Told(nothing, question=question)
    what = _change(about["title"], about["strength"])
    if finding.control is None:
        alone = say(finding, "Without a control, {what} flips {measure}.", what=what)
        return Told(nothing, alone, question=question)
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
    return Told(answer, _controls(finding), aside, question=question)
