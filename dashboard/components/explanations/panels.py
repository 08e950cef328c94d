"""The explanation panels that Inspect and Upload share: one a method, with its settings, diagnostics and files.

Each panel is a fragment: moving one of its controls redraws it and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation
from core.explainers.registry import explainers, find_explainer
from core.explainers.saving import Style, scale_of
from core.images.labels import ClassName
from core.perturbations.results import ProbeResult
from core.report.explanation import Beside
from dashboard.components.explanations.asking import Known, Subject, ask
from dashboard.components.explanations.choice import SCALE, draw_settings, question_of, style_now
from dashboard.components.explanations.files import page_download, result_downloads
from dashboard.components.explanations.follow import draw_ended, draw_progress, next_look
from dashboard.components.explanations.parts import parts_chart, reading_of
from dashboard.components.explanations.trust_line import draw_trust_line, trust_sentence
from dashboard.components.glossary import TERMS, explain, terms_in
from dashboard.components.images.picture import explained_picture
from dashboard.components.keys import key_of
from dashboard.components.plain import plain
from dashboard.components.polling import come_back
from dashboard.components.studies.finding_words import coloured
from dashboard.jobs import ExplainRequest, JobStatus

# seconds that a panel waits for its explanation: most are there by then, and need no coming back
PATIENCE = 0.3
DRAWN = "panels.drawn"


@dataclass(frozen=True, eq=False)
class SideBySide:
    """An image whose explanations stand side by side.

    Attributes:
        subject: the image.
        detectors: that are asked; the first one's layers are offered.
        methods: that explain it.
        stored: the first detector's map as the run has kept it.
    """

    subject: Subject
    detectors: Sequence[Known]
    methods: Sequence[AnyExplainer]
    stored: Explanation | None = None

    def status(self, detector: Known, explainer: AnyExplainer, *, patience: float = 0.0) -> JobStatus | None:
        """Return an explanation's status with the present settings, or a stored map's; None if it cannot be made."""
        if explainer.unavailable(detector.about):
            return None
        # a layer that only another detector has is as if none was asked for
        request, stored = question_of(explainer, detector.about), self.stored
        if stored and detector is self.detectors[0] and ExplainRequest(stored.method, stored.settings) == request:
            return JobStatus("done", stored, 1.0)
        image, slot = self.subject.image[None], key_of(request.method, detector.name)
        return ask(detector, image, self.subject.sha256, request, slot=slot, patience=patience)

    def finished(self, detector: Known) -> list[Explanation | None]:
        """Return the explanation by each method with its present settings, None where one is not done."""
        found = [self.status(detector, explainer) for explainer in self.methods]
        return [status.answer if status is not None and status.state == "done" else None for status in found]

    def interrupted(self) -> list[str]:
        """Return the titles of the methods whose explanations were stopped or failed."""
        found = {explainer.title: self.status(self.detectors[0], explainer) for explainer in self.methods}
        return [title for title, status in found.items() if status is None or status.state in ("stopped", "failed")]

    def states(self) -> tuple[tuple[object, ...], ...]:
        """Return the requests and states of explanations: by the first detector, of an experiment, by the others."""
        first, others = self.detectors[:1], self.detectors[1:]
        return (
            self._states(self.methods, first),
            self._states(self._asked(first[0]), first),
            self._states(self.methods, others),
        )

    def _states(self, methods: Sequence[AnyExplainer], detectors: Sequence[Known]) -> tuple[object, ...]:
        found: list[object] = []
        for explainer in methods:
            for detector in detectors:
                now = self.status(detector, explainer)
                found.append(question_of(explainer, detector.about))
                found.append(None if now is None else "busy" if now.busy else now.state)
        return tuple(found)

    def draw(self, grid: Any) -> None:
        """Draw a panel for each method, in cells of a grid."""
        for explainer in self.methods:
            # Streamlit recognises a fragment by its function and its place: each needs one of its own
            with grid.cell():
                st.fragment(explainer_panel)(self, explainer)

    def download(
        self,
        notes: Sequence[str] = (),
        *,
        label: ClassName | None = None,
        agreement: Sequence[str] = (),
        probes: ProbeResult | None = None,
    ) -> None:
        """Offer one file with all explanations by the first detector, once they are there; the rest as in `Beside`."""
        if st.session_state.get(DRAWN) is None:
            note_drawn(self)
        elif outdated():
            # the last answer came while the page was being drawn, and no panel waits for it any more
            st.rerun()
        own, *beside = (self.finished(detector) for detector in self.detectors)
        drawn = [
            # as in the panel
            (explanation, style_now(scale=_one_scale([explanation, *others]) if beside else None))
            for explanation, *others in zip(own, *beside, strict=True)
            if explanation is not None
        ]
        complete = drawn if len(drawn) == len(self.methods) else []
        first = self.detectors[0]
        placeless = [(one, style_now()) for one in self.placeless(first)]
        measured = {one.method: trust_sentence(first, one) for one, _ in complete}
        page_download(
            [*complete, *placeless] if complete else [],
            name=self.subject.name,
            notes=list(notes),
            beside=Beside(label, measured, agreement, probes),
            key="page.file",
        )

    def placeless(self, detector: Known) -> list[Explanation]:
        """Return the finished explanations, by parts without a place, of the experiment that the URL names."""
        stand = [self.status(detector, one) for one in self._asked(detector)]
        return [one.answer for one in stand if one is not None and one.state == "done"]

    @staticmethod
    def _asked(detector: Known) -> list[AnyExplainer]:
        asked = st.query_params.get("evidence", "")
        return [one for one in explainers(detector.about, with_map=False) if one.name == asked]


def explainer_panel(side: SideBySide, explainer: AnyExplainer) -> None:
    """Draw one image explained by one method for one or more detectors."""
    if outdated():
        # other settings than the page was drawn with: its comparison and its file are of the earlier ones
        st.rerun()
    # the title of a method that the glossary has
    title = [term for term in TERMS if term == explainer.title]
    st.markdown(f"#### {explainer.title}", help=explain(*title) or None)
    st.caption(explainer.sentence)
    _answers(side, explainer)
    draw_settings(explainer, side.detectors[0].about)


def _answers(side: SideBySide, explainer: AnyExplainer) -> None:
    """Draw the pictures of a panel, which come back by themselves while they are being made."""
    several = len(side.detectors) > 1

    def found(patience: float = 0.0) -> dict[str, JobStatus | None]:
        return {one.name: side.status(one, explainer, patience=patience) for one in side.detectors}

    found(PATIENCE)

    def draw() -> float | None:
        now = found()
        known = [one for one in now.values() if one is not None]
        style = style_now(scale=_one_scale([one.answer for one in known]) if several else None)
        beside = st.columns(len(side.detectors)) if several else [st.container()]
        for place, detector in zip(beside, side.detectors, strict=True):
            with place:
                if several:
                    st.markdown(f"**{plain(detector.name)}**")
                if (status := now[detector.name]) is not None:
                    _draw_answer(side.subject, detector, explainer, status, style)
                else:
                    st.caption(explainer.unavailable(detector.about))
        again = next_look(known)
        if again is None and outdated():
            # what compares the panels stands outside of them
            st.rerun()
        return again

    come_back(draw, key=explainer.name)


def _one_scale(answers: Sequence[Explanation | None]) -> float | None:
    """Return the scale that maps which stand side by side share, None where each has its own."""
    if SCALE.value == "own":
        return None
    scales = [scale_of(one) for one in answers if one is not None and one.has_picture]
    return max(scales, default=None)


def _draw_answer(subject: Subject, detector: Known, explainer: AnyExplainer, status: JobStatus, style: Style) -> None:
    key = key_of(explainer.name, detector.name)
    if status.answer is not None:
        draw_explanation(status.answer, key=key, style=style, by=detector)
        st.session_state[f"{key}.before"] = subject.sha256, status.answer
    elif status.busy:
        _draw_before(subject, key, style)
    first = "Working; the first time takes a few seconds, while the detector is read"
    draw_progress(status, key, "Refining" if status.answer is not None else first)
    draw_ended(status, key)
    if status.state == "done":
        result_downloads(status.answer, style, name=subject.name, key=f"{key}.files")


def _draw_before(subject: Subject, key: str, style: Style) -> None:
    """Draw the previous settings' map, dimmed, until the new one is done; a placeholder where there is none."""
    of, before = st.session_state.get(f"{key}.before", ("", None))
    if before is None or of != subject.sha256 or not before.has_picture:
        st.skeleton(height=260)
        return
    explained_picture(before, key=f"{key}.picture", style=style, dim=True)
    st.caption("This map still shows the previous settings.")


