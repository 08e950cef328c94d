"""The explanation panels that Inspect and Upload share: Grad-CAM, LIME, each with its controls, health and files.

Each panel is a fragment: moving one of its controls redraws it and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.explainers.cams import GRADCAM
from core.explainers.explanation import Explanation
from core.explainers.overlay import common_scale
from core.explainers.saving import Style
from dashboard.components.explanations import settings as s
from dashboard.components.explanations.asking import Known, Subject, ask, visitor, worker
from dashboard.components.explanations.files import page_download, result_downloads
from dashboard.components.explanations.follow import draw_ended, keep_up, next_look, waiting
from dashboard.components.glossary import explain
from dashboard.components.images.picture import explained_picture
from dashboard.components.keys import key_of
from dashboard.components.plain import plain
from dashboard.components.polling import come_back
from dashboard.components.words import CLASS_WORDS, THE_PAPER, name_paper, percent, remaining
from dashboard.services.requests import Explain
from dashboard.services.worker import Standing

# seconds that a panel waits for its explanation: most are there by then, and need no coming back
PATIENCE = 0.3


def draw_controls() -> None:
    """How all maps over images are drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        s.PALETTE.linked(
            st.selectbox,
            "Colours",
            options=list(s.PALETTE_NAMES),
            format_func=s.PALETTE_NAMES.get,
            width=330,
            help=f"The paper ({THE_PAPER}) colours by what speaks for or against the verdict; here the colour is the "
            "class itself, so that blue means REAL on every page.",
        )
        s.OPACITY.linked(
            st.slider, "Opacity of the maps", min_value=0.1, max_value=1.0, step=0.05, format="percent", width=200
        )


def cam_panel(subject: Subject, detectors: Sequence[Known], stored: Explanation | None = None) -> None:
    """Grad-CAM of one image by one or more detectors; `stored` is the first one's map as the run has kept it."""
    st.markdown("#### Grad-CAM", help=explain("Grad-CAM"))
    st.caption("Where in the image the network's own features speak for one class or the other.")
    question = s.cam_question()
    smooth = s.SMOOTH.value == "yes"
    _answers(subject, detectors, question, slot="cam", smooth=smooth, stored=stored)
    s.STAGE.linked(
        st.select_slider,
        "Stage of the network",
        options=list(s.STAGE_NAMES),
        format_func=s.STAGE_NAMES.get,
        help=explain("Stage", also="Stage 4 has 4 x 4 positions, each of which sees the whole image."),
    )
    with st.expander("More"):
        _cam_more()


def _cam_more() -> None:
    """The method, what is explained, and how the map is drawn."""
    s.METHOD.linked(st.selectbox, "Method", options=list(s.METHOD_NAMES), format_func=s.METHOD_NAMES.get)
    s.CAM_TARGET.linked(
        st.segmented_control,
        "What is explained",
        options=list(s.TARGET_NAMES),
        format_func=s.TARGET_NAMES.get,
        required=True,
        help=explain("Margin", also="One class alone shows only what speaks for it."),
    )
    s.SMOOTH.linked(
        st.segmented_control,
        "Between positions",
        options=["no", "yes"],
        format_func={"no": "as they are", "yes": "blended"}.get,
        required=True,
        help="As they are shows that a 4 x 4 map is 4 x 4.",
    )


def lime_panel(subject: Subject, detectors: Sequence[Known]) -> None:
    """LIME of one image by one or more detectors."""
    st.markdown("#### LIME", help=explain("LIME", "Undecided"))
    st.caption("What happens to the verdict when parts of the image are covered, part by part, many times.")
    paper = s.PAPER.value == "yes"
    _answers(subject, detectors, s.lime_question(), slot="lime", smooth=False)
    if paper:
        st.markdown(
            "**As in the paper.** Its segmentation (quickshift with LIME's defaults) was made for large photographs. "
            "On 32 x 32 pixels it finds one or two segments in most images, so all of the image gets one or two "
            "colours, and 1,000 samples are only two or four different images."
        )
    else:
        _lime_size()
    s.PAPER.linked(
        st.segmented_control,
        "Settings",
        options=["no", "yes"],
        format_func={"no": "adjustable", "yes": "as in the paper"}.get,
        required=True,
    )
    name_paper()
    with st.expander("More"):
        if not paper:
            _lime_more()
        s.SEED.linked(
            st.number_input,
            "Seed",
            min_value=0,
            max_value=9999,
            step=1,
            help=explain("Seed", also="Here of the random samples and of the texture."),
        )


