"""Findings as tables: of text, as Markdown, as HTML, and every contrast with its numbers."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from core.console import one_direction
from core.findings.answer import MEANINGS, answer_of, ruling_of
from core.findings.contrast import UNITS, UNKNOWN, Contrast, Control, Finding, Unit
from core.findings.numbers import format_difference, format_measure, format_value, percent, signed
from core.images.labels import CLASS_COLOURS, CLASSES, GREY

_TEXTS = ("Effect", "Control", "Difference", "Images")


@dataclass(frozen=True)
class FindingTable:
    """Findings as HTML, the one way in which pages, reports and notebooks show them.

    A row has the question, effect and control as bars on the scale of their unit, n, and the answer with its mark; it
    opens on its contrasts.

    Attributes:
        findings: a row each.
        is_open: True for rows that are open from the beginning.
    """

    findings: Sequence[Finding]
    is_open: bool = False

    def __html__(self) -> str:
        """Return the HTML; strangers' text is escaped."""
        units: dict[Unit, list[Finding]] = {}
        for finding in self.findings:
            units.setdefault(finding.unit, []).append(finding)
        return TEMPLATE.render(units=units, is_open=self.is_open)

    def _repr_html_(self) -> str:
        return self.__html__()


def _axis(findings: Sequence[Finding], unit: Unit) -> tuple[float, float]:
    """Return the ends of an axis that holds all measures and controls."""
    measures = [finding.measure for finding in findings]
    measures += [finding.control.measure for finding in findings if finding.control is not None]
    values = np.array([(measure.value, measure.low, measure.high) for measure in measures])
    values = values[np.isfinite(values)]
    low, high = UNITS[unit]["axis"]
    low = float(min([low, *values]))
    high = float(max([high, *values]))
    return low, high if high > low else low + 1


def _bars(finding: Finding, axis: tuple[float, float]) -> list[tuple[str, float, float]]:
    """Lay out the effect with its interval, and its control: class, left edge and width in percent of an axis."""
    low, high = axis
    # bars begin at zero, or at the end nearest to it
    origin = min(max(0.0, low), high)
    measure = finding.measure
    spans = [
        (f"effect {finding.group or ''}", origin, measure.value),
        ("interval", measure.low, measure.high),
    ]
    if finding.control is not None:
        spans.append(("control", origin, finding.control.measure.value))
    bars = []
    for kind, *ends in spans:
        if np.isfinite(ends).all():
            left, right = (100 * (end - low) / (high - low) for end in sorted(ends))
            bars.append((kind, left, right - left))
    return bars


def _choices(finding: Finding) -> dict[str, list[str]]:
    """List what a finding measured under each choice as text, the main one first; columns that are empty are left out.

    Returns:
        Columns `Choice`, `Value`, `Effect`, `Control`, `Difference`, `Images`, `Answer`.
    """
    rows = [
        (contrast.kind, contrast.value, *_texts(finding, contrast), ruling_of(finding, contrast) or "")
        for contrast in finding.contrasts
    ]
    columns = zip(("Choice", "Value", *_TEXTS, "Answer"), zip(*rows, strict=True), strict=True)
    return {name: list(texts) for name, texts in columns if any(texts)}


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
            "unit": finding.unit,
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
    unit = finding.unit
    control = ""
    if contrast.control is not None:
        control = f"{format_measure(contrast.control.measure, unit)}, {contrast.control.name}"
    difference = ""
    if contrast.difference is not None:
        difference = format_difference(contrast.difference, unit)
    return format_measure(contrast.measure, unit), control, difference, count_of(contrast)


def _escape(value: object) -> Markup:
    """Escape a stranger's text, which must not reverse the sentence around it either."""
    return Markup(html.escape(one_direction(str(value))))  # noqa: S704 - just escaped


TEMPLATE = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, finalize=_escape, trim_blocks=True
).get_template(
    "table.html",
    globals={
        "answer_of": answer_of,
        "axis": _axis,
        "bars": _bars,
        "choices_of": _choices,
        "classes": CLASSES,
        "colours": CLASS_COLOURS | {"control": GREY},
        "count_of": count_of,
        "format_measure": format_measure,
        "format_value": format_value,
        "meanings": MEANINGS,
        "percent": percent,
        "signed": signed,
    },
)
