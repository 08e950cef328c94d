"""The judgement of an upload: the answer with its reason, other detectors, and what the file says of its origin."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.findings.numbers import plus
from core.images.decoding import decode, may_be_transparent
from core.images.labels import verdict_of
from core.images.preprocessing import Prepared, Preprocessing, settle
from core.images.provenance import Claim, read_claims, summarise
from core.perturbations.postprocessing import DELIVERIES, Delivered
from core.studies.judgement import Judgement, Threshold, judge
from dashboard.components.plain import code, plain, with_code
from dashboard.components.requests import DetectorHandle, any_busy, ask, draw_ended, keep_up, poll, waiting
from dashboard.components.uploads import Origin, look, sent_so_far
from dashboard.components.words import CLASS_WORDS, coloured, percent, section
from dashboard.decoding import in_turn
from dashboard.jobs import JobStatus, Prediction, PredictRequest
from dashboard.library import threshold_of
from dashboard.state import Setting

# the last judgement, for the file that can be saved
LAST = "upload.judgement"
SYMBOLS = {
    "FAKE-like": ":material/smart_toy:",
    "Nothing found": ":material/search_off:",
    "Out of scope": ":material/help:",
}
OTHERS = Setting("others", "off", choices=("on", "off"))


def draw_judgement(origin: Origin, ready: Prepared, detector: DetectorHandle, *, shown: str) -> None:
    """Draw the answer and its reason, and on demand what the network computed and what saving and resizing do.

    Args:
        origin: of the image.
        ready: its pixels under each filter.
        detector: who is asked.
        shown: the filter whose pixels are explained.
    """

    def draw() -> bool:
        now = look(ready, detector, slot="upload")
        if now.answer is None:
            if now.busy:
                st.markdown("### Asking the detector")
                st.caption(waiting(now) or "The first time takes a few seconds, while it is being read.")
            draw_ended(now, "upload")
            return now.busy
        found: Prediction = now.answer
        threshold, problem = threshold_of(detector.identity)
        judgement = judge(ready, threshold, map(float, found.margins))
        _draw_answer(judgement, threshold, detector, problem)
        if origin.label is not None:
            st.markdown(f"It is {CLASS_WORDS[origin.label]}.")
        sent, after = sent_so_far(origin), None
        whole = len(sent) == len(DELIVERIES)
        if whole:
            pixels = np.stack([delivered.pixels for delivered in sent])
            after = ask(detector, pixels, PredictRequest(), slot="upload.sent", patience=0.3)
        margins = None if after is None or after.answer is None else after.answer.margins
        st.session_state[LAST] = (origin.key, detector.identity.fingerprint), judgement
        with st.container(horizontal=True, gap="small"):
            with st.popover("Raw output", icon=":material/speed:"):
                _draw_network(ready, found, shown)
            if margins is not None:
                _draw_strip(sent, margins, verdict_of(float(found.margins[ready.filters.index(ready.usual)])))
        if not whole:
            st.progress(len(sent) / len(DELIVERIES), f"Saving and resizing, {len(sent) + 1} of {len(DELIVERIES)}")
        if after is not None:
            draw_ended(after, "upload.sent")
        return not whole or any_busy([after])

    poll(draw, busy=_is_pending(origin, ready, detector))


def _is_pending(origin: Origin, ready: Prepared, detector: DetectorHandle) -> bool:
    """Check whether more of a judgement is to come; deliveries are made in slices, while the page is drawn again."""
    now = look(ready, detector, slot="upload")
    if now.answer is None:
        return now.busy
    key, sent = st.session_state.get("upload.sent", ("", {}))
    if key != origin.key or len(sent) < len(DELIVERIES):
        return True
    pixels = np.stack([delivered.pixels for delivered in sent_so_far(origin)])
    return ask(detector, pixels, PredictRequest(), slot="upload.sent", patience=0.3).busy


def judgement_lines(origin: Origin, detector: DetectorHandle) -> list[str]:
    """Return the judgement of this image as text; empty while it is not there yet."""
    of, judgement = st.session_state.get(LAST, (None, None))
    if of != (origin.key, detector.identity.fingerprint):
        return []
    return [f"{judgement.answer}: {judgement.sentence}"]


def _draw_answer(judgement: Judgement, threshold: Threshold | None, detector: DetectorHandle, problem: str) -> None:
    st.markdown(f"### {SYMBOLS[judgement.answer]} {coloured(judgement.answer)}")
    st.markdown(judgement.sentence)
    if judgement.scope == "in scope" and threshold is not None:
        fake, real, photographs = threshold.test["FAKE"], threshold.test["REAL"], threshold.photographs
        st.caption(
            f"FAKE-like are {fake.hits:,} of {fake.images:,} generated and {real.hits:,} of {real.images:,} real test "
            f"images, and {photographs.hits:,} of {photographs.images:,} squares of {photographs.sources} photographs."
        )
    if judgement.scope == "unmeasured":
        make = code("python -m core judgement --run RUN --data DATA")
        st.caption(f"{make} measures it, where RUN is a run of {plain(detector.name)} and DATA its training images.")
    if problem:
        st.caption(with_code(problem))


def _draw_network(ready: Prepared, found: Prediction, shown: str) -> None:
    """Draw what the network computed under each filter."""
    count = len(ready.filters)
    rows = {
        "resampling": ready.filters if ready.resized else ("none",),
        "called": [CLASS_WORDS[verdict_of(margin)] for margin in found.margins[:count]],
        "p(REAL)": [percent(float(p)) for p in found.p_real[:count]],
        "margin": [plus(margin) for margin in found.margins[:count]],
    }
    if ready.resized:
        st.caption(f"Resized to {ready.side} x {ready.side} pixels; {shown} is explained below.")
    st.table(pd.DataFrame(rows).set_index("resampling"), border="horizontal")


def _draw_strip(sent: list[Delivered], margins: NDArray[np.floating], verdict: str) -> None:
    """Draw after how many deliveries the verdict is the same, and on demand each with its margin."""
    fitting = [str(verdict_of(float(margin))) for one, margin in zip(sent, margins, strict=True) if one.fits]
    label = f"Still {CLASS_WORDS[verdict]} in {fitting.count(verdict)} of {len(fitting)} ways of saving or resizing it"
    with st.popover(label, icon=":material/share:"):
        rows = [
            {
                "delivery": delivered.delivery.title,
                "called": CLASS_WORDS[verdict_of(float(margin))],
                "margin": plus(float(margin)),
                "counts": "yes" if delivered.fits else "no: too few pixels left",
            }
            for delivered, margin in zip(sent, margins, strict=True)
        ]
        st.table(pd.DataFrame(rows).set_index("delivery"), border="horizontal")


def draw_others(detectors: Mapping[str, DetectorHandle], ready_at: Callable[[Preprocessing], Prepared]) -> None:
    """Draw a switch and, when it is on, a table with a row per detector.

    Args:
        detectors: by name.
        ready_at: prepares the image, with its current crop, for a detector's preprocessing.
    """
    if len(detectors) < 2:
        return
    if not OTHERS.toggle("What do other detectors say?", help="Asks every detector here about the same image."):
        return

    def draw() -> bool:
        found = [_other(detector, ready_at(detector.about.preprocessing)) for detector in detectors.values()]
        st.dataframe(
            pd.DataFrame([row for row, _ in found]),
            hide_index=True,
            height="content",
            alt="What each detector says of the image",
            key="upload.others",
            placeholder="\N{EM DASH}",
        )
        return any_busy(now for _, now in found)

    waits = [_other(detector, ready_at(detector.about.preprocessing))[1] for detector in detectors.values()]
    poll(draw, busy=any_busy(waits))


def _other(detector: DetectorHandle, ready: Prepared) -> tuple[dict[str, object], JobStatus]:
    """Return a detector's row and the status of its request."""
    now = look(ready, detector, slot=f"others.{detector.name}")
    row: dict[str, object] = {"detector": detector.name}
    if now.answer is None:
        return row | {"answer": None, "verdict": "being asked" if now.busy else "", "reason": now.message}, now
    margins = now.answer.margins
    judgement = judge(ready, threshold_of(detector.identity)[0], map(float, margins))
    margin = float(margins[ready.filters.index(ready.usual)])
    return row | {
        "answer": judgement.answer,
        "verdict": settle(margins[: len(ready.filters)]),
        "margin": plus(margin),
        "reason": judgement.sentence,
    }, now