def _lime_size() -> None:
    """How finely and how long."""
    s.SEGMENTS.linked(
        st.slider,
        "Segments to ask for",
        min_value=4,
        max_value=120,
        step=2,
        help=explain("Segment", also="SLIC takes it for an aim, and finds about half as many."),
        disabled=s.SEGMENTATION.value == "quickshift",
    )
    s.SAMPLES.linked(
        st.select_slider,
        "Samples",
        options=list(s.SAMPLES.choices),
        help=explain("Sample"),
    )


def _lime_more() -> None:
    """What is covered with what, and what is explained."""
    s.SEGMENTATION.linked(
        st.segmented_control,
        "Cut by",
        options=list(s.SEGMENTATION_NAMES),
        format_func=s.SEGMENTATION_NAMES.get,
        required=True,
        help=explain("SLIC", "Quickshift", also="The grid cuts squares."),
    )
    s.FILL.linked(
        st.selectbox,
        "Cover with",
        options=list(s.FILL_NAMES),
        format_func=s.FILL_NAMES.get,
        help=explain(
            "Fill",
            also="Covering is not neutral: a flat colour erases fine detail, which this kind of detector takes for "
            "evidence. Shuffled texture keeps it. A finding that hangs on the cover is about the cover.",
        ),
    )
    s.LIME_TARGET.linked(
        st.segmented_control,
        "What is explained",
        options=list(s.TARGET_NAMES),
        format_func=s.TARGET_NAMES.get,
        required=True,
    )


def _answers(
    subject: Subject,
    detectors: Sequence[Known],
    question: Explain,
    *,
    slot: str,
    smooth: bool,
    stored: Explanation | None = None,
) -> None:
    """The pictures of a panel, which come back by themselves while they are being made."""

    def stand(patience: float = 0.0) -> list[Standing]:
        known = stored if stored is not None and _answers_it(stored, question) else None
        return [
            Standing("done", known, 1.0)
            if known is not None and detector is detectors[0]
            else ask(
                detector,
                subject.image[None],
                subject.sha256,
                question,
                slot=key_of(slot, detector.name),
                patience=patience,
            )
            for detector in detectors
        ]

    stand(PATIENCE)

    def draw() -> float | None:
        now = stand()
        answers = [standing.answer.map for standing in now if standing.answer is not None]
        # one scale for what stands side by side
        scale = common_scale(answers) if len(detectors) > 1 else None
        beside = st.columns(len(detectors)) if len(detectors) > 1 else [st.container()]
        for place, detector, standing in zip(beside, detectors, now, strict=True):
            with place:
                if len(detectors) > 1:
                    st.markdown(f"**{plain(detector.name)}**")
                _draw_answer(subject, detector, standing, style_now(smooth=smooth, scale=scale), slot=slot)
        again = next_look(now)
        if again is None and outdated():
            # what compares the panels stands outside of them
            st.rerun()
        return again

    come_back(draw, key=slot)


def style_now(*, smooth: bool = False, scale: float | None = None) -> Style:
    """How maps are drawn as the page's controls stand."""
    return Style(s.PALETTE.value, s.OPACITY.value, smooth, scale)


def _draw_answer(subject: Subject, detector: Known, standing: Standing, style: Style, *, slot: str) -> None:
    key = key_of(slot, detector.name)
    if standing.answer is not None:
        explained_picture(standing.answer, key=f"{key}.picture", style=style)
        sentence = standing.answer.diagnostics.sentence or "Both signs, and not flat: the map points somewhere."
        st.caption(sentence, help=explain("Surrogate") if standing.answer.parts is not None else None)
    elif standing.busy:
        st.skeleton(height=260)
    if standing.busy:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(standing.share, _doing(standing))
            st.button("Stop", key=f"{key}.stop", on_click=worker().stop, args=(visitor(), key), type="tertiary")
    draw_ended(standing, key)
    if standing.state == "done":
        result_downloads(standing.answer, style, name=subject.name, key=f"{key}.files")


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
        _draw_verdict(detector, stored)
        return
    slot = key_of("verdict", detector.name)

    def stand() -> Standing:
        return ask(detector, subject.image[None], subject.sha256, Explain(GRADCAM.name, GRADCAM.settings()), slot=slot)

    def show(now: Standing) -> None:
        if now.answer is not None:
            _draw_verdict(detector, now.answer)
        elif now.busy:
            st.caption(f"**{plain(detector.name)}** is being asked")

    keep_up(stand, show, slot=slot)


