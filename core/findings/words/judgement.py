"""The words of a judgement's reasons: one clause each, to stand behind the answer."""

from core.findings.finding import Finding
from core.findings.lines import Line, line, listed
from core.findings.numbers import percent
from core.findings.words.say import say
from core.findings.words.told import Told

# so many deliveries or filters are named
FEW = 3
HOW = {"same size": "of the detector's own size", "shrunk": "that were shrunk", "enlarged": "that were enlarged"}


def tell(finding: Finding) -> Told:
    """A reason in words."""
    return Told(REASONS[finding.key](finding), standing=Line())


def _unmeasured(_finding: Finding) -> Line:
    return line("nobody has measured what this detector's verdicts are worth.")


def _filters(finding: Finding) -> Line:
    names = [str(name) for name in finding.details["filters"]]
    return say(
        finding,
        "the verdict depends on how the picture is resized: {group}, but {other} with {names}.",
        other=_other(finding),
        names=_few(names, "filters"),
    )


def _deliveries(finding: Finding) -> Line:
    names = [str(name) for name in finding.details["flips"]]
    return say(
        finding,
        "the verdict does not survive delivery: {group}, but {other} after {names}.",
        other=_other(finding),
        names=_few(names, "deliveries"),
    )


def _undelivered(_finding: Finding) -> Line:
    return line("no delivery leaves enough pixels of it, so whether its verdict survives one is not known.")


def _unfamiliar(finding: Finding) -> Line:
    missed = finding.beside["misses"]
    template = "by {kind} it is unlike everything that the detector was measured on"
    template += f" (false alarms {percent(finding.measure.value)}"
    template += f", misses {percent(missed.value, 0)} of other pictures)." if missed.known else ")."
    return say(finding, template)


def _worth(finding: Finding) -> Line:
    how = HOW[str(finding.details["setting"])]
    if not finding.measure.known:
        return say(finding, "nobody has measured {group} verdicts on pictures {how}.", how=how)
    told = "{other:percent.0} of {other_name} {other_get} too, and {own:percent.0} of {own_name} {own_get}"
    if finding.measure.value >= float(finding.details["level"]) / 100:
        told += "; so few were measured that only {low} of such verdicts may be right, and {level}% are asked for"
    return say(
        finding,
        told + ".",
        other_get=_counted(finding, "other"),
        own_get=_counted(finding, "own"),
        low=percent(finding.measure.low, 0),
    )


def _holds(finding: Finding) -> Line:
    own, other = (
        "pass this test" if finding.details[f"{which}_held"] else _counted(finding, which) for which in ("own", "other")
    )
    return say(
        finding,
        "the verdict stays {group} after each of {deliveries} deliveries (saving, resizing, sending). Of {own_name} "
        "{own:percent.0} {own_get}, of {other_name} {other:share}{other_get}.",
        own_get=own,
        other_get="" if str(own) == str(other) else line(" {get}", get=other),
    )


def _counted(finding: Finding, which: str) -> Line:
    """Which pictures of a group were counted: of some groups the deliveries were not tried."""
    if finding.details[f"{which}_held"]:
        return say(finding, "are called {group} before and after every delivery")
    filters = "" if finding.details["setting"] == "same size" else " with every filter"
    return say(finding, "are called {group} before any delivery{filters}", filters=filters)


def _other(finding: Finding) -> str:
    return "FAKE" if finding.group == "REAL" else "REAL"


def _few(names: list[str], what: str) -> Line:
    if len(names) <= FEW:
        return listed(names)
    left = len(names) - FEW
    others = {"filters": "filter", "deliveries": "delivery"}[what] if left == 1 else what
    return line("{names} and {more} other {what}", names=listed(names[:FEW], ", "), more=left, what=others)


REASONS = {
    "unmeasured": _unmeasured,
    "filters": _filters,
    "deliveries": _deliveries,
    "undelivered": _undelivered,
    "unfamiliar": _unfamiliar,
    "worth": _worth,
    "holds": _holds,
}
