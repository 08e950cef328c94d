"""Findings as tables: data frames of numbers, the same as text ready to show, and Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from core.findings.claims import Sign, claim_status, effect_over_control, sign_of
from core.findings.finding import Choice, Finding, Measure
from core.findings.numbers import format_difference, format_measure

SIGNS: dict[Sign | None, str] = {1: "above", -1: "below", 0: "no difference", None: "no control"}


def findings_table(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay findings out as numbers, a row each, in their order.

    Returns:
        Columns `study`, `key`, `question`, `subject`, `group`, `n`, `effect`, `low`, `high`, `control` (its name),
        `control_effect`, `difference`, `difference_low`, `difference_high`, `status`, `headline`. Shares and AUROCs are
        0 to 1, intervals of 95 %; NaN where there is none.
    """
    rows = [
        {
            **{name: getattr(finding, name) for name in ("study", "key", "question", "subject")},
            "group": finding.group or "",
            "n": finding.measure.n,
            **_numbers(finding),
            "status": str(claim_status(finding)),
            "headline": finding.headline,
        }
        for finding in findings
    ]
    names = ["study", "key", "question", "subject", "group", "n", *_NUMBERS, "status", "headline"]
    return pd.DataFrame(rows, columns=names)


def findings_text(findings: Iterable[Finding]) -> pd.DataFrame:
    """Lay findings out as text, a row each, ready to show.

    Returns:
        Columns `Question`, `Of`, `Group`, `Effect`, `Control`, `Difference`, `Status`, `Headline`.
    """
    rows = [
        {
            "Question": finding.question or finding.about.label,
            "Of": finding.subject,
            "Group": finding.group or "",
            **_texts(finding, finding),
            "Status": str(claim_status(finding)),
            "Headline": finding.headline,
        }
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=["Question", "Of", "Group", *_TEXTS, "Status", "Headline"])


def choices_table(finding: Finding) -> pd.DataFrame:
    """Lay out what each analysis choice made of a finding, as numbers.

    Returns:
        Columns `kind`, `value`, `effect`, `low`, `high`, `control` (its name), `control_effect`, `difference`,
        `difference_low`, `difference_high`, `sign`: 1 above the control, -1 below, 0 neither, None without one.
    """
    rows = [
        {"kind": choice.kind, "value": choice.value, **_numbers(choice), "sign": sign_of(choice)}
        for choice in finding.choices
    ]
    return pd.DataFrame(rows, columns=["kind", "value", *_NUMBERS, "sign"])


def choices_text(finding: Finding) -> pd.DataFrame:
    """Lay out the same as text, ready to show: `Choice`, `Value`, `Effect`, `Control`, `Difference`, `Sign`."""
    rows = [
        {
            "Choice": choice.kind,
            "Value": choice.value,
            **_texts(finding, choice),
            "Sign": SIGNS[sign_of(choice)],
        }
        for choice in finding.choices
    ]
    return pd.DataFrame(rows, columns=["Choice", "Value", *_TEXTS, "Sign"])


def findings_markdown(findings: Sequence[Finding]) -> str:
    """Lay findings out as a Markdown table; columns that are empty throughout are left out."""
    table = findings_text(findings)
    return markdown(table.loc[:, (table != "").any()] if len(table) else table)


def markdown(table: pd.DataFrame) -> str:
    """Write a table of text as Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.to_numpy(str).tolist()]
    return "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in rows)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_NUMBERS = (
    "effect", "low", "high", "control", "control_effect", "difference", "difference_low", "difference_high",
)  # fmt: skip
_TEXTS = ("Effect", "Control", "Difference")


def _numbers(finding: Finding | Choice) -> dict[str, Any]:
    control = finding.control
    difference = Measure(float("nan")) if sign_of(finding) is None else effect_over_control(finding)
    measures = (finding.measure, difference)
    own, over = ((measure.value, measure.low, measure.high) for measure in measures)
    beside = ("", float("nan")) if control is None else (control.name, control.measure.value)
    return dict(zip(_NUMBERS, (*own, *beside, *over), strict=True))


def _texts(finding: Finding, choice: Finding | Choice) -> dict[str, str]:
    unit, control = finding.about.unit, choice.control
    return {
        "Effect": format_measure(choice.measure, unit),
        "Control": "" if control is None else f"{format_measure(control.measure, unit)}, {control.name}",
        "Difference": "" if choice.difference is None else format_difference(choice.difference, unit),
    }
