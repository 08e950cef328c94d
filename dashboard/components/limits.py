"""Limits of a detector: always stated, with measured rates where there are any."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.detectors.identity import Identified
from core.detectors.manifest import OLD_SIDE
from core.findings.finding import Finding
from core.findings.words import tell, transfer
from core.storage import ContractError
from core.studies.result import StudyResult
from dashboard import catalogue, library
from dashboard.components import charts
from dashboard.components import charts as evidence_charts
from dashboard.components.plain import figure_text, plain, with_code
from dashboard.components.study import bullets, markdown, strong, study_download
from dashboard.library import Opened
from dashboard.visitors import for_visitors

# findings of the study `transfer` that say most
RATES = ("large", "imitations", "photographs", "filters_large", "filters_photographs")


def draw_limits(detector: Identified | None = None) -> None:
    """The statement, and the rates that the study `transfer` has measured where there is one.

    Args:
        detector: the one that is asked; None where there is none.
    """
    with st.container(border=True):
        st.markdown(
            f"**What this detector can know.** {_seen(detector)} On other pictures it still says REAL or FAKE, and "
            "often sounds sure. Its verdict is not evidence about any real-world picture, and must not be used against "
            "anyone."
        )
        if detector is not None and (answer := _measured(detector)) is not None:
            _draw_rates(answer)


def draw_reach(detector: Identified) -> None:
    """Draw what limits a detector: what it has seen, and what was measured beyond that; each rate folded."""
    st.markdown(f"**Its limits.** {_seen(detector)} {reach(detector)}")
    if (answer := _measured(detector)) is not None:
        with st.expander("Every error rate on other kinds of image"):
            bullets(chosen(answer, RATES))


def reach(detector: Identified) -> str:
    """What a detector does beyond images like its own in one sentence; "" where that is not known."""
    try:
        answer = library.study_by(detector.identity, "transfer")
        return strong(told) if answer is not None and (told := transfer.overall(answer.findings)) else ""
    except ContractError:
        # `_measured` says why, right below
        return ""


def _measured(detector: Identified) -> StudyResult | None:
    """The study `transfer` of a detector; None, and why, where there is none that can be read."""
    try:
        answer = library.study_by(detector.identity, "transfer")
        if answer is not None:
            _ = answer.findings
    except ContractError as error:
        st.caption(with_code(for_visitors(error, homes=catalogue.homes())))
        return None
    if answer is None:
        st.caption(
            "How often it errs on other generators and on ordinary photographs has not been measured for this detector."
        )
    return answer


def _seen(detector: Identified | None) -> str:
    """Say what a detector was trained on, and what not, as far as that is known."""
    trained_on = "cifake-train" if detector is None else str(detector.manifest.get("training_set", ""))
    side = OLD_SIDE if detector is None else detector.about.side
    if not trained_on:
        return "What it was trained on is not known here."
    if trained_on.startswith("sample"):
        seen = f"{side} x {side} crops of five photographs and one small generator's redrawings of them"
    elif trained_on.startswith("cifake"):
        seen = (
            f"{side} x {side} photographs of ten kinds of things and the pictures that one image generator made of the "
            "same things"
        )
    else:
        return f"It has seen the {side} x {side} images of {plain(trained_on)}, and nothing else."
    # one of the sample's photographs is a portrait
    portrait = "" if trained_on.startswith("sample") else "a portrait, "
    never = f"It was never shown another generator, {portrait}a screenshot or a drawing."
    return f"It has seen {seen}, and nothing else. {never}"


def _draw_rates(answer: StudyResult) -> None:
    told = [tell(one) for one in chosen(answer, RATES)]
    st.markdown("\n".join(f"- {markdown(one.answer)}" for one in told))
    with st.expander("All measurements"):
        bullets(answer.findings)
        st.caption(plain(f"{answer.about.get('question', '')} Compared with: {answer.about.get('control', '')}"))


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
