"""The explanation panels that Inspect and Upload share: one a method, with its settings, diagnostics and files.

Each panel is a fragment: moving one of its controls redraws it and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.explainers.saving import Style, scale_of
from dashboard.components.explanations.asking import Known, Subject, ask, visitor, worker
from dashboard.components.explanations.choice import draw_settings, question_of, style_now
from dashboard.components.explanations.files import page_download, result_downloads
from dashboard.components.explanations.follow import draw_ended, keep_up, next_look, waiting
from dashboard.components.explanations.parts import parts_chart, reading_of
from dashboard.components.glossary import TERMS, explain, terms_in
from dashboard.components.images.picture import explained_picture
from dashboard.components.keys import key_of
from dashboard.components.plain import plain
from dashboard.components.polling import come_back
from dashboard.components.studies.finding_words import coloured
from dashboard.components.words import CLASS_WORDS, percent, remaining
from dashboard.services.requests import Explain, Look, Looked
from dashboard.services.worker import Standing

# seconds that a panel waits for its explanation: most are there by then, and need no coming back
PATIENCE = 0.3
Methods = Sequence[AnyExplainer]


def panels_of(
    grid: Any,
    subject: Subject,
    detectors: Sequence[Known],
    methods: Methods,
    stored: Explanation | None = None,
) -> None:
    """A panel for each method, in cells of a grid; see `explainer_panel`."""
    for explainer in methods:
        # Streamlit knows a fragment by its function and its place: each needs one of its own
        with grid.cell():
            st.fragment(explainer_panel)(subject, detectors, explainer, stored)


def explainer_panel(
    subject: Subject, detectors: Sequence[Known], explainer: AnyExplainer, stored: Explanation | None = None
) -> None:
    """One image explained by one method for one or more detectors.

    Args:
        subject: the image.
        detectors: who is asked; the first one's layers are offered.
        explainer: the method.
        stored: the first detector's map as the run has kept it.
    """
    # the title of a method that the glossary has
    title = [term for term in TERMS if term == explainer.title]
    st.markdown(f"#### {explainer.title}", help=explain(*title) or None)
    st.caption(explainer.sentence)
    _answers(subject, detectors, explainer, stored)
    draw_settings(explainer, detectors[0].about)


def _answers(subject: Subject, detectors: Sequence[Known], explainer: AnyExplainer, stored: Explanation | None) -> None:
    """The pictures of a panel, which come back by themselves while they are being made."""
    able = [detector for detector in detectors if not explainer.unavailable(detector.about)]

    def stand(patience: float = 0.0) -> dict[str, Standing]:
        return {
            detector.name: _standing(
                subject, detector, explainer, stored if detector is detectors[0] else None, patience=patience
            )
            for detector in able
        }

    stand(PATIENCE)

    def draw() -> float | None:
        now = stand()
        # one scale for what stands side by side
        style = style_now(scale=_one_scale([one.answer for one in now.values()]) if len(detectors) > 1 else None)
        beside = st.columns(len(detectors)) if len(detectors) > 1 else [st.container()]
        for place, detector in zip(beside, detectors, strict=True):
            with place:
                if len(detectors) > 1:
                    st.markdown(f"**{plain(detector.name)}**")
                if detector.name in now:
                    _draw_answer(subject, detector, explainer, now[detector.name], style)
                else:
                    st.caption(explainer.unavailable(detector.about))
        again = next_look(list(now.values()))
        if again is None and outdated():
            # what compares the panels stands outside of them
            st.rerun()
        return again

    come_back(draw, key=explainer.name)


def _standing(
    subject: Subject, detector: Known, explainer: AnyExplainer, stored: Explanation | None, *, patience: float = 0.0
) -> Standing:
    """How an explanation with the present settings stands; `stored` is the answer where it is what is asked for."""
    # a layer that only another detector has is as if none was asked for
    question = question_of(explainer, detector.about)
    if stored is not None and Explain(stored.method, stored.settings) == question:
        return Standing("done", stored, 1.0)
    slot = key_of(question.method, detector.name)
    return ask(detector, subject.image[None], subject.sha256, question, slot=slot, patience=patience)


def _one_scale(answers: Sequence[Explanation | None]) -> float | None:
    """The scale that maps which stand beside each other share, None without any."""
    scales = [scale_of(one) for one in answers if one is not None and one.has_picture]
    return max(scales, default=None)


def _draw_answer(subject: Subject, detector: Known, explainer: AnyExplainer, standing: Standing, style: Style) -> None:
    key = key_of(explainer.name, detector.name)
    if standing.answer is not None:
        draw_explanation(standing.answer, key=key, style=style)
    elif standing.busy:
        st.skeleton(height=260)
    if standing.busy:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(standing.share, _doing(standing))
            st.button("Stop", key=f"{key}.stop", on_click=worker().stop, args=(visitor(), key), type="tertiary")
    draw_ended(standing, key)
    if standing.state == "done":
        result_downloads(standing.answer, style, name=subject.name, key=f"{key}.files")


def draw_explanation(explanation: Explanation, *, key: str, style: Style, alone: bool = False) -> None:
    """An explanation as a picture, or as bars where it has no place in the image, and what its diagnostics say.

    Where a map decides nothing there is no picture, only the sentence.

    Args:
        explanation: of any method.
        key: what the keys of its elements begin with.
        style: how a map is drawn.
        alone: draw the map without the image, which is not at hand.
    """
    reading = find_explainer(explanation.method).reading(explanation)
    sentence = explanation.diagnostics.sentence or "Both signs, and not flat: the map points somewhere."
    help = explain(*terms_in(sentence), also=reading)
    if explanation.has_picture:
        explained_picture(explanation, key=f"{key}.picture", style=style, alone=alone)
        st.caption(sentence, help=help)
    elif explanation.values is not None:
        st.markdown(sentence, help=help)
    elif explanation.parts is not None:
        st.markdown(coloured(sentence), help=help)
        parts_chart(explanation, key=f"{key}.parts")
        st.caption(reading_of(explanation.parts))


def _doing(standing: Standing) -> str:
    """What is being done for a panel, or waited for."""
    if said := waiting(standing):
        return said
    first = "Working; the first time takes a few seconds, while the detector is read"
    left = f", {remaining(standing.seconds_left)}" if standing.seconds_left is not None else ""
    return ("Refining" if standing.answer is not None else first) + left


def verdict_line(subject: Subject, detector: Known, stored: Explanation | None) -> None:
    """What one detector says of an image, in one line; `stored` is its map as the run has kept it."""
    if stored is not None:
        _draw_verdict(detector, stored.margin, stored.p_real)
        return
    slot = key_of("verdict", detector.name)

    def stand() -> Standing:
        return ask(detector, subject.image[None], subject.sha256, Look(), slot=slot)

    def show(now: Standing) -> None:
        found: Looked | None = now.answer
        if found is not None:
            _draw_verdict(detector, float(found.margins[0]), float(found.p_real[0]))
        elif now.busy:
            st.caption(f"**{plain(detector.name)}** is being asked")

    keep_up(stand, show, slot=slot)


def _draw_verdict(detector: Known, margin: float, p_real: float) -> None:
    verdict, sure = ("REAL", p_real) if margin > 0 else ("FAKE", 1 - p_real)
    st.markdown(
        f"**{plain(detector.name)}**: {CLASS_WORDS[verdict]}, {percent(sure)} sure, margin {margin:+.2f}",
        help=explain("Confidence", "Margin"),
    )


def stored_panel(stored: Explanation, *, alone: bool) -> None:
    """The map that the run has kept, where nothing else can be had; `alone` where there is no picture under it."""
    height, width = stored.map.shape
    st.markdown(f"#### {find_explainer(stored.method).title}", help=explain("Margin map"))
    st.caption(f"The run's own map, {height} x {width} positions.")
    draw_explanation(stored, key="stored", style=style_now(), alone=alone)


def finished(
    subject: Subject, detector: Known, methods: Methods, stored: Explanation | None
) -> list[Explanation | None]:
    """The explanation by each method with its present settings, None where one is not done."""
    found = [_stands(subject, detector, explainer, stored) for explainer in methods]
    return [standing.answer if standing is not None and standing.state == "done" else None for standing in found]


def interrupted(subject: Subject, detector: Known, methods: Methods, stored: Explanation | None) -> list[str]:
    """The methods whose explanations were stopped or failed, and so come to no end by themselves."""
    found = {explainer.title: _stands(subject, detector, explainer, stored) for explainer in methods}
    return [title for title, standing in found.items() if standing is None or standing.state in ("stopped", "failed")]


def _stands(subject: Subject, detector: Known, explainer: AnyExplainer, stored: Explanation | None) -> Standing | None:
    """How the explanation by a method with its present settings stands, None where it cannot explain the detector."""
    if explainer.unavailable(detector.about):
        return None
    return _standing(subject, detector, explainer, stored)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What the page outside of the panels was drawn of."""

    subject: Subject
    detector: Known
    methods: Methods
    stored: Explanation | None
    stood: tuple[object, ...]