def _draw_verdict(detector: Known, answer: Explanation) -> None:
    sure = answer.p_real if answer.verdict == "REAL" else 1 - answer.p_real
    st.markdown(
        f"**{plain(detector.name)}**: {CLASS_WORDS[answer.verdict]}, {percent(sure)} sure, margin {answer.margin:+.2f}",
        help=explain("Confidence", "Margin"),
    )


def stored_panel(stored: Explanation, *, alone: bool) -> None:
    """The map that the run has kept, where nothing else can be had; `alone` where there is no picture under it."""
    st.markdown("#### Grad-CAM", help=explain("Grad-CAM", "Margin map"))
    st.caption("The run's own map of stage 4, 4 x 4 positions.")
    explained_picture(stored, key="stored.picture", style=style_now(), alone=alone)
    st.caption(stored.diagnostics.sentence)


def finished(
    subject: Subject, detector: Known, stored: Explanation | None
) -> tuple[Explanation | None, Explanation | None]:
    """Grad-CAM's and LIME's answers for the present settings, None where one is not done."""
    found = []
    for slot, question in (("cam", s.cam_question()), ("lime", s.lime_question())):
        if stored is not None and _answers_it(stored, question):
            found.append(stored)
            continue
        standing = ask(detector, subject.image[None], subject.sha256, question, slot=key_of(slot, detector.name))
        found.append(standing.answer if standing.state == "done" else None)
    return found[0], found[1]


def interrupted(subject: Subject, detector: Known, stored: Explanation | None) -> list[str]:
    """Which explanations for the present settings were stopped or failed, and so come to no end by themselves."""
    wanted = (("Grad-CAM", "cam", s.cam_question()), ("LIME", "lime", s.lime_question()))
    return [
        name
        for name, slot, question in wanted
        if (stored is None or not _answers_it(stored, question))
        and ask(detector, subject.image[None], subject.sha256, question, slot=key_of(slot, detector.name)).state
        in ("stopped", "failed")
    ]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What the page outside of the panels was drawn of."""

    subject: Subject
    detector: Known
    stored: Explanation | None
    stood: tuple[object, ...]


def forget_drawn() -> None:
    """A page with panels is about to be drawn."""
    st.session_state["panels.drawn"] = None


def note_drawn(subject: Subject, detector: Known, stored: Explanation | None) -> None:
    """What compares the panels is about to be drawn: remember how they stand now."""
    stood = _stand(subject, detector, stored)
    st.session_state["panels.drawn"] = _Drawn(subject, detector, stored, stood)


def outdated() -> bool:
    """Whether all panels have come to an end, and another one than the page around them was drawn of."""
    drawn: _Drawn | None = st.session_state.get("panels.drawn")
    if drawn is None:
        return False
    now = _stand(drawn.subject, drawn.detector, drawn.stored)
    return "busy" not in now and now != drawn.stood


def _stand(subject: Subject, detector: Known, stored: Explanation | None) -> tuple[object, ...]:
    """Which explanations are wanted, and how each stands."""
    stood: list[object] = []
    for slot, question in (("cam", s.cam_question()), ("lime", s.lime_question())):
        stood.append(question)
        if stored is not None and _answers_it(stored, question):
            stood.append("done")
            continue
        now = ask(detector, subject.image[None], subject.sha256, question, slot=key_of(slot, detector.name))
        stood.append("busy" if now.busy else now.state)
    return tuple(stood)


def _answers_it(explanation: Explanation, question: Explain) -> bool:
    return Explain(explanation.method, explanation.settings) == question


def page_row(
    subject: Subject, detectors: Sequence[Known], stored: Explanation | None, notes: Sequence[str] = ()
) -> None:
    """The file that holds everything of the first detector, once both of its explanations are there."""
    if st.session_state.get("panels.drawn") is None:
        note_drawn(subject, detectors[0], stored)
    elif outdated():
        # the last answer came while the page was being drawn, and no panel waits for it any more
        st.rerun()
    cam, lime = finished(subject, detectors[0], stored)
    found: list[Explanation] = []
    if cam is not None and lime is not None:
        found = [cam, lime]
    beside = [finished(subject, detector, None) for detector in detectors[1:]]
    drawn = []
    for number, explanation in enumerate(found):
        others = [both[number].map for both in beside if both[number] is not None]
        # as in the panel: one scale for what stands side by side
        scale = common_scale([explanation.map, *others]) if others else None
        drawn.append((explanation, style_now(smooth=s.SMOOTH.value == "yes", scale=scale)))
    page_download(drawn, name=subject.name, notes=list(notes), key="page.file")
