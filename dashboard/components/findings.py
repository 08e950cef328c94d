"""The finding table, the one way in which pages show findings, and bars of shares; both are plain HTML.

Streamlit lacks a table whose rows open, and bars with an interval and a control beneath: its progress columns have one
value each.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st

from core.console import one_direction
from core.findings.answer import MEANINGS, Word, answer_of
from core.findings.contrast import Finding, Unit
from core.findings.numbers import format_measure, percent, signed
from core.findings.table import choices_text, count_of
from core.images.labels import CLASSES
from core.images.palette import GREY
from dashboard.components.component import ALL, OPEN

STYLE = f"<style>{Path(__file__).with_suffix('.css').read_text('utf-8')}</style>"
# ends of the axis that every value of a unit fits in, or nearly
AXES: dict[Unit, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "auroc": (0.5, 1.0),
    "correlation": (0.0, 1.0),
    "silhouette": (0.0, 0.5),
    "margins": (0.0, 0.0),
}
# answer -> Material icon
ICONS: dict[Word, str] = {
    "yes": "check_circle",
    "no": "cancel",
    "in part": "contrast",
    "depends": "alt_route",
    "not shown": "do_not_disturb_on",
    "no control": "info",
}


class Bar(NamedTuple):
    """A share to draw as a bar.

    Attributes:
        label: what it is a share of.
        share: 0 to 1.
        colour: of the bar, "#rrggbb"; grey for a control.
    """

    label: str
    share: float
    colour: str = GREY


def draw_bars(bars: Sequence[Bar]) -> None:
    """Draw shares as labelled bars, a row each."""
    rows = [
        f'<div class="bar"><span>{_escape(bar.label)}</span><span class="track">'
        f'<i style="width:{100 * bar.share:.1f}%;background:{bar.colour}"></i></span>'
        f"<b>{percent(bar.share, 0)}</b></div>"
        for bar in bars
    ]
    widest = max((len(bar.label) for bar in bars), default=0)
    st.html(f'{STYLE}<div class="bars" style="--label:{widest / 2:.0f}em">{"".join(rows)}</div>')


def finding_table(findings: Iterable[Finding]) -> None:
    """Draw findings, a row each: question, effect and control as bars, n, answer; a row opens on its contrasts."""
    shown = list(findings)
    if not shown:
        st.caption("These images allow no conclusion.")
        return
    is_open = ALL in st.query_params.get(OPEN, "").split(".")
    units = dict.fromkeys(finding.about.unit for finding in shown)
    tables = [_table([row for row in shown if row.about.unit == unit], is_open=is_open) for unit in units]
    st.html(STYLE + "".join(tables))


def _table(findings: Sequence[Finding], *, is_open: bool) -> str:
    """The HTML of findings in one unit; strangers' text is escaped."""
    unit = findings[0].about.unit
    ends = _axis(findings, unit)
    ticks = (percent(value, 0) if unit == "share" else signed(value) for value in (ends[0], sum(ends) / 2, ends[1]))
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
        f'<span class="ticks" aria-hidden="true">{"".join(f"<i>{tick}</i>" for tick in ticks)}</span>'
        f"<span></span><span>n</span><span></span></div>{rows}</div>"
    )


def _row(finding: Finding, ends: tuple[float, float], *, is_open: bool, again: bool) -> str:
    """A finding as a row that opens; where the row before asks the same, only what it is about is written."""
    unit = finding.about.unit
    answer = answer_of(finding)
    about = " · ".join(filter(None, (finding.group and f"{finding.group}", finding.subject)))
    asked = "" if again and about else f"<b>{_escape(finding.question)}</b>"
    effect = format_measure(finding.measure, unit)
    control = ""
    if finding.control is not None:
        control = format_measure(finding.control.measure, unit)
    spoken = f"{effect}; control {control}" if control else effect
    short, short_control = (text.partition(" (")[0] for text in (effect, control))
    return (
        f'<details{" open" if is_open else ""}><summary><span class="say">{asked}<small>{_escape(about)}</small></span>'
        f'<span class="axis" role="img" aria-label="{_escape(spoken)}">{_bars(finding, ends)}</span>'
        f'<span class="number">{short}<small>{short_control}</small></span>'
        f'<span class="count">{_escape(count_of(finding.main))}</span>'
        f'<span class="answer" title="{_escape(MEANINGS[answer.word])}"><i aria-hidden="true">{ICONS[answer.word]}</i>'
        f'{_escape(str(answer))}</span></summary><div class="opened">{_contrasts(finding)}</div></details>'
    )


def _contrasts(finding: Finding) -> str:
    """Every contrast of a finding, the main one first."""
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
    """The bar of the effect with its interval, and beneath it that of the control."""
    measure = finding.measure
    bars = []
    if measure.known:
        bars.append(_bar(measure.value, ends, f"effect {finding.group or ''}"))
    if measure.has_interval:
        left, right = _at(measure.low, ends), _at(measure.high, ends)
        bars.append(f'<i class="interval" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>')
    if finding.control is not None and finding.control.measure.known:
        bars.append(_bar(finding.control.measure.value, ends, "control"))
    return "".join(bars)


def _bar(value: float, ends: tuple[float, float], kind: str) -> str:
    """A bar from the axis' origin, zero or the end nearest to it, to a value."""
    origin = _at(min(max(0.0, ends[0]), ends[1]), ends)
    at = _at(value, ends)
    left, width = min(origin, at), abs(at - origin)
    return f'<i class="{kind}" style="left:{left:.2f}%;width:{width:.2f}%"></i>'


def _axis(findings: Sequence[Finding], unit: Unit) -> tuple[float, float]:
    """The ends of an axis that holds all measures and controls."""
    measures = [finding.measure for finding in findings]
    measures += [finding.control.measure for finding in findings if finding.control is not None]
    values = np.array([(measure.value, measure.low, measure.high) for measure in measures])
    values = values[np.isfinite(values)]
    low, high = min([AXES[unit][0], *values]), max([AXES[unit][1], *values])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def _at(value: float, ends: tuple[float, float]) -> float:
    """Where a value lies between the ends, in percent."""
    return float(100 * (value - ends[0]) / (ends[1] - ends[0]))


def _escape(text: str) -> str:
    return html.escape(one_direction(text))
