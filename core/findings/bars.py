"""Findings as a table of HTML, the one way in which pages, reports and notebooks show them.

A row has the question, effect and control as bars on one scale, n, and the answer with its mark.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.console import one_direction
from core.findings.answer import MEANINGS, answer_of
from core.findings.contrast import Finding, Unit
from core.findings.numbers import format_measure, format_value, percent, signed
from core.findings.table import choices_text, count_of
from core.images.labels import CLASS_COLOURS, CLASSES, GREY

COLOURS = CLASS_COLOURS | {"control": GREY}
VARIABLES = "; ".join(f"--{name}: {colour}" for name, colour in COLOURS.items())
STYLE = f"<style>.findings {{ {VARIABLES} }}\n{Path(__file__).with_suffix('.css').read_text('utf-8')}</style>"
# ends of the axis that every value of a unit fits in, or nearly
AXES = {
    "share": (0.0, 1.0),
    "auroc": (0.5, 1.0),
    "correlation": (0.0, 1.0),
    "silhouette": (0.0, 0.5),
    "margins": (0.0, 0.0),
}


@dataclass(frozen=True)
class FindingTable:
    """Findings to show; those of one unit share a scale, and a row opens on its contrasts.

    Attributes:
        findings: a row each.
        is_open: True for rows that are open from the beginning.
    """

    findings: Sequence[Finding]
    is_open: bool = False

    def __html__(self) -> str:
        """Return the HTML; strangers' text is escaped."""
        units = dict.fromkeys(finding.about.unit for finding in self.findings)
        tables = [
            _table([finding for finding in self.findings if finding.about.unit == unit], is_open=self.is_open)
            for unit in units
        ]
        return STYLE + "".join(tables)

    def _repr_html_(self) -> str:
        return self.__html__()


def _table(findings: Sequence[Finding], *, is_open: bool) -> str:
    """Write findings in one unit."""
    unit = findings[0].about.unit
    ends = _axis(findings, unit)
    ticks = ""
    for value in (ends[0], sum(ends) / 2, ends[1]):
        ticks += f"<i>{percent(value, 0) if unit == 'share' else signed(value)}</i>"
    groups = sorted({finding.group for finding in findings if finding.group in CLASSES})
    names = [f'<i class="key {name}"></i>{name}' for name in groups]
    names.append('<i class="key control"></i>strongest control')
    rows = ""
    question = ""
    for finding in findings:
        rows += _row(finding, ends, is_open=is_open, again=finding.question == question)
        question = finding.question
    return (
        f'<div class="findings"><div class="head"><span>{" &nbsp; ".join(names)}</span>'
        f'<span class="ticks" aria-hidden="true">{ticks}</span>'
        f"<span></span><span>n</span><span></span></div>{rows}</div>"
    )


def _row(finding: Finding, ends: tuple[float, float], *, is_open: bool, again: bool) -> str:
    """Write a finding as a row that opens; where the row before asks the same, only what it is about is written."""
    unit = finding.about.unit
    answer = answer_of(finding)
    about = " · ".join(filter(None, (finding.group, finding.subject)))
    question = ""
    if not (again and about):
        question = f"<b>{_escape(finding.question)}</b>"
    spoken = format_measure(finding.measure, unit)
    control = ""
    if finding.control is not None:
        spoken += f"; control {format_measure(finding.control.measure, unit)}"
        control = format_value(finding.control.measure, unit)
    return (
        f"<details{' open' if is_open else ''}><summary>"
        f'<span class="say">{question}<small>{_escape(about)}</small></span>'
        f'<span class="axis" role="img" aria-label="{_escape(spoken)}">{_bars(finding, ends)}</span>'
        f'<span class="number">{format_value(finding.measure, unit)}<small>{control}</small></span>'
        f'<span class="count">{_escape(count_of(finding.main))}</span>'
        f'<span class="answer" title="{_escape(MEANINGS[answer.word])}"><i aria-hidden="true">{answer.mark}</i>'
        f'{_escape(str(answer))}</span></summary><div class="opened">{_contrasts(finding)}</div></details>'
    )


def _contrasts(finding: Finding) -> str:
    """Write every contrast of a finding, the main one first."""
    columns = choices_text(finding).to_dict("list")
    columns = {name: texts for name, texts in columns.items() if any(texts)}
    heads = "".join(f"<th>{name}</th>" for name in columns)
    rows = ""
    # a page has a hundred of them, each of which takes pandas some milliseconds
    for texts in zip(*columns.values(), strict=True):
        cells = "".join(f"<td>{_escape(text)}</td>" for text in texts)
        rows += f"<tr>{cells}</tr>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _bars(finding: Finding, ends: tuple[float, float]) -> str:
    """Write the bar of the effect with its interval, and beneath it that of the control."""
    measure = finding.measure
    bars = ""
    if measure.known:
        bars += _bar(measure.value, ends, f"effect {finding.group or ''}")
    if measure.has_interval:
        left = _at(measure.low, ends)
        bars += f'<i class="interval" style="left:{left:.2f}%;width:{_at(measure.high, ends) - left:.2f}%"></i>'
    if finding.control is not None and finding.control.measure.known:
        bars += _bar(finding.control.measure.value, ends, "control")
    return bars


def _bar(value: float, ends: tuple[float, float], kind: str) -> str:
    """Write a bar from the axis' origin, zero or the end nearest to it, to a value."""
    origin = _at(min(max(0.0, ends[0]), ends[1]), ends)
    at = _at(value, ends)
    return f'<i class="{kind}" style="left:{min(origin, at):.2f}%;width:{abs(at - origin):.2f}%"></i>'


def _axis(findings: Sequence[Finding], unit: Unit) -> tuple[float, float]:
    """Return the ends of an axis that holds all measures and controls."""
    measures = [finding.measure for finding in findings]
    measures += [finding.control.measure for finding in findings if finding.control is not None]
    values = np.array([(measure.value, measure.low, measure.high) for measure in measures])
    values = values[np.isfinite(values)]
    low = float(min([AXES[unit][0], *values]))
    high = float(max([AXES[unit][1], *values]))
    return low, high if high > low else low + 1


def _at(value: float, ends: tuple[float, float]) -> float:
    """Return where a value lies between the ends, in percent."""
    return 100 * (value - ends[0]) / (ends[1] - ends[0])


def _escape(text: str) -> str:
    return html.escape(one_direction(text))
