"""The judgement of an upload: the answer with its reason, other detectors, and what the file says of its origin."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.findings.finding import Finding
from core.findings.numbers import plus
from core.images.decoding import decode, may_be_transparent
from core.images.labels import verdict_of
from core.images.preprocessing import Preprocessing
from core.images.provenance import Claim, read_claims, summarise
from core.images.upload import UNDETERMINED, Prepared, settle
from core.perturbations.postprocessing import DELIVERIES
from core.studies.judgement.judge import Judgement, Seen, judge
from core.studies.judgement.judging import seen_by, sent_with
from dashboard.components.plain import code, plain, with_code
from dashboard.components.requests import DetectorHandle, any_busy, ask, draw_ended, keep_up, poll, waiting
from dashboard.components.uploads import Origin, look, sent_so_far
from dashboard.components.words import CLASS_WORDS, coloured, percent, section
from dashboard.decoding import in_turn
from dashboard.jobs import JobStatus, Prediction, PredictRequest
from dashboard.library import known_of
from dashboard.state import Setting

# the last judgement, for the file that can be saved
LAST = "upload.judgement"
SYMBOLS = {
    "FAKE-like": ":material/smart_toy:",
    "REAL-like": ":material/photo_camera:",
    "Cannot tell": ":material/help:",
}
REASONS = {
    "unmeasured": "Nobody has measured what this detector's verdicts are worth.",
    "filters": "How the picture is resized decides the verdict.",
    "deliveries": "The verdict does not survive saving, resizing or sending.",
    "undelivered": "Nothing that sharing does leaves enough pixels of it to test the verdict.",
    "unfamiliar": "It is unlike everything that the detector was measured on.",
    "worth": "Such verdicts on such pictures are too often wrong, or nobody has measured them.",
    "holds": "The verdict survives saving, resizing and sending, and is mostly right on such pictures.",
}
OTHERS = Setting("others", "off", choices=("on", "off"))


def reason_of(finding: Finding) -> str:
    """Return the sentence of a reason; one that is not listed has its headline."""
    return REASONS.get(finding.key, finding.headline)


def draw_judgement(origin: Origin, ready: Prepared, detector: DetectorHandle, *, shown: str) -> None:
    """Draw the answer and its reason, what the network computed, and the deliveries.

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
        sent, after = sent_so_far(origin), None
        whole = len(sent) == len(DELIVERIES)
        if whole:
            pixels = np.stack([one.pixels for one in sent])
            after = ask(detector, pixels, PredictRequest(), slot="upload.sent", patience=0.3)
        delivered = None if after is None or after.answer is None else sent_with(sent, after.answer.margins)
        seen = seen_by(ready, found.margins, found.features, delivered)
        known = known_of(detector.identity)
        judgement = judge(known.rule, known.space, seen)
        st.session_state[LAST] = (origin.key, detector.identity.fingerprint), (judgement, seen)
        _draw_answer(judgement, detector, known.problem)
        _draw_network(ready, found, shown, origin.label)
        with st.container(horizontal=True, gap="small"):
            if seen.sent is not None:
                _draw_strip(seen)
            if ready.resized:
                _draw_filters(ready, found)
            if len(judgement.reasons) > 1:
                with st.popover(f"{len(judgement.reasons)} reasons for this answer", icon=":material/rule:"):
                    st.markdown("\n".join(f"- {reason_of(one)}" for one in judgement.reasons))
        if not whole:
            st.progress(len(sent) / len(DELIVERIES), f"Delivery {len(sent) + 1} of {len(DELIVERIES)}")
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
    pixels = np.stack([one.pixels for one in sent_so_far(origin)])
    return ask(detector, pixels, PredictRequest(), slot="upload.sent", patience=0.3).busy


def judgement_lines(origin: Origin, detector: DetectorHandle) -> list[str]:
    """Return the judgement of this image with its reasons, as text; empty while it is not there yet."""
    of, last = st.session_state.get(LAST, (None, None))
    if of != (origin.key, detector.identity.fingerprint) or last is None or last[0].answer is None:
        return []
    judgement, seen = last
    lines = [" ".join([f"Judgement: {judgement.answer}.", *map(reason_of, judgement.reasons)])]
    if seen.sent is not None:
        same, fitting = _same_verdict(seen)
        lines.append(f"{same} of {fitting} deliveries give the same verdict, {seen.verdict}.")
    return lines


def _same_verdict(seen: Seen) -> tuple[int, int]:
    """Count the deliveries after which the verdict is the same, and all that leave enough of the picture to count."""
    fitting = [one for one in seen.sent or () if one.fits]
    return sum((one.margin > 0) == (seen.margin > 0) for one in fitting), len(fitting)


