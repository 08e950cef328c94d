"""Explanations of one image side by side, beside a random map: their settings, whether they agree, and their files.

One fragment draws all of it from the settings in the address, so that nothing of earlier settings is shown or saved
without saying so.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.arrays import Float32, Pixels
from core.detectors.identity import DetectorHandle
from core.explainers.cam import stored_map
from core.explainers.drawing import Style, draw_explanation, npz_of
from core.explainers.exact import EXACT
from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import Explanation, shuffled
from core.explainers.registry import find_explainer
from core.findings.answer import Word, answer_of
from core.findings.contrast import Finding
from core.images.encoding import encode_png
from core.images.labels import ClassName
from core.report.explanation_page import compared, html_of
from core.report.slide import Story, draw_slide
from core.runs.rows import evenly
from core.storage.limits import ContractError
from core.storage.memory import lazy_property
from core.studies.store import StudyResult
from dashboard import library
from dashboard.components.component import file_button, key_of, nothing, opens_all
from dashboard.components.picture import explained_picture
from dashboard.components.probing import last_changes
from dashboard.components.requests import Subject, ask, draw_status, pace, poll
from dashboard.components.settings import chosen_methods, draw_strip, request_of, style_now
from dashboard.components.words import explain, plain, terms_in
from dashboard.jobs import ExplainRequest, JobStatus
from dashboard.library import Opened
from dashboard.state import script_of

KEY = "explanations"
STUDY = "faithfulness"
# images whose maps chance is measured with
OTHERS = 200
# what was measured of such maps -> a sentence, worst first
CHECKED: dict[Word | None, str] = {
    "no": "No better than random maps.",
    "not shown": "Not shown to beat random maps.",
    "depends": "Not always better than random.",
    "in part": "Not always better than random.",
    "no control": "Nobody has checked such maps.",
    None: "Nobody has checked such maps.",
    "yes": "Better than random maps.",
}


@dataclass(frozen=True, eq=False)
class View:
    """An image that is explained on a page.

    Attributes:
        subject: the image.
        detector: who is asked.
        stored: its map as the run has stored it.
        label: the image's class; None if unknown.
        others: float32 (M, h, w), maps of other images of the kind that runs store, to compare chance with; or None.
        notes: sentences that must be read with a saved page.
        address: that shows this view; "" where there is none to share.
        story: returns what a slide tells; None before that is known.
    """

    subject: Subject
    detector: DetectorHandle
    stored: Explanation | None = None
    label: ClassName | None = None
    others: Float32 | None = None
    notes: Sequence[str] = ()
    address: str = ""
    story: Callable[[], Story | None] = nothing

    def status(self, explainer: AnyExplainer) -> JobStatus | None:
        """Return an explanation's status with the present settings, or a stored map's; None if it cannot be made."""
        if explainer.unavailable(self.detector.about):
            return None
        # a layer that only another detector has is as if none was asked for
        request = request_of(explainer, self.detector.about)
        stored = self.stored
        if stored and ExplainRequest(stored.method, stored.settings) == request:
            return JobStatus("done", stored, 1.0)
        slot = key_of(request.method, self.detector.name)
        return ask(self.detector, self.subject.image[None], request, sha256=self.subject.sha256, slot=slot)

    @lazy_property
    def study(self) -> StudyResult | None:
        """The study of the detector's maps; None where nothing can be read."""
        with suppress(ContractError):
            study = library.study_by(self.detector.identity, STUDY)
            # it may be refused only when it is concluded
            return study if study is not None and study.findings else None
        return None

    def finding(self, explanation: Explanation) -> Finding | None:
        """Return what was found of a method's maps on such verdicts; None where nothing was."""
        return None if self.study is None else self.study.finding(f"{explanation.method}-{explanation.verdict}")


def draw_explanations(view: View) -> None:
    """Draw the maps of an image by the chosen methods, a random map, and what can be done with them."""
    st.fragment(_draw)(view)


