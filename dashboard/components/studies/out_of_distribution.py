"""Out-of-distribution results: what the detector says of images that it was not made for."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.findings.finding import Finding
from core.findings.words import transfer
from core.studies.result import StudyResult
from dashboard.components.charts import style as charts
from dashboard.components.plain import figure_text, plain
from dashboard.components.studies import charts as evidence_charts
from dashboard.components.studies.downloads import study_download
from dashboard.components.studies.finding_words import bullets, strong
from dashboard.library import Opened

# finding -> heading, what its chart tells apart, the class that is counted
GROUPS = {
    "large": ("Drawn large, resized with", "filter", "REAL"),
    "imitations": ("Imitations of {} by", "generator", "REAL"),
    "photographs": ("Ordinary photographs, resized with", "filter", "FAKE"),
}


def chosen(answer: StudyResult, keys: Sequence[str]) -> list[Finding]:
    """The findings with these keys that there are, in this order."""
    return [one for key in keys if (one := answer.finding(key)) is not None]


def draw_transfer(opened: Opened, answer: StudyResult) -> None:
    """For each group of images a chart and its sentences; how sure the detector sounds, folded away."""
    if told := transfer.overall(answer.findings):
        st.markdown(strong(told))
    with st.grid(3, min_column_width=270, gap="large") as grid:
        for one in chosen(answer, tuple(GROUPS)):
            with grid.cell():
                _carried(opened, one)
                bullets(chosen(answer, (one.key, f"filters_{one.key}")))
    if sure := chosen(answer, [f"confidence_{key}" for key in GROUPS]):
        with st.expander("How sure it sounds"):
            bullets(sure)
    study_download(opened, answer)


def _carried(opened: Opened, found: Finding) -> None:
    """The share called the other class under each choice of a kind, beside the run's own images."""
    heading, kind, called = GROUPS[found.key]
    st.markdown(f"#### {heading.format(plain(str(found.details.get('imitates', ''))))}")
    tried = [(one.value, one.measure) for one in found.choices if one.kind == kind]
    if not tried:
        return
    rows = pd.DataFrame([{"name": figure_text(name), **vars(measure)} for name, measure in tried])
    own = None if found.control is None else found.control.measure.value
    figure = evidence_charts.carried(rows, own=own, hue=called, x=f"called {called}")
    charts.show(figure, key=f"evidence.{found.key}", alt=f"Share called {called}, by {kind}")
    if found.control is not None:
        st.caption(f"Dashed: {found.group} images of {plain(opened.run.manifest['set'])} that it calls {called}.")
