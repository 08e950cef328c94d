"""One detector's prediction of an image in one line."""

import streamlit as st

from core.explainers.explanation import Explanation
from core.findings.numbers import plus
from dashboard.components.explanations.asking import Known, Subject, ask
from dashboard.components.explanations.follow import keep_up
from dashboard.components.glossary import explain
from dashboard.components.keys import key_of
from dashboard.components.plain import plain
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.jobs import JobStatus, Prediction, PredictRequest


def verdict_line(subject: Subject, detector: Known, stored: Explanation | None) -> None:
    """Draw one detector's prediction of an image in one line; `stored` is its map as the run has kept it."""
    if stored is not None:
        _draw_verdict(detector, stored.margin, stored.p_real)
        return
    slot = key_of("verdict", detector.name)

    def stand() -> JobStatus:
        return ask(detector, subject.image[None], subject.sha256, PredictRequest(), slot=slot)

    def show(now: JobStatus) -> None:
        found: Prediction | None = now.answer
        if found is not None:
            _draw_verdict(detector, float(found.margins[0]), float(found.p_real[0]))
        elif now.busy:
            st.caption(f"**{plain(detector.name)}** is being asked")

    keep_up(stand, show, slot=slot)


def _draw_verdict(detector: Known, margin: float, p_real: float) -> None:
    verdict, sure = ("REAL", p_real) if margin > 0 else ("FAKE", 1 - p_real)
    st.markdown(
        f"**{plain(detector.name)}**: {CLASS_WORDS[verdict]}, {percent(sure)} sure, margin {plus(margin)}",
        help=explain("Confidence", "Margin"),
    )