def _draw(view: View) -> None:
    """Draw everything that belongs to the present settings; while a map is computed, it alone is drawn again."""
    methods = chosen_methods(view.detector.about)
    statuses = [view.status(explainer) for explainer in methods]
    style = style_now()
    own = [(status.answer, style) for status in statuses if status is not None and status.state == "done"]
    is_whole = len(own) == len(methods)
    with st.container(horizontal=True, gap="small"):
        _draw_saving(view, own, ready=is_whole)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("### Where does it look?", help=explain("Margin map"), width="content")
        _draw_checked(view, own)
    with st.grid(len(methods) + 1, min_column_width=150, gap="medium") as grid:
        for explainer, status in zip(methods, statuses, strict=True):
            with grid.cell():
                st.markdown(f"**{explainer.title}**")
                draw = partial(_draw_one, view, explainer, style)
                if status is None or not status.busy:
                    # without a fragment here, a timer that was here ends
                    draw(status)
                else:
                    ask: Callable[[], Any] = partial(view.status, explainer)
                    poll(ask, draw, partial(_is_unchanged, status.answer is None), pace(status), status)
        with grid.cell():
            real = next((answer for answer in _answers(statuses) if answer.has_picture), None)
            if real:
                help = "A map that knows nothing, for comparison: the values of the first map in random places."
                st.markdown("**A random map**", help=help)
                fake = shuffled(real, seed=view.subject.seed)
                explained_picture(fake, key=key_of("random", view.detector.name), style=style, title="A random map")
    # beneath the maps, so that no setting covers one
    draw_strip(methods, view.detector.about, {answer.method: answer for answer in _answers(statuses)})
    _draw_more(view, [explanation for explanation, _ in own], whole=is_whole)


def _is_unchanged(is_first: bool, status: JobStatus) -> bool:
    """Return False once an explanation is complete, or its first colours have come, or nobody asks.

    The random map and the estimate of time wait for these.
    """
    return status.busy and (status.answer is None) == is_first


def _answers(statuses: Sequence[JobStatus | None]) -> list[Explanation]:
    """Return the explanations that are there, also those that are still refined."""
    return [status.answer for status in statuses if status is not None and status.answer is not None]


def _draw_one(view: View, explainer: AnyExplainer, style: Style, status: JobStatus | None) -> None:
    """Draw an explanation, or the one under the settings before while it is computed, which is marked as such."""
    if status is None:
        st.caption(explainer.unavailable(view.detector.about))
        return
    key = key_of(explainer.name, view.detector.name)
    sha256 = view.subject.sha256
    answer = status.answer
    of, last = st.session_state.get(f"{key}.last", ("", None))
    if answer is not None:
        sentence = answer.diagnostics.sentence
        if answer.has_picture:
            explained_picture(answer, key=f"{key}.picture", style=style)
        else:
            st.markdown(sentence, help=explain(*terms_in(sentence)))
        if answer.complete:
            st.session_state[f"{key}.last"] = (sha256, answer)
    elif status.busy and of == sha256 and last.has_picture:
        explained_picture(last, key=f"{key}.picture", style=style, dim=True)
        st.caption("This map still shows the previous settings.")
    elif status.busy:
        st.skeleton(height=200)
    first = "Working; the first time takes a few seconds, while the detector is read"
    draw_status(status, key, "Refining" if answer is not None else first)


def draw_stored(opened: Opened, row: int, image: Pixels | None) -> None:
    """Draw the map that a run has stored of an image, if any, where nothing else can be had.

    Args:
        opened: the run.
        row: of the image.
        image: uint8 (side, side, 3); None where it is not available, and the map is drawn alone.
    """
    if opened.run.maps is None:
        return
    style = style_now()
    blind = image is None
    if image is None:
        image = np.zeros((opened.run.side, opened.run.side, 3), np.uint8)
        style = replace(style, drawing="alone")
    stored = stored_map(opened.run, row, image)
    height, width = stored.values.shape
    st.markdown(f"#### {find_explainer(stored.method).title}", help=explain("Margin map"))
    st.caption(f"The run's own map, {height} x {width} positions.")
    explained_picture(stored, key="stored.picture", style=style, blind=blind)


def _measured_words(view: View, explanation: Explanation) -> str:
    """Return the question and answer of what was measured of such maps; "" where nothing was."""
    finding = view.finding(explanation)
    if finding is None:
        return ""
    settings = explanation.settings
    words = f"{finding.question} {str(answer_of(finding)).capitalize()}."
    if settings.model_dump(exclude={"seed"}) != type(settings)().model_dump(exclude={"seed"}):
        words += " Measured with its default settings, which are not the present ones."
    return words


def _draw_checked(view: View, own: Sequence[tuple[Explanation, Style]]) -> None:
    """Draw how such maps did in the checks, the worst of them, with the way to the page of them."""
    # an exact map needs no check
    found = [view.finding(explanation) for explanation, _ in own if explanation.method != EXACT.name]
    words = {None if finding is None else answer_of(finding).word for finding in found}
    worst = next((sentence for word, sentence in CHECKED.items() if word in words), None)
    if worst is not None:
        st.page_link(script_of("maps"), label=worst, query_params={"run": st.session_state["run"]})


