"""Findings as tables: of text, as Markdown, and every contrast with its numbers."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from core.findings.answer import answer_of, ruling_of
from core.findings.contrast import UNKNOWN, Contrast, Control, Finding
from core.findings.numbers import format_difference, format_measure

_TEXTS = ("Effect", "Control", "Difference", "Images")


def findings_text(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay findings out as text, a row each, ready to show.

    Returns:
        Columns `Question`, `Of`, `Group`, `Effect`, `Control` (the strongest), `Difference`, `Images`, `Answer`.
    """
    rows = [
        (
            finding.question,
            finding.subject,
            finding.group or "",
            *_texts(finding, finding.main),
            str(answer_of(finding)),
        )
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=["Question", "Of", "Group", *_TEXTS, "Answer"]).astype(str)


def choices_text(finding: Finding) -> pd.DataFrame:
    """Lay out what a finding measured under each choice, the main one first, as text ready to show.

    Returns:
        Columns `Choice`, `Value`, `Effect`, `Control`, `Difference`, `Images`, `Answer`.
    """
    rows = [
        (contrast.kind, contrast.value, *_texts(finding, contrast), ruling_of(finding, contrast) or "")
        for contrast in finding.contrasts
    ]
    return pd.DataFrame(rows, columns=["Choice", "Value", *_TEXTS, "Answer"])


def findings_markdown(findings: Sequence[Finding]) -> str:
    """Lay findings out as a Markdown table; columns that are empty throughout are left out."""
    table = findings_text(findings)
    if len(table):
        table = table.loc[:, (table != "").any()]
    return markdown(table)


def contrast_rows(name: str, finding: Finding) -> pd.DataFrame:
    """Lay out every contrast of a finding, a row each, for a file; numbers are in the unit that the row names.

    Args:
        name: of the detector or run.
        finding: the finding.
    """
    rows = []
    for number, contrast in enumerate(finding.contrasts):
        control = contrast.control or Control("", UNKNOWN)
        row: dict[str, Any] = {
            "detector": name,
            "study": finding.study,
            "finding": finding.key,
            "question": finding.question,
            "group": finding.group,
            "subject": finding.subject,
            "unit": finding.about.unit,
            "is_main": not number,
            "choice": contrast.kind,
            "value": contrast.value,
            "control_name": control.name,
        }
        measures = {
            "effect": contrast.measure,
            "control": control.measure,
            "difference": contrast.difference or UNKNOWN,
        }
        for measure_name, measure in measures.items():
            row[measure_name] = measure.value
            row[f"{measure_name}_low"] = measure.low
            row[f"{measure_name}_high"] = measure.high
        row["images"] = contrast.n
        row["sources"] = contrast.measure.sources
        row["least"] = finding.least
        row["says"] = ruling_of(finding, contrast)
        row["answer"] = str(answer_of(finding))
        rows.append(row)
    return pd.DataFrame(rows).round(6)


def markdown(table: pd.DataFrame) -> str:
    """Write a table of text as Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.to_numpy(str).tolist()]
    escaped = ([text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def count_of(contrast: Contrast) -> str:
    """Write how many images, and from how many independent sources, a contrast rests on; "" where unknown."""
    measure = contrast.measure
    if not measure.n:
        return ""
    if measure.sources is None:
        return f"{measure.n:,}"
    return f"{measure.n:,} from {measure.sources} {'source' if measure.sources == 1 else 'sources'}"


def _texts(finding: Finding, contrast: Contrast) -> tuple[str, str, str, str]:
    unit = finding.about.unit
    control = ""
    if contrast.control is not None:
        control = f"{format_measure(contrast.control.measure, unit)}, {contrast.control.name}"
    difference = ""
    if contrast.difference is not None:
        difference = format_difference(contrast.difference, unit)
    return format_measure(contrast.measure, unit), control, difference, count_of(contrast)