def draw_file_says(file: UploadedFile, detector: DetectorHandle) -> None:
    """Draw what the file of an upload says of where it came from, and whether what is laid under it decides."""
    claims, laid = _read(file, detector.about.preprocessing)
    section(
        "What the file says",
        "Read from the file on this server and sent nowhere. Anyone can write, change or remove what a file says "
        "about itself.",
    )
    st.markdown(f"**{summarise(claims)}**")
    st.markdown("\n".join(f"- {plain(claim.kind)}: {plain(claim.sentence)}" for claim in claims))
    if details := [claim for claim in claims if claim.detail]:
        with st.expander("The file's own text"):
            for claim in details:
                st.caption(plain(claim.kind))
                # shown letter by letter
                st.code(claim.detail, language=None, wrap_lines=True)
    if laid is not None:
        _draw_grounds(laid, detector)


def _read(file: UploadedFile, preprocessing: Preprocessing) -> tuple[list[Claim], NDArray[np.uint8] | None]:
    """Return a file's claims and the detector's input on white and on black, None where equal; cached for one file."""
    kept, key = st.session_state.get("upload.says"), (file.file_id, preprocessing.steps)
    if kept is None or kept[0] != key:
        data = file.getvalue()
        laid = in_turn(lambda: on_both(data, preprocessing)) if may_be_transparent(data) else None
        kept = st.session_state["upload.says"] = key, in_turn(lambda: read_claims(data)), laid
    return kept[1], kept[2]


def on_both(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8] | None:
    """Return what a detector sees of a picture on white and black, uint8 (2, S, S, 3); None where it is the same."""
    white, black = (preprocessing.fit(decode(data, background=grey)) for grey in (255, 0))
    return None if np.array_equal(white, black) else np.stack([white, black])


def _draw_grounds(laid: NDArray[np.uint8], detector: DetectorHandle) -> None:
    """Draw what the detector says of a transparent picture on white and on black."""

    def show(now: JobStatus) -> None:
        if now.answer is None:
            st.markdown("The picture is transparent in parts; asking the detector about it on white and on black.")
            return
        white, black = (CLASS_WORDS[verdict_of(float(margin))] for margin in now.answer.margins)
        depends = "does not depend" if white == black else "**depends**"
        st.markdown(
            f"The picture is partly transparent and was placed on white. Its verdict {depends} on that: {white} on "
            f"white, {black} on black, both on the default crop."
        )

    keep_up(lambda: ask(detector, laid, PredictRequest(), slot="upload.grounds"), show, slot="upload.grounds")