def _draw_saving(view: View, own: Sequence[tuple[Explanation, Style]], *, ready: bool) -> None:
    """Draw the buttons of the files, which hold what is shown now and can be pressed once it is complete.

    Args:
        view: the image.
        own: the explanations that are complete.
        ready: whether all are.
    """
    stem = Path(view.subject.name).stem
    waits = "" if ready else "Available once all explanations are complete."
    rest = [shuffled(explanation, seed=view.subject.seed) for explanation, _ in own if explanation.has_picture][:1]
    measured = {explanation.method: _measured_words(view, explanation) for explanation, _ in own}
    # asked for now: the file is made when no session is at hand
    about: dict[str, Any] = {"label": view.label, "title": view.subject.name, "notes": view.notes}
    probes = last_changes(view.subject, view.detector)

    def page() -> bytes:
        lines = compared([explanation for explanation, _ in own], view.others)["conclusion"].items()
        agreement = [f"{titles}: {sentence}" for titles, sentence in lines]
        return html_of(own, measured=measured, agreement=agreement, probes=probes, **about).encode()

    file_button(
        "Save as a slide",
        partial(draw_slide, own, view.story(), random=rest, address=view.address, **about),
        file_name=f"{stem}-slide.png",
        mime="image/png",
        key="slide",
        icon="slideshow",
        type="primary",
        help=waits or "The reason, both pictures and the maps as a picture of 1920 x 1080 pixels.",
        disabled=not ready,
    )
    with st.popover("Files", icon=":material/download:"):
        file_button(
            "Whole explanation as a page",
            page,
            file_name=f"{stem}-explained.html",
            mime="text/html",
            key="page.file",
            icon="article",
            type="secondary",
            help=waits or "One self-contained page with the image, its explanations and how far to trust them.",
            disabled=not ready,
        )
        for explanation, style in own:
            title = find_explainer(explanation.method).title
            file = f"{stem}-{view.detector.name}-{explanation.method}"
            key = key_of(explanation.method, view.detector.name)
            if explanation.has_picture:
                file_button(
                    f"{title} as a picture",
                    partial(_png_of, explanation, style),
                    file_name=f"{file}.png",
                    mime="image/png",
                    key=f"{key}.files.png",
                )
            file_button(
                f"{title} in numbers",
                partial(npz_of, explanation),
                file_name=f"{file}.npz",
                mime="application/octet-stream",
                key=f"{key}.files.npz",
                help="Every array and setting of this explanation, for numpy.load.",
            )


def _png_of(explanation: Explanation, style: Style) -> bytes:
    """Draw an explanation as the page does, as the bytes of a PNG."""
    return encode_png(draw_explanation(explanation, style=style))


def _draw_more(view: View, explanations: Sequence[Explanation], *, whole: bool) -> None:
    """Draw how to read the maps, and whether they agree, one level down."""
    more = "Do they agree, and how to read them"
    with st.expander(more, icon=":material/compare:", key=f"{KEY}.more", expanded=opens_all()):
        if whole:
            _draw_agreement(view, explanations)
        else:
            st.caption("Compared once all explanations are complete.")
        for explanation in explanations:
            explainer = find_explainer(explanation.method)
            st.markdown(f"**{explainer.title}.** {explainer.reading(explanation)} {explanation.diagnostics.sentence}")
            words = _measured_words(view, explanation)
            if words:
                st.caption(f"Measured on such verdicts: {plain(words)}")


def _draw_agreement(view: View, explanations: Sequence[Explanation]) -> None:
    """Draw the comparison of each two complete explanations, and of what other images' maps reach by chance."""
    if len(explanations) < 2:
        st.caption("Choose another method beside this one to compare.")
        return
    table = compared(explanations, view.others)
    for titles, sentence in table["conclusion"].items():
        st.markdown(f"**{titles}:** {sentence}")
    if len(measured := table.drop(columns="conclusion").dropna()):
        st.table(measured.T.rename_axis(index="measure", columns=None), border="horizontal")
        words = "Over the places of the image; compared with maps of other images of this verdict."
        st.caption(words, help=explain("Rank correlation"))


def other_maps(opened: Opened, *, verdict: str, label: str | None, row: int | None) -> Float32 | None:
    """Return margin maps of up to 200 other images of the run with this verdict and, unless None, this label.

    float32 (M, h, w), spread evenly over the run; None where the run has no maps.
    """
    if opened.run.maps is None:
        return None
    fits = opened.table["predicted"] == verdict
    if label is not None:
        fits &= opened.table["label"] == label
    rows = np.flatnonzero(fits)
    # evenly spaced over the run, so that they are the same ones each time
    return np.asarray(opened.run.needed_maps[evenly(rows[rows != row], OTHERS)], np.float32)