def _draw_answer(judgement: Judgement, detector: DetectorHandle, problem: str) -> None:
    if judgement.answer is None:
        st.markdown(f"### {CLASS_WORDS[judgement.verdict]} so far")
        st.caption("Provisional: still testing re-encoded copies.")
        return
    st.markdown(f"### {SYMBOLS[judgement.answer]} {coloured(judgement.answer)}")
    if judgement.reasons:
        st.markdown(reason_of(judgement.reasons[0]))
    if any(one.key == "unmeasured" for one in judgement.reasons):
        make = code("python -m core.studies.judgement --run RUN")
        st.caption(f"{make} measures it, where RUN is a run of {plain(detector.name)}.")
    if problem:
        st.caption(with_code(problem))


def _draw_network(ready: Prepared, found: Prediction, shown: str, label: str | None) -> None:
    """Draw what the network computed, and what the image is where that is known."""
    number = ready.filters.index(shown) if shown in ready.filters else 0
    margin = float(found.margins[number])
    how = f" with the {shown} filter" if ready.resized else ""
    score = f"margin {plus(margin)}, p(REAL) {percent(float(found.p_real[number]))}"
    known = "" if label is None else f" The image is {CLASS_WORDS[label]}."
    st.markdown(f"The network says {CLASS_WORDS[verdict_of(margin)]}{how}: {score}.{known}")


def _draw_strip(seen: Seen) -> None:
    """Draw how many deliveries give the same verdict, and on demand each with its margin."""
    same, fitting = _same_verdict(seen)
    label = f"Still {CLASS_WORDS[seen.verdict]} in {same} of {fitting} ways of saving, resizing or sending it"
    with st.popover(label, icon=":material/share:"):
        rows = [
            {
                "delivery": one.title,
                "called": CLASS_WORDS[verdict_of(one.margin)],
                "margin": plus(one.margin),
                "counts": "yes" if one.fits else "no: too few pixels left",
            }
            for one in seen.sent or ()
        ]
        st.table(pd.DataFrame(rows).set_index("delivery"), border="horizontal")


def _draw_filters(ready: Prepared, found: Prediction) -> None:
    """Draw the verdict under each resampling filter, on demand."""
    with st.popover(f"{len(ready.filters)} resampling filters", icon=":material/filter_frames:"):
        rows = {
            "resampling": ready.filters,
            "called": [CLASS_WORDS[verdict_of(margin)] for margin in found.margins],
            "p(REAL)": [percent(float(p)) for p in found.p_real],
            "margin": [plus(margin) for margin in found.margins],
        }
        st.caption(f"Resized to {ready.side} x {ready.side} pixels; {ready.usual} is the detector's own filter.")
        st.table(pd.DataFrame(rows).set_index("resampling"), border="horizontal")


def draw_others(
    detectors: Mapping[str, DetectorHandle], ready_at: Callable[[Preprocessing], Prepared], origin: Origin
) -> None:
    """Draw a switch and, when it is on, a table with a row per detector.

    Args:
        detectors: by name.
        ready_at: prepares the image, with its current crop, for a detector's preprocessing.
        origin: of the image; its deliveries were made for the detector whose explanation is shown.
    """
    if len(detectors) < 2:
        return
    if not OTHERS.toggle("What do other detectors say?", help="Asks every detector here about the same image."):
        return

    def draw() -> bool:
        found = [_other(detector, ready_at(detector.about.preprocessing), origin) for detector in detectors.values()]
        st.dataframe(
            pd.DataFrame([row for row, _ in found]),
            hide_index=True,
            height="content",
            alt="What each detector says of the image",
            key="upload.others",
            placeholder="\N{EM DASH}",
        )
        return any_busy(now for _, now in found)

    waits = [_other(detector, ready_at(detector.about.preprocessing), origin)[1] for detector in detectors.values()]
    poll(draw, busy=any_busy(waits))


def _other(detector: DetectorHandle, ready: Prepared, origin: Origin) -> tuple[dict[str, object], JobStatus]:
    """Return a detector's row and the status of its request."""
    # deliveries were made for one preprocessing; of a detector with another, none is known here
    sent = sent_so_far(origin) if ready.preprocessing.steps == origin.steps else []
    whole = len(sent) == len(DELIVERIES)
    pixels = np.concatenate([ready.pixels, np.stack([one.pixels for one in sent])]) if whole else ready.pixels
    now = ask(detector, pixels, PredictRequest(), slot=f"others.{detector.name}")
    row: dict[str, object] = {"detector": detector.name}
    if now.answer is None:
        return row | {"judgement": None, "verdict": "being asked" if now.busy else "", "reason": now.message}, now
    count, margins, features = len(ready.filters), now.answer.margins, now.answer.features
    after = sent_with(sent, margins[count:]) if whole else None
    seen = seen_by(ready, margins[:count], features, after)
    known = known_of(detector.identity)
    judgement = judge(known.rule, known.space, seen)
    outcome = settle(margins[:count])
    row |= {"judgement": judgement.answer or "deliveries not tested", "verdict": outcome, "margin": plus(seen.margin)}
    # p(REAL) is under one filter only: where filters disagree, it would look like a verdict
    if outcome != UNDETERMINED:
        row["p(REAL)"] = percent(float(now.answer.p_real[seen.usual]))
    return row | {"reason": reason_of(judgement.reasons[0]) if judgement.reasons else ""}, now


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
