"""The finding table, and bars of shares; both are plain HTML.

Streamlit lacks a table whose rows open, and bars with an interval and a control beneath: its progress columns have one
value each.
"""

import html
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from core.console import one_direction
from core.findings.bars import FindingTable
from core.findings.contrast import Contrast, Finding
from core.findings.numbers import percent
from core.images.palette import CLASS_COLOURS, GREY
from dashboard.components.component import opens_all

STYLE = f"<style>{Path(__file__).with_suffix('.css').read_text('utf-8')}</style>"


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


def draw_bars(bars: Iterable[Bar]) -> None:
    """Draw shares as labelled bars, a row each."""
    shown = list(bars)
    rows = [
        f'<div class="bar"><span>{html.escape(one_direction(bar.label))}</span><span class="track">'
        f'<i style="width:{100 * bar.share:.1f}%;background:{bar.colour}"></i></span>'
        f"<b>{percent(bar.share, 0)}</b></div>"
        for bar in shown
    ]
    widest = max((len(bar.label) for bar in shown), default=0)
    st.html(f'{STYLE}<div class="bars" style="--label:{widest / 2:.0f}em">{"".join(rows)}</div>')


def bars_of(found: Finding | Contrast, label: str, verdict: str, control: str = "control") -> list[Bar]:
    """Return the bars of a finding, or a contrast, in shares: the effect in the colour of a class, and its control."""
    bars = [Bar(label, found.measure.value, CLASS_COLOURS[verdict])]
    if found.control is not None:
        bars.append(Bar(control or found.control.name, found.control.measure.value))
    return bars


def finding_table(findings: Iterable[Finding], *, only: str = "") -> None:
    """Draw findings, a row each: question, effect and control as bars, n, answer; a row opens on its contrasts.

    Args:
        findings: to draw.
        only: what the keys of those that are drawn begin with.
    """
    shown = [finding for finding in findings if finding.key.startswith(only)]
    if not shown:
        st.caption("These images allow no conclusion.")
        return
    st.html(FindingTable(shown, is_open=opens_all()).__html__())
