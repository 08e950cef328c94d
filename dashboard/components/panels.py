"""The explanation panels that Inspect and Upload share: one a method, with its settings, diagnostics and files.

Each panel is a fragment: moving one of its controls redraws it and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.explainers import drawing
from core.explainers.drawing import SIZE, Style, npz_of, scale_of
from core.explainers.explainer import AnyExplainer
from core.explainers.explanation import SIDES, Explanation, Parts
from core.explainers.probing import ProbeResult
from core.explainers.registry import explainers, find_explainer
from core.explainers.settings import to_json
from core.findings.finding import Finding
from core.findings.lines import Line, line
from core.findings.numbers import plus
from core.findings.words import faithfulness
from core.images.encoding import encode_png
from core.images.labels import ClassName
from core.images.palette import FAKE, GREY, REAL
from core.report.explanation import Beside, html_of
from core.storage import ContractError
from core.studies.explanations import MOST, cost_of
from core.studies.result import StudyResult
from dashboard import library
from dashboard.components import charts
from dashboard.components.charts import error_bars, new_figure
from dashboard.components.choice import SCALE, draw_settings, question_of, style_now
from dashboard.components.component import key_of
from dashboard.components.downloads import file_button
from dashboard.components.glossary import TERMS, explain, terms_in
from dashboard.components.picture import explained_picture
from dashboard.components.plain import code, plain
from dashboard.components.polling import poll
from dashboard.components.requests import Known, Subject, ask, draw_ended, draw_progress, keep_up
from dashboard.components.study import coloured, command, csv_button, markdown
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.jobs import ExplainRequest, JobStatus, Prediction, PredictRequest
from dashboard.library import Opened


def result_downloads(explanation: Explanation, style: Style, *, name: str, key: str) -> None:
    """Buttons for the picture (PNG), as it is drawn, or a table without one, and the numbers (.npz)."""
    stem = f"{Path(name).stem}-{explanation.provenance.detector}-{explanation.method}"
    with st.container(horizontal=True, gap="small"):
        if explanation.has_picture:
            file_button(
                "PNG",
                lambda: encode_png(drawing.draw_explanation(explanation, SIZE, style=style)),
                file_name=f"{stem}.png",
                mime="image/png",
                key=f"{key}.png",
                icon=":material/image:",
                type="tertiary",
            )
        file_button(
            "Numbers",
            lambda: npz_of(explanation),
            file_name=f"{stem}.npz",
            mime="application/octet-stream",
            key=f"{key}.npz",
            icon=":material/data_array:",
            type="tertiary",
            help="Every array and setting of this explanation, for numpy.load.",
        )
        if explanation.values is None:
            csv_button(
                "Every weight (CSV)",
                lambda: parts_table(explanation),
                f"{stem}.csv",
                key=f"{key}.csv",
                help="Each part's, with its interval.",
            )


def page_download(
    panels: Sequence[tuple[Explanation, Style]], *, name: str, notes: list[str], beside: Beside, key: str
) -> None:
    """A button for one HTML page with all of the explanations in it, each as it is drawn."""
    file_button(
        "Whole explanation as a page",
        lambda: html_of(panels, title=name, notes=notes, beside=beside).encode(),
        file_name=f"{Path(name).stem}-explained.html",
        mime="text/html",
        key=key,
        icon=":material/article:",
        disabled=not panels,
        help="One self-contained page with the image, its explanations, how far to trust them, and the experiments "
        "that were made here: to keep or to send."
        if panels
        else "Available once all explanations are complete.",
    )


COLOURS = {1: REAL, -1: FAKE, 0: GREY}
# pixels of a bar, and of what is around all of them
BAR, AROUND = 28, 70


def parts_chart(explanation: Explanation, *, key: str) -> None:
    """Draw the weights of an explanation's parts, with their intervals.

    Args:
        explanation: with parts.
        key: of the element.
    """
    parts = parts_of(explanation)
    said = "; ".join(f"{label} {plus(weight)}" for label, weight in zip(parts.labels, parts.weights, strict=True))
    charts.show(part_bars(parts, unit=explanation.unit), key=key, alt=f"Weight of each part: {said}")


def part_bars(parts: Parts, *, unit: str) -> go.Figure:
    """A bar a part, in their order; colour and side are the class, hatched grey is undecided."""
    figure = new_figure(height=AROUND + BAR * len(parts.labels), showlegend=False)
    decisions = [int(one) for one in parts.decisions]
    figure.add_bar(
        x=parts.weights,
        y=list(parts.labels),
        orientation="h",
        marker={
            "color": [COLOURS[one] for one in decisions],
            "pattern": {"shape": ["" if one else "/" for one in decisions], "size": 5, "solidity": 0.4},
        },
        error_x=error_bars(parts.weights, parts.low, parts.high, thickness=1.5),
        customdata=[SIDES[one] for one in decisions],
        hovertemplate="%{y}: %{x:+.2f}, %{customdata}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title=f"what having it adds ({unit})")
    figure.update_yaxes(autorange="reversed", type="category")
    return figure


def reading_of(parts: Parts) -> str:
    """Say how to read the bars."""
    return (
        f"To the right for REAL, to the left for FAKE. Lines: {parts.confidence:.0%} interval over other draws of the "
        "samples. Hatched grey: undecided, the interval reaches 0 or the effect is too small to name."
    )


def parts_table(explanation: Explanation) -> pd.DataFrame:
    """A row a part, with its interval and what it speaks for."""
    parts = parts_of(explanation)
    sides = [SIDES[int(one)].removeprefix("for ") for one in parts.decisions]
    return pd.DataFrame(
        {"part": parts.labels, "weight": parts.weights, "low": parts.low, "high": parts.high, "speaks_for": sides}
    )


def parts_of(explanation: Explanation) -> Parts:
    """Its parts, where it must have some."""
    assert explanation.parts is not None  # noqa: S101 - a mistake of the method's
    return explanation.parts


STUDY = "faithfulness"


def draw_trust_line(detector: Known, explainer: AnyExplainer, explanation: Explanation) -> None:
    """Draw what was measured of a method's maps on verdicts like this one, or how to measure it, and where it is shown.

    Args:
        detector: that made the explanation.
        explainer: its method.
        explanation: with a map.
    """
    opened = library.current()
    try:
        answer, found = _found(detector, opened, explanation)
    except ContractError:
        st.page_link(
            "views/trust.py",
            label="The study of such maps cannot be read: see what is wrong with it",
            icon=":material/error:",
            query_params={"run": opened.run.name},
        )
        return
    if answer is None or found is None:
        st.markdown(_unmeasured(opened, detector, explainer, answer))
        return
    with st.container(gap=None):
        st.markdown(
            markdown(faithfulness.in_short(found)) + _unlike(explanation),
            help=markdown(_in_full(faithfulness.sides(found))),
        )
        st.page_link(
            "views/trust.py",
            label="How this was measured",
            icon=":material/balance:",
            query_params={"run": answer.path.parent.parent.name},
        )


def trust_sentence(detector: Known, explanation: Explanation) -> str:
    """What was measured of such maps, as text; "" where nothing was."""
    try:
        _, found = _found(detector, library.current(), explanation)
    except ContractError:
        return ""
    return "" if found is None else str(faithfulness.in_short(found)) + _unlike(explanation)


def _unlike(explanation: Explanation) -> str:
    return "" if _as_judged(explanation) else " Measured with its default settings, which are not the present ones."


def _found(detector: Known, opened: Opened, explanation: Explanation) -> tuple[StudyResult | None, Finding | None]:
    """The study that covers a detector, and what it found for an explanation's method and verdict; None without.

    Raises:
        ContractError: there is a study, and it cannot be read.
    """
    answer = _measured(detector, opened)
    # by names that are no part of any text
    return answer, None if answer is None else answer.finding(f"{explanation.method}-{explanation.verdict}")


def _measured(detector: Known, opened: Opened) -> StudyResult | None:
    """The study of the run that is looked at where this detector made it, else of another run by it; None without.

    Raises:
        ContractError: there is one, and it cannot be read.
    """
    if detector.identity.made(opened.run.manifest):
        return library.study_of(opened, STUDY)
    return library.study_by(detector.identity, STUDY)


def _unmeasured(opened: Opened, detector: Known, explainer: AnyExplainer, answer: StudyResult | None) -> str:
    """Say that a method was not judged, and which command does so."""
    if cost_of(explainer) > MOST:
        return f"No study judges {explainer.title}: it is too slow for a whole run."
    if not detector.identity.made(opened.run.manifest):
        return f"No run of {plain(detector.name)} has a trust study that covers {explainer.title}."
    if answer is None:
        return f"This run has no trust study yet; {code(command(opened, STUDY))} makes one."
    more = code(command(opened, STUDY, there=True))
    return f"This run's trust study does not cover {explainer.title} yet; {more} adds it."


def _as_judged(explanation: Explanation) -> bool:
    """Check whether an explanation has the settings that the studies judge, whatever its seed."""
    own, judged = (to_json(one) | {"seed": 0} for one in (explanation.settings, type(explanation.settings)()))
    return own == judged


def _in_full(sides: Line) -> Line:
    return line("Score minus the best control's, in units of the margin: {sides}.", sides=sides)


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

    def draw() -> bool:
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
        return any(one.busy for one in known)

    busy = any(one is not None and one.busy for one in found(PATIENCE).values())
    poll(draw, while_busy=busy)
    if not busy and outdated():
        # what compares the panels stands outside of them
        st.rerun()


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
