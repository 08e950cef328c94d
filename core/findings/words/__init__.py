"""The words of findings that have no headlines yet."""

from collections.abc import Callable
from dataclasses import replace

from core.findings.finding import Finding
from core.findings.lines import line
from core.findings.numbers import of_unit
from core.findings.words import audit, clusters, copies, neighbours
from core.findings.words.standing import standing_line
from core.findings.words.told import Told

WORDS: dict[str, Callable[[Finding], Told]] = {
    "neighbours": neighbours.tell,
    "clusters": clusters.tell,
    "audit": audit.tell,
    "duplicates": copies.duplicates,
    "files": copies.files,
}


def tell(finding: Finding) -> Told:
    """A finding in words, with its standing; of a study without words of its own, its quantity and number."""
    told = WORDS.get(finding.study, _plainly)(finding)
    return told if told.standing is not None else replace(told, standing=standing_line(finding))


def _plainly(finding: Finding) -> Told:
    about = finding.about
    name = f"{about.label}, {finding.key}".capitalize()
    return Told(line("{name}: {number}.", name=name, number=of_unit(finding.measure, about.unit)))
