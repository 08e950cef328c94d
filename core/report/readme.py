"""README's table: a few findings, each in fixed words, with its numbers, and what its comparisons answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.findings.answer import answer_of, ruling_of
from core.findings.contrast import Finding, Measure
from core.findings.numbers import format_difference, format_value
from core.findings.table import count_of, markdown
from core.report.results import RUNS, gather
from core.storage.atomic import write_text

BLOCK = re.compile(r"(<!-- findings -->\n).*?(<!-- end -->)", re.DOTALL)


@dataclass(frozen=True)
class Words:
    """The fixed words of a row, for somebody who has read nothing else.

    Attributes:
        question: worded so that "yes" is the claim.
        scale: what is measured, with its ends and the good one.
        effect: what the effect is of; the control has a name of its own.
    """

    question: str
    scale: str
    effect: str


# finding -> its words, in the order of the rows
ROWS = {
    "probes.transplant-FAKE": Words(
        "Do its FAKE verdicts follow the fine detail of the other class?",
        "Share of them that flip, 0 to 100%",
        "swapping in that of images called REAL (waves under 4 pixels)",
    ),
    "out_of_distribution.imitations": Words(
        "Do fakes of CIFAKE's size by other generators pass as REAL?",
        "Share called REAL, 0 to 100%",
        "imitations by ten generators",
    ),
    "faithfulness.lime-FAKE": Words(
        "Does LIME's map show what a FAKE verdict relies on?",
        "Mean margin while what the map marks has the mean colour; FAKE is below 0, so nearer 0 is better",
        "LIME's map",
    ),
    "agreement.rank-FAKE": Words(
        "Does LIME's map of a FAKE verdict agree with Grad-CAM's?",
        "Rank correlation: 1 the same order, 0 unrelated, −1 reversed",
        "both maps of one image",
    ),
}


def insert_findings(file: Path) -> None:
    """Put the table between the marks in a Markdown file."""
    run = RUNS[0]
    findings = {key: gather(run, [key])[0] for key in ROWS}
    rows = markdown(table_of(findings, run.partition("@")[0]))
    text = BLOCK.sub(lambda block: f"{block[1]}\n{rows}\n\n{block[2]}", file.read_text(encoding="utf-8"))
    write_text(file, text)


def table_of(findings: Mapping[str, Finding], detector: str) -> pd.DataFrame:
    """Lay findings out in three columns: what was asked, the effect above its strongest control, the answer.

    Args:
        findings: by key of `ROWS`.
        detector: name of the one that was asked.
    """
    rows = []
    for key, finding in findings.items():
        words = ROWS[key]
        answer = [f"**{answer_of(finding)}**", *_tally(finding)]
        rows.append((
            _lines(f"**{words.question}**", words.scale),
            _lines(*_numbers(finding, words.effect)),
            _lines(*answer),
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=[f"Asked of `{detector}`", "Effect, and its strongest control", "Answer"])


def _lines(*texts: str) -> str:
    return "<br>".join(texts)


def _numbers(finding: Finding, effect: str) -> list[str]:
    """List effect, control and difference of a finding with what they are of, and the number of images."""
    unit = finding.unit
    lines = [f"**{format_value(finding.measure, unit)}** {effect}"]
    if finding.control is not None and finding.difference is not None:
        needed = format_difference(Measure(finding.least), unit).removeprefix("+")
        lines.append(f"{format_value(finding.control.measure, unit)} {finding.control.name}")
        lines.append(
            f"difference {format_difference(Measure(finding.difference.value), unit)}, needed for yes: {needed}"
        )
    lines.append(f"n = {count_of(finding.main)}")
    return lines


def _tally(finding: Finding) -> list[str]:
    """Count what the comparisons of a finding answer, where they differ; one that stands alone is named."""
    values: dict[str, list[str]] = {}
    for contrast in finding.contrasts:
        ruling = ruling_of(finding, contrast)
        if ruling is not None:
            values.setdefault(ruling, []).append(contrast.value)
    if len(values) < 2:
        return []
    counts = []
    for word, names in values.items():
        alone = ""
        if len(names) == 1:
            alone = f" ({names[0]})"
        counts.append(f"{word}: {len(names)}{alone}")
    return counts
