"""A comparison of two runs in brief, as Markdown: on their own images, after deliveries, and on other images."""

from collections.abc import Sequence

from core.findings.finding import Finding, find
from core.findings.numbers import points, share
from core.findings.words import tell
from core.findings.words.comparison import recalls
from core.findings.words.elsewhere import after_deliveries, delivery_name, other_source
from core.studies.comparison.comparison import Comparison


def versus(compared: Comparison) -> str:
    """The accuracy and recalls of both in sentences, then a table of both after deliveries and on other images."""
    accuracy = find(compared.findings, "accuracy")
    told = [tell(accuracy).full] if accuracy is not None else []
    told += [recalls(compared.findings), after_deliveries(compared.deliveries)]
    told += [tell(one).full for one in compared.other_images]
    first, second = compared.pair.names
    named = [(delivery_name(one), one) for one in compared.deliveries]
    named += [(other_source(one), one) for one in compared.other_images]
    head = ["images", f"`{first}` right", f"`{second}` right", "difference"]
    return "\n".join([*(f"- {one}" for one in told if str(one)), "", *_table(head, named)])


def _table(head: Sequence[str], named: Sequence[tuple[str, Finding]]) -> list[str]:
    if not named:
        return []
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for name, one in named:
        both = (one.measure, one.measure if one.control is None else one.control.measure)
        cells = [name, *map(str, map(share, both)), str(points(one.difference or one.measure))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
