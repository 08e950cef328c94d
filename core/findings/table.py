"""Findings as tables of text, and as Markdown."""

from collections.abc import Iterable, Sequence

import pandas as pd

from core.findings.claims import Sign, claim_status, sign_of
from core.findings.finding import Choice, Finding
from core.findings.numbers import format_difference, format_measure

SIGNS: dict[Sign | None, str] = {1: "above", -1: "below", 0: "no difference", None: "no control"}


def findings_text(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay findings out as text, a row each, ready to show.

    Returns:
        Columns `Question`, `Of`, `Group`, `Effect`, `Control`, `Difference`, `Status`, `Headline`.
    """
    rows = [
        (finding.question or finding.about.label, finding.subject, finding.group or "", *_texts(finding, finding),
         str(claim_status(finding)), finding.headline)
        for finding in findings
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["Question", "Of", "Group", *_TEXTS, "Status", "Headline"])


def choices_text(finding: Finding) -> pd.DataFrame:
    """Lay out what each analysis choice made of a finding, as text ready to show.

    Returns:
        Columns `Choice`, `Value`, `Effect`, `Control`, `Difference`, `Sign`.
    """
    rows = [(choice.kind, choice.value, *_texts(finding, choice), SIGNS[sign_of(choice)]) for choice in finding.choices]
    return pd.DataFrame(rows, columns=["Choice", "Value", *_TEXTS, "Sign"])


def findings_markdown(findings: Sequence[Finding]) -> str:
    """Lay findings out as a Markdown table; columns that are empty throughout are left out."""
    table = findings_text(findings)
    return markdown(table.loc[:, (table != "").any()] if len(table) else table)


def markdown(table: pd.DataFrame) -> str:
    """Write a table of text as Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.to_numpy(str).tolist()]
    escaped = ([text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows)
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


_TEXTS = ("Effect", "Control", "Difference")


def _texts(finding: Finding, choice: Finding | Choice) -> tuple[str, str, str]:
    unit, control = finding.about.unit, choice.control
    return (
        format_measure(choice.measure, unit),
        "" if control is None else f"{format_measure(control.measure, unit)}, {control.name}",
        "" if choice.difference is None else format_difference(choice.difference, unit),
    )
