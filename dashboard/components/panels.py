"""The explanation panels that Inspect and Upload share: one a method, with its settings, diagnostics and files.

Each panel is a fragment: moving one of its controls redraws it and nothing else, unless the page around it compares
what it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from core.explainers.drawing import Style, scale_of
from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation
from core.explainers.probing import ProbeResult
from core.explainers.registry import explainers, find_explainer
from core.findings.numbers import plus
from core.images.labels import ClassName
from core.report.explanation import Beside, html_of
from dashboard.components.choice import draw_settings, question_of, style_now
from dashboard.components.component import key_of
from dashboard.components.downloads import file_button
from dashboard.components.explanation import draw_explanation, result_downloads, trust_sentence
from dashboard.components.glossary import TERMS, explain
from dashboard.components.picture import explained_picture
from dashboard.components.plain import plain
from dashboard.components.requests import (
    DetectorHandle,
    Subject,
    any_busy,
    ask,
    draw_ended,
    draw_progress,
    keep_up,
    poll,
)
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.jobs import ExplainRequest, JobStatus, Prediction, PredictRequest

# seconds that a panel waits for its explanation: most are there by then, and need no polling
PATIENCE = 0.3
DRAWN = "panels.drawn"


@dataclass(frozen=True, eq=False)
class SideBySide:
    """An image whose explanations stand side by side.

    Attributes:
        subject: the image.
        detectors: that are asked; the first one's layers are offered.
        methods: that explain it.
        stored: the first detector's map as the run has stored it.
    """

    subject: Subject
    detectors: Sequence[DetectorHandle]
    methods: Sequence[AnyExplainer]
    stored: Explanation | None = None

    def status(self, detector: DetectorHandle, explainer: AnyExplainer, *, patience: float = 0.0) -> JobStatus | None:
        """Return an explanation's status with the present settings, or a stored map's; None if it cannot be made."""
        if explainer.unavailable(detector.about):
            return None
        # a layer that only another detector has is as if none was asked for
        request, stored = question_of(explainer, detector.about), self.stored
        if stored and detector is self.detectors[0] and ExplainRequest(stored.method, stored.settings) == request:
            return JobStatus("done", stored, 1.0)
        image, slot = self.subject.image[None], key_of(request.method, detector.name)
        return ask(detector, image, request, sha256=self.subject.sha256, slot=slot, patience=patience)

    def finished(self, detector: DetectorHandle) -> list[Explanation | None]:
        """Return the explanation by each method with its present settings, None where one is not done."""
        found = [self.status(detector, explainer) for explainer in self.methods]
        return [status.answer if status is not None and status.state == "done" else None for status in found]

    def states(self) -> tuple[tuple[object, ...], ...]:
        """Return the requests and states of explanations: by the first detector, of an experiment, by the others."""
        first, others = self.detectors[:1], self.detectors[1:]
        return (
            self._states(self.methods, first),
            self._states(self._asked(first[0]), first),
            self._states(self.methods, others),
        )

    def _states(self, methods: Sequence[AnyExplainer], detectors: Sequence[DetectorHandle]) -> tuple[object, ...]:
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
        first = self.detectors[0]
        statuses = [self.status(first, explainer) for explainer in self._asked(first)]
        placeless = [(now.answer, style_now()) for now in statuses if now is not None and now.state == "done"]
        whole = [*drawn, *placeless] if len(drawn) == len(self.methods) else []
        measured = {explanation.method: trust_sentence(first, explanation) for explanation, _ in drawn}
        name = self.subject.name
        around = Beside(label, measured, agreement, probes)
        file_button(
            "Whole explanation as a page",
            lambda: html_of(whole, title=name, notes=list(notes), beside=around).encode(),
            file_name=f"{Path(name).stem}-explained.html",
            mime="text/html",
            key="page.file",
            icon=":material/article:",
            disabled=not whole,
            help="One self-contained page with the image, its explanations, how far to trust them, and the experiments "
            "that were made here: to keep or to send."
            if whole
            else "Available once all explanations are complete.",
        )

    @staticmethod
    def _asked(detector: DetectorHandle) -> list[AnyExplainer]:
        """Return the experiment that the URL names, where it is an explanation by parts without a place."""
        asked = st.query_params.get("evidence", "")
        return [explainer for explainer in explainers(detector.about, with_map=False) if explainer.name == asked]


def explainer_panel(side: SideBySide, explainer: AnyExplainer) -> None:
    """Draw one image explained by one method for one or more detectors."""
    if outdated():
        # other settings than the page was drawn with: its comparison and its file are of the earlier ones
        st.rerun()
    st.markdown(f"#### {explainer.title}", help=explain(*(term for term in TERMS if term == explainer.title)) or None)
    st.caption(explainer.sentence)
    several = len(side.detectors) > 1

    def statuses(patience: float = 0.0) -> list[JobStatus | None]:
        return [side.status(detector, explainer, patience=patience) for detector in side.detectors]

    def draw() -> bool:
        now = statuses()
        answers = [status.answer for status in now if status is not None]
        style = style_now(scale=_one_scale(answers) if several else None)
        beside = st.columns(len(side.detectors)) if several else [st.container()]
        for place, detector, status in zip(beside, side.detectors, now, strict=True):
            with place:
                if several:
                    st.markdown(f"**{plain(detector.name)}**")
                if status is not None:
                    _draw_answer(side.subject, detector, explainer, status, style)
                else:
                    st.caption(explainer.unavailable(detector.about))
        return any_busy(now)

    poll(draw, busy=any_busy(statuses(PATIENCE)))
    if outdated():
        # what compares the panels stands outside of them
        st.rerun()
    draw_settings(explainer, side.detectors[0].about)


def _one_scale(answers: Sequence[Explanation | None]) -> float | None:
    """Return the scale that maps which stand side by side share, None without a map."""
    scales = [scale_of(answer) for answer in answers if answer is not None and answer.has_picture]
    return max(scales, default=None)


def _draw_answer(
    subject: Subject, detector: DetectorHandle, explainer: AnyExplainer, status: JobStatus, style: Style
) -> None:
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


def stored_panel(stored: Explanation, *, alone: bool) -> None:
    """Draw the map that the run has stored, where nothing else can be had; `alone` where there is no picture."""
    height, width = stored.map.shape
    st.markdown(f"#### {find_explainer(stored.method).title}", help=explain("Margin map"))
    st.caption(f"The run's own map, {height} x {width} positions.")
    draw_explanation(stored, key="stored", style=style_now(), alone=alone)


def verdict_line(subject: Subject, detector: DetectorHandle, stored: Explanation | None) -> None:
    """Draw a detector's prediction of an image in one line; `stored` is its map as the run has stored it."""
    if stored is not None:
        _draw_verdict(detector, stored.margin, stored.p_real)
        return
    slot = key_of("verdict", detector.name)

    def status() -> JobStatus:
        return ask(detector, subject.image[None], PredictRequest(), sha256=subject.sha256, slot=slot)

    def show(now: JobStatus) -> None:
        found: Prediction | None = now.answer
        if found is not None:
            _draw_verdict(detector, float(found.margins[0]), float(found.p_real[0]))
        elif now.busy:
            st.caption(f"**{plain(detector.name)}** is being asked")

    keep_up(status, show, slot=slot)


def _draw_verdict(detector: DetectorHandle, margin: float, p_real: float) -> None:
    verdict, sure = ("REAL", p_real) if margin > 0 else ("FAKE", 1 - p_real)
    st.markdown(
        f"**{plain(detector.name)}**: {CLASS_WORDS[verdict]}, {percent(sure)} sure, margin {plus(margin)}",
        help=explain("Confidence", "Margin"),
    )


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
