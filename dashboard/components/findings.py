"""The finding table, the one way in which pages show findings, and bars of shares; both are plain HTML."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st

from core.console import one_direction
from core.findings.claims import claim_status
from core.findings.finding import Finding, Unit
from core.findings.numbers import format_difference, format_measure, percent, signed
from core.findings.table import choices_text
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
# status -> Material icon
ICONS = {
    "holds": "check_circle",
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
    """Draw findings, a row each: headline, effect and control on an axis, status; a row opens on its choices."""
    shown = list(findings)
    if not shown:
        st.caption("These images allow no conclusion.")
        return
    is_open = ALL in st.query_params.get(OPEN, "").split(".")
    units = dict.fromkeys(finding.about.unit for finding in shown)
    parts = ([row for row in shown if row.about.unit == unit] for unit in units)
    st.html(STYLE + "".join(_table(part, is_open=is_open) for part in parts))


def _table(findings: Sequence[Finding], *, is_open: bool) -> str:
    """The HTML of findings in one unit; strangers' text is escaped."""
    unit = findings[0].about.unit
    ends = _axis(findings, unit)
    ticks = (percent(value, 0) if unit == "share" else signed(value) for value in (ends[0], sum(ends) / 2, ends[1]))
    groups = sorted({finding.group for finding in findings if finding.group in CLASSES})
    names = [*(f'<i class="mark {name}"></i>{name} verdicts' for name in groups), '<i class="mark control"></i>control']
    rows, before = "", ""
    for finding in findings:
        rows += _row(finding, ends, is_open=is_open, again=finding.headline == before)
        before = finding.headline
    return (
        f'<div class="findings"><div class="head"><span>{" &nbsp; ".join(names)}</span>'
        f'<span class="ticks" aria-hidden="true">{"".join(f"<i>{tick}</i>" for tick in ticks)}</span>'
        f"<span></span><span></span></div>{rows}</div>"
    )


def _row(finding: Finding, ends: tuple[float, float], *, is_open: bool, again: bool) -> str:
    """A finding as a row that opens; where the row before has the same headline, only what it is about is written."""
    unit, status, control = finding.about.unit, claim_status(finding), finding.control
    about = " · ".join(filter(None, (finding.group and f"{finding.group} verdicts", finding.subject)))
    effect = format_measure(finding.measure, unit)
    beside = format_measure(control.measure, unit) if control else ""
    spoken = f"{effect}; control {beside}" if control else effect
    short, beside = (text.partition(" (")[0] for text in (effect, beside))
    return (
        f'<details{" open" if is_open else ""}><summary><span class="say">'
        f"{'' if again and about else f'<b>{_escape(finding.headline)}</b>'}<small>{_escape(about)}</small></span>"
        f'<span class="axis" role="img" aria-label="{_escape(spoken)}">{_marks(finding, ends)}</span>'
        f'<span class="number">{short}{beside and f"<small>{beside}</small>"}</span>'
        f'<span class="status"><i aria-hidden="true">{ICONS[status.kind]}</i>{_escape(str(status))}</span>'
        f'</summary><div class="opened">{_numbers(finding)}</div></details>'
    )


def _numbers(finding: Finding) -> str:
    """The numbers of a finding, and beneath what each choice made of them."""
    unit, control = finding.about.unit, finding.control
    rows = {
        "Question": finding.question,
        finding.about.label[:1].upper() + finding.about.label[1:]: format_measure(finding.measure, unit),
        "Control": f"{format_measure(control.measure, unit)}, {control.name}" if control else "none",
        "Difference": format_difference(finding.difference, unit) if finding.difference else "",
        "Images": f"{finding.measure.n:,}" if finding.measure.n else "",
    }
    listed = "".join(f"<dt>{_escape(name)}</dt><dd>{_escape(text)}</dd>" for name, text in rows.items() if text)
    choices = choices_text(finding)
    choices = choices.loc[:, (choices != "").any()].map(one_direction)
    return f"<dl>{listed}</dl>{choices.to_html(index=False, border=0) if len(choices) else ''}"


def _marks(finding: Finding, ends: tuple[float, float]) -> str:
    """The interval, the mark of the control, and that of the effect."""
    measure, control = finding.measure, finding.control
    marks = []
    if control is not None and control.measure.known:
        marks.append(f'<i class="mark control" style="left:{_at(control.measure.value, ends):.2f}%"></i>')
    if measure.has_interval:
        left, right = _at(measure.low, ends), _at(measure.high, ends)
        marks.append(f'<i class="interval" style="left:{left:.2f}%;width:{right - left:.2f}%"></i>')
    if measure.known:
        marks.append(f'<i class="mark {finding.group or ""}" style="left:{_at(measure.value, ends):.2f}%"></i>')
    return "".join(marks)


def _axis(findings: Sequence[Finding], unit: Unit) -> tuple[float, float]:
    """The ends of an axis that holds all measures and controls."""
    measures = [of.measure for finding in findings for of in (finding, finding.control) if of is not None]
    values = np.array([(measure.value, measure.low, measure.high) for measure in measures])
    values = values[np.isfinite(values)]
    low, high = min([AXES[unit][0], *values]), max([AXES[unit][1], *values])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def _at(value: float, ends: tuple[float, float]) -> float:
    """Where a value lies between the ends, in percent."""
    return float(100 * (value - ends[0]) / (ends[1] - ends[0]))


def _escape(text: str) -> str:
    return html.escape(one_direction(text))