def forget_drawn() -> None:
    """A page with panels is about to be drawn."""
    st.session_state["panels.drawn"] = None


def note_drawn(subject: Subject, detector: Known, methods: Methods, stored: Explanation | None) -> None:
    """What compares the panels is about to be drawn: remember how they stand now."""
    stood = _stood(subject, detector, methods, stored)
    st.session_state["panels.drawn"] = _Drawn(subject, detector, methods, stored, stood)


def outdated() -> bool:
    """Whether all panels have come to an end, and another one than the page around them was drawn of."""
    drawn: _Drawn | None = st.session_state.get("panels.drawn")
    if drawn is None:
        return False
    now = _stood(drawn.subject, drawn.detector, drawn.methods, drawn.stored)
    return "busy" not in now and now != drawn.stood


def _stood(subject: Subject, detector: Known, methods: Methods, stored: Explanation | None) -> tuple[object, ...]:
    """Which explanations are wanted, and how each stands."""
    stood: list[object] = []
    for explainer in methods:
        now = _stands(subject, detector, explainer, stored)
        stood += [question_of(explainer, detector.about), None if now is None else "busy" if now.busy else now.state]
    return tuple(stood)


def page_row(
    subject: Subject,
    detectors: Sequence[Known],
    methods: Methods,
    stored: Explanation | None,
    notes: Sequence[str] = (),
) -> None:
    """The file that holds everything of the first detector, once all of its explanations are there."""
    if st.session_state.get("panels.drawn") is None:
        note_drawn(subject, detectors[0], methods, stored)
    elif outdated():
        # the last answer came while the page was being drawn, and no panel waits for it any more
        st.rerun()
    own = finished(subject, detectors[0], methods, stored)
    beside = [finished(subject, detector, methods, None) for detector in detectors[1:]]
    drawn = [
        # as in the panel: one scale for what stands side by side
        (explanation, style_now(scale=_one_scale([explanation, *others]) if beside else None))
        for explanation, *others in zip(own, *beside, strict=True)
        if explanation is not None
    ]
    page_download(drawn if len(drawn) == len(methods) else [], name=subject.name, notes=list(notes), key="page.file")
