"""The judgement of the image that is explained: the headline with its reason, and the strip of its deliveries."""

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.findings.numbers import plus
from core.findings.words import tell
from core.images.decoding import pixels_sha256
from core.images.labels import verdict_of
from core.images.upload import Prepared
from core.perturbations.postprocessing import DELIVERIES, MOST, Delivered
from core.studies.judgement.judge import Judgement, Seen, Sent, judge
from core.studies.judgement.judging import seen_by, sent_with
from dashboard.components.plain import with_code
from dashboard.components.polling import poll
from dashboard.components.requests import Known, ask, draw_ended, waiting
from dashboard.components.study import coloured, markdown
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.jobs import JobStatus, Prediction, PredictRequest
from dashboard.library import known_of
from dashboard.views.upload_parts.origin import Origin, sent_so_far
from dashboard.views.upload_parts.uploads import end_if_settled, look

# the last judgement, for the file that can be saved
LAST = "upload.judgement"
SYMBOLS = {
    "FAKE-like": ":material/smart_toy:",
    "REAL-like": ":material/photo_camera:",
    "Cannot tell": ":material/help:",
}


def draw_judgement(origin: Origin, ready: Prepared, detector: Known, *, shown: str) -> None:
    """Draw the answer and its reason, what the network computed, and the deliveries.

    Args:
        origin: of the image.
        ready: its pixels under each filter.
        detector: who is asked.
        shown: the filter whose pixels are explained.
    """

    def draw() -> bool:
        now = look(ready, detector, slot="upload")
        sent = sent_so_far(origin) if now.answer is not None else []
        whole = len(sent) == len(DELIVERIES)
        after = _ask_after(sent, detector) if whole else None
        end_if_settled("upload", now.busy or (now.answer is not None and not whole) or _busy(after))
        if now.answer is not None:
            delivered = None if after is None or after.answer is None else sent_with(sent, after.answer.margins)
            found: Prediction = now.answer
            seen = seen_by(ready, found.margins, found.features, delivered)
            known = known_of(detector.identity)
            # measures distances, so once for all that is drawn of it
            judgement = judge(known.rule, known.space, seen)
            st.session_state[LAST] = (origin.key, detector.identity.fingerprint), (judgement, seen)
            _draw_headline(judgement, detector)
            if known.problem:
                st.caption(with_code(known.problem))
            _draw_network(ready, now.answer, shown, origin.label)
            _draw_more(seen, ready, now.answer, judgement)
            if not whole:
                st.progress(len(sent) / len(DELIVERIES), f"Delivery {len(sent) + 1} of {len(DELIVERIES)}")
        elif now.busy:
            st.markdown("### Asking the detector")
            st.caption(waiting(now) or "The first time takes a few seconds, while it is being read.")
        draw_ended(now, "upload")
        if after is not None:
            draw_ended(after, "upload.sent")
        if now.answer is not None and not whole:
            # after a pause: parts that redraw without one keep a slow page from ever finishing
            return True
        return now.busy or _busy(after)

    poll(draw, while_busy=bool(st.session_state.get("busy.upload")))


def judgement_told(origin: Origin, detector: Known) -> list[str]:
    """The judgement of this image with its reasons, in sentences; empty while it is not there yet."""
    of, last = st.session_state.get(LAST, (None, None))
    if of != (origin.key, detector.identity.fingerprint) or last is None or last[0].answer is None:
        return []
    judgement, seen = last
    first, *others = [tell(one).answer for one in judgement.reasons]
    same, fitting = _same_verdict(seen)
    told = [f"Judgement: {judgement.answer}: {first}", *(str(one.capital()) for one in others)]
    # with another resampling filter the page may show another verdict than the one these are compared with
    same_verdict = f"{len(same)} of {len(fitting)} deliveries give the same verdict, {verdict_of(seen.margin)}."
    return [" ".join(told)] if seen.sent is None else [" ".join(told), same_verdict]


def _same_verdict(seen: Seen) -> tuple[list[Sent], list[Sent]]:
    """The deliveries after which the verdict is the same, and all that leave enough of the picture to count."""
    fitting = [one for one in seen.sent or () if one.fits]
    return [one for one in fitting if (one.margin > 0) == (seen.margin > 0)], fitting


def _busy(status: JobStatus | None) -> bool:
    return status is not None and status.busy


