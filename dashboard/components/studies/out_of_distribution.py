"""Out-of-distribution results: what the detector says of images that it was not made for."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.findings.finding import Finding
from core.findings.words import transfer
from core.studies.study import StudyResult
from dashboard.components.charts import style as charts
from dashboard.components.plain import figure_text, plain
from dashboard.components.studies import charts as evidence_charts
from dashboard.components.studies.downloads import study_download
from dashboard.components.studies.finding_words import bullets, strong
from dashboard.services.library import Opened

# findings of the study, in the order in which they are said
SAID = ("generators", "no_generators", "photographs", "filters", "confidence_generators", "confidence_photographs")


def chosen(answer: StudyResult, keys: Sequence[str] = SAID) -> list[Finding]:
    """The findings with these keys that there are, in this order."""
    return [one for key in keys if (one := answer.finding(key)) is not None]


def draw_transfer(opened: Opened, answer: StudyResult) -> None:
    """The sentences, and a chart of each kind of images."""
    if told := transfer.overall(answer.findings):
        st.markdown(strong(told))
    with st.grid(2, min_column_width=340, gap="large") as grid:
        with grid.cell():
            st.markdown("#### Pictures by other generators")
            _carried(opened, answer.finding("generators"), "generator", hue="REAL", x="called REAL, so they pass")
        with grid.cell():
            st.markdown("#### Ordinary photographs, made small by")
            _carried(opened, answer.finding("photographs"), "filter", hue="FAKE", x="called FAKE, so they are accused")
    bullets(chosen(answer))
    study_download(opened, answer)


def _carried(opened: Opened, found: Finding | None, kind: str, *, hue: str, x: str) -> None:
    """The share called one class under each choice of a kind, beside the run's own images of the other."""
    if found is None:
        st.caption("They were not available when this was measured.")
        return
    tried = [(one.value, one.measure) for one in found.choices if one.kind == kind]
    rows = pd.DataFrame([{"name": figure_text(name), **vars(measure)} for name, measure in tried])
    own = None if found.control is None else found.control.measure.value
    figure = evidence_charts.carried(rows, own=own, hue=hue, x=x)
    charts.show(figure, key=f"evidence.{found.key}", alt=f"Share called {hue}, by {kind}")
    st.caption(f"Dashed: {found.group} images of {plain(opened.run.manifest['set'])} that it calls {hue}.")
