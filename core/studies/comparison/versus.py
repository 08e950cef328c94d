"""A comparison of two runs in brief, as Markdown: on their own images, after deliveries, and on other images."""

from collections.abc import Sequence

from core.findings.claims import claim_status
from core.findings.finding import Finding, find
from core.findings.lines import Line
from core.findings.numbers import points, share
from core.findings.words import tell
from core.findings.words.comparison import recalls
from core.findings.words.elsewhere import after_deliveries, delivery_name, other_source
from core.runs.run import told_apart
from core.studies.comparison.comparison import Comparison
from core.studies.study import StudyError


def versus(compared: Comparison) -> str:
    """The accuracy and recalls of both in sentences, then a table of both after deliveries and on other images."""
    accuracy = find(compared.findings, "accuracy")
    told = [tell(accuracy).full] if accuracy is not None else []
    told += [recalls(compared.findings), after_deliveries(compared.deliveries)]
    told += [tell(one).full for one in compared.other_images]
    first, second = compared.pair.names
    named = [(_name(one), one) for one in (*compared.deliveries, *compared.other_images)]
    head = ["images", f"`{first}` right", f"`{second}` right", "difference"]
    rows = [[name, *map(str, _both(one)), str(points(one.difference or one.measure))] for name, one in named]
    return "\n".join([*(f"- {one}" for one in told if str(one)), "", *(_table(head, rows) if rows else ())])


def elsewhere(compared: Sequence[Comparison]) -> str:
    """Lay out what several detectors get right after deliveries and on other images, a column for each run.

    A share in bold differs from the first run's, and one in italics depends on how that is asked; see `standing`. Rows
    in which the first run was not compared with all the others on the same images are left out.

    Args:
        compared: the first run with each of the others, one or more.

    Raises:
        StudyError: nothing was measured on the same pictures by all of them.
    """
    rows = [{_name(one): one for one in (*each.deliveries, *each.other_images)} for each in compared]
    common = [name for name, one in rows[0].items() if all(_same(one, each.get(name)) for each in rows)]
    if not common:
        raise StudyError("these runs have no deliveries and no images of other sources in common")
    names = told_apart([compared[0].pair.first, *(each.pair.second for each in compared)])
    head = ["images", *(f"`{name}` right" for name in names)]
    cells = [[name, str(share(rows[0][name].measure)), *(_other(each[name]) for each in rows)] for name in common]
    return "\n".join(_table(head, cells))


def _same(one: Finding, other: Finding | None) -> bool:
    """Check that two findings measured their first run on the same images; another sample gives another interval."""
    return other is not None and one.measure == other.measure


def _name(finding: Finding) -> str:
    return delivery_name(finding) if finding.key.startswith("delivery-") else other_source(finding)


def _other(finding: Finding) -> str:
    told = str(_both(finding)[1])
    mark = {"holds": "**", "depends": "_", "in part": "_"}.get(claim_status(finding).kind, "")
    return f"{mark}{told}{mark}"


def _both(finding: Finding) -> tuple[Line, Line]:
    """Return the shares of both runs."""
    return share(finding.measure), share(finding.measure if finding.control is None else finding.control.measure)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out the lines of a Markdown table."""
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(one)} |" for one in rows)]