def _ask_after(sent: list[Delivered], detector: Known) -> JobStatus:
    """Ask for the margins after each delivery."""
    pixels: NDArray[np.uint8] = np.stack([one.pixels for one in sent])
    return ask(detector, pixels, pixels_sha256(pixels), PredictRequest(), slot="upload.sent", patience=0.3)


def _draw_more(seen: Seen, ready: Prepared, found: Prediction, judgement: Judgement) -> None:
    """What the answer rests on, on demand."""
    with st.container(horizontal=True, gap="small"):
        if seen.sent is not None:
            _draw_strip(seen)
        if ready.resized:
            _draw_filters(ready, found)
        _draw_reasons(judgement)


def _draw_headline(judgement: Judgement, detector: Known) -> None:
    reason = markdown(tell(judgement.reasons[0]).answer) if judgement.reasons else ""
    if judgement.answer is None:
        st.markdown(f"### Judging: {CLASS_WORDS[judgement.verdict]} so far, and its deliveries are still to come")
        return
    st.markdown(f"### {SYMBOLS[judgement.answer]} {coloured(judgement.answer)}: {reason}")
    if any(one.key == "unmeasured" for one in judgement.reasons):
        st.caption(
            with_code(
                "To measure this, run `python -m core.studies.judgement --run RUN`, where RUN is a run of "
                f"{detector.name}."
            )
        )


def _draw_network(ready: Prepared, found: Prediction, shown: str, label: str | None) -> None:
    """What the network computed, and what the image is where that is known."""
    number = ready.filters.index(shown) if shown in ready.filters else 0
    p_real, margin = float(found.p_real[number]), float(found.margins[number])
    verdict = verdict_of(margin)
    how = f" with the {shown} filter" if ready.resized else ""
    said = f"The network says {CLASS_WORDS[verdict]}{how}: margin {plus(margin)}, p(REAL) {percent(p_real)}."
    if label is not None:
        said += f" The image is {CLASS_WORDS[label]}: {'correct' if label == verdict else 'a mistake'}."
    st.markdown(said)


def _draw_strip(seen: Seen) -> None:
    """How many deliveries give the same verdict, and on demand each with its margin."""
    sent = seen.sent or ()
    same, fitting = _same_verdict(seen)
    with st.popover(
        f"Still {CLASS_WORDS[verdict_of(seen.margin)]} in {len(same)} of {len(fitting)} ways of saving, resizing or "
        "sending it",
        icon=":material/share:",
    ):
        st.caption(
            "Before the detector saw it, the picture went through what sharing does to pictures. Margins above 0 say "
            f"REAL, below FAKE. A picture of more than {MOST // 10**6} million pixels is first reduced to half its "
            "width and height."
        )
        rows = [
            {
                "delivery": one.title,
                "called": CLASS_WORDS[verdict_of(one.margin)],
                "margin": plus(one.margin),
                "": "" if not one.fits else "same" if one in same else "**flips**",
            }
            for one in sent
        ]
        st.table(pd.DataFrame(rows).set_index("delivery"), border="horizontal")
        if len(fitting) < len(sent):
            st.caption(
                "Blank: the delivery leaves fewer pixels than the detector reads, so that the picture had to be "
                "enlarged, or cuts off part of the chosen square. It is then a different picture and does not count."
            )


def _draw_filters(ready: Prepared, found: Prediction) -> None:
    """The verdict under each resampling filter, on demand."""
    with st.popover(f"{len(ready.filters)} resampling filters", icon=":material/filter_frames:"):
        words = np.where(found.margins > 0, CLASS_WORDS["REAL"], CLASS_WORDS["FAKE"])
        rows = {
            "resampling": ready.filters,
            "called": words,
            "p(REAL)": [percent(float(p)) for p in found.p_real],
            "margin": [plus(margin) for margin in found.margins],
        }
        st.caption(
            f"The picture is resized to {ready.side} x {ready.side} pixels; {ready.usual} is the detector's own filter."
        )
        st.table(pd.DataFrame(rows).set_index("resampling"), border="horizontal")


def _draw_reasons(judgement: Judgement) -> None:
    """The other reasons, on demand."""
    if len(judgement.reasons) < 2:
        return
    with st.popover(f"{len(judgement.reasons)} reasons for this answer", icon=":material/rule:"):
        st.markdown("\n".join(f"- {markdown(tell(one).answer.capital())}" for one in judgement.reasons))