def draw_explanation(
    explanation: Explanation, *, key: str, style: Style, by: Known | None = None, alone: bool = False
) -> None:
    """An explanation as a picture, or as bars where it has no place in the image, and what its diagnostics say.

    Where a map decides nothing there is no picture, only the sentence.

    Args:
        explanation: of any method.
        key: what the keys of its elements begin with.
        style: how a map is drawn.
        by: the detector that is explained, to say what was measured of such maps; None where it is not here.
        alone: draw the map without the image, which is not available.
    """
    reading = find_explainer(explanation.method).reading(explanation)
    sentence = explanation.diagnostics.sentence or "The map varies and shows evidence for both classes."
    help = explain(*terms_in(sentence), also=reading)
    if explanation.has_picture:
        style = replace(style, drawing="alone") if alone else style
        explained_picture(explanation, key=f"{key}.picture", style=style, blind=alone)
        if by is not None:
            draw_trust_line(by, find_explainer(explanation.method), explanation)
        st.caption(sentence, help=help)
    elif explanation.values is not None:
        st.markdown(sentence, help=help)
    elif explanation.parts is not None:
        st.markdown(coloured(sentence), help=help)
        parts_chart(explanation, key=f"{key}.parts")
        st.caption(reading_of(explanation.parts))


def stored_panel(stored: Explanation, *, alone: bool) -> None:
    """The map that the run has kept, where nothing else can be had; `alone` where there is no picture under it."""
    height, width = stored.map.shape
    st.markdown(f"#### {find_explainer(stored.method).title}", help=explain("Margin map"))
    st.caption(f"The run's own map, {height} x {width} positions.")
    draw_explanation(stored, key="stored", style=style_now(), alone=alone)


def forget_drawn() -> None:
    """Begin to draw a page with panels."""
    st.session_state[DRAWN] = None


def note_drawn(side: SideBySide) -> None:
    """Remember how the explanations stand when what compares them is about to be drawn."""
    st.session_state[DRAWN] = side, side.states()


def outdated() -> bool:
    """Check whether the page around the panels was drawn from other explanations than there are now.

    True as soon as other settings are asked for, else once all of a group, side by side or of an experiment, end.
    """
    drawn: tuple[SideBySide, tuple[tuple[object, ...], ...]] | None = st.session_state.get(DRAWN)
    if drawn is None:
        return False
    side, before = drawn
    return any(
        now[::2] != then[::2] or ("busy" not in now and now != then)
        for now, then in zip(side.states(), before, strict=True)
    )
