"""What can be said of a picture: the answer with its reason, other detectors, saving, and what its file says."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.findings.numbers import plus
from core.images.decoding import ImageError, may_be_transparent
from core.images.labels import verdict_of
from core.images.preprocessing import Prepared, settle
from core.images.provenance import read_claims, summarise
from core.perturbations.postprocessing import DELIVERIES, Delivered, deliver, seeing
from core.studies.judgement import Judgement, judge, versions
from dashboard.components.picture import Cell, picture_strip
from dashboard.components.plain import code, plain
from dashboard.components.requests import DetectorHandle, any_busy, ask, keep_up, poll, waiting
from dashboard.components.uploads import Picture, remembered
from dashboard.components.words import CLASS_WORDS, coloured, percent
from dashboard.decoding import in_turn
from dashboard.jobs import JobStatus, PredictRequest
from dashboard.library import threshold_of

# icons of Material
SYMBOLS = {"FAKE-like": "smart_toy", "Nothing found": "search_off", "Out of scope": "help"}


def look(ready: Prepared, detector: DetectorHandle, *, slot: str = "upload") -> JobStatus:
    """Ask for the detector's predictions on the picture's `versions`; the answer is a `Prediction`."""
    return ask(detector, versions(ready), PredictRequest(), slot=slot)


def judged(ready: Prepared, detector: DetectorHandle, now: JobStatus) -> Judgement | None:
    """Judge a picture by what came of `look`; None while that is not there."""
    return None if now.answer is None else judge(ready, threshold_of(detector.identity), now.answer.margins)


def draw_answer(picture: Picture, ready: Prepared, detector: DetectorHandle) -> None:
    """Draw the answer, its reason and what bears it out: counts, or the verdict under each resampling filter."""

    def show(now: JobStatus) -> None:
        judgement = judged(ready, detector, now)
        if judgement is None:
            if now.busy:
                st.markdown("### Asking the detector")
                st.caption(waiting(now) or "The first time takes a few seconds, while it is being read.")
            return
        st.markdown(f"### :material/{SYMBOLS[judgement.answer]}: {coloured(judgement.answer)}")
        label = f" In truth: {CLASS_WORDS[picture.label]}." if picture.label else ""
        st.markdown(judgement.sentence + label)
        threshold = threshold_of(detector.identity)
        if judgement.scope == "in scope" and threshold is not None:
            fake, real, photographs = threshold.test["FAKE"], threshold.test["REAL"], threshold.photographs
            counts = (f"{those.hits:,} of {those.images:,}" for those in (fake, real, photographs))
            st.caption(
                "So called: {} generated, {} real, {} shrunk photographs.".format(*counts),
                help=f"Of this detector's test images; and of squares of {photographs.sources} photographs that "
                "were shrunk to its size, as somebody may have done with yours.",
            )
        if judgement.scope == "unmeasured":
            make = code("python -m core judgement --run RUN --data DATA")
            st.caption(
                f"{make} measures it, where RUN is a run of {plain(detector.name)} and DATA its training images."
            )
        if ready.resized:
            called = map(verdict_of, now.answer.margins)
            picture_strip(
                (
                    Cell(pixels, f"Resized with {name}: {verdict}", f"{name} {CLASS_WORDS[verdict]}", verdict)
                    for name, pixels, verdict in zip(ready.filters, ready.pixels, called, strict=True)
                ),
                width=84,
            )

    keep_up(lambda: look(ready, detector), show, slot="upload")


def draw_raw(ready: Prepared, detector: DetectorHandle) -> None:
    """Draw what the network computes under each filter."""

    def show(now: JobStatus) -> None:
        if now.answer is None:
            return
        names = ready.filters if ready.resized else ("not resized",)
        rows = {
            name: (CLASS_WORDS[verdict_of(margin)], percent(float(p_real)), plus(margin))
            for name, p_real, margin in zip(names, now.answer.p_real, now.answer.margins, strict=False)
        }
        table = pd.DataFrame.from_dict(rows, orient="index", columns=["called", "p(REAL)", "margin"])
        # an unnamed index has an empty header, which says nothing to a screen reader
        st.table(table.rename_axis("resampling"), border="horizontal")

    keep_up(lambda: look(ready, detector, slot="upload.raw"), show, slot="upload.raw")


def draw_sent(picture: Picture, detector: DetectorHandle) -> None:
    """Draw what the detector calls the picture after each way of saving, resizing and sharing."""
    preprocessing = detector.about.preprocessing
    steps, place = picture.steps(preprocessing), picture.place(preprocessing)

    def send(pixels: NDArray[np.uint8]) -> list[Delivered]:
        bar, made = st.progress(0.0, "Saving and resizing"), []
        for delivered in deliver(pixels, seeing(steps, place)):
            made.append(delivered)
            bar.progress(len(made) / len(DELIVERIES), "Saving and resizing")
        bar.empty()
        return made

    sent = remembered((picture.key, "sent", steps.steps, place), lambda: picture.use(send))
    pixels = np.stack([delivered.pixels for delivered in sent])

    def show(now: JobStatus) -> None:
        if now.answer is not None:
            rows = {
                delivered.delivery.title: CLASS_WORDS[verdict_of(float(margin))]
                if delivered.fits
                else "too few pixels are left"
                for delivered, margin in zip(sent, now.answer.margins, strict=True)
            }
            st.table(pd.Series(rows, name="called").rename_axis("way").to_frame(), border="horizontal")

    keep_up(lambda: ask(detector, pixels, PredictRequest(), slot="upload.sent"), show, slot="upload.sent")


def draw_others(picture: Picture, detectors: Mapping[str, DetectorHandle]) -> None:
    """Draw what each detector here answers, and the one reason."""

    def draw(table: pd.DataFrame) -> None:
        table.index = pd.Index(map(plain, detectors), name="detector")
        st.table(table[["answer", "reason"]], border="horizontal")

    draw_rows(
        lambda: [answer_row(picture, detector, slot=f"others.{name}") for name, detector in detectors.items()], draw
    )


def draw_rows(
    ask_all: Callable[[], list[tuple[dict[str, object], JobStatus | None]]], draw: Callable[[pd.DataFrame], None]
) -> None:
    """Draw rows as a table, again while answers come; each has the status of its request."""

    def again() -> bool:
        rows, statuses = zip(*ask_all(), strict=True)
        draw(pd.DataFrame(rows))
        return any_busy(statuses)

    poll(again, busy=any_busy(status for _, status in ask_all()))


def answer_row(picture: Picture, detector: DetectorHandle, *, slot: str) -> tuple[dict[str, object], JobStatus | None]:
    """Return a detector's answer on a picture as it sees it by itself, and the status of its request.

    `answer` and `reason`, and what it rests on: `verdict`, `lowest margin` and `highest margin`, for files. There is no
    status where there is no image, and the reason says why.
    """
    preprocessing = detector.about.preprocessing
    try:
        ready = picture.ready(preprocessing, moved=False)
    except ImageError as error:
        return {"answer": None, "reason": str(error)}, None
    now = look(ready, detector, slot=slot)
    judgement = judged(ready, detector, now)
    if judgement is None:
        return {"answer": "being asked" if now.busy else None, "reason": now.message}, now
    margins = now.answer.margins[: len(ready.filters)]
    return {
        "answer": judgement.answer,
        "reason": judgement.sentence,
        "verdict": settle(margins),
        "lowest margin": float(margins.min()),
        "highest margin": float(margins.max()),
    }, now


def draw_file_says(picture: Picture, data: bytes) -> None:
    """Draw what the bytes of an upload's file say of where it came from."""
    # Content Credentials take a process of their own
    claims = remembered((picture.key, "says"), lambda: in_turn(lambda: read_claims(data)))
    st.markdown(f"**{summarise(claims)}**")
    st.markdown("\n".join(f"- {plain(claim.kind)}: {plain(claim.sentence)}" for claim in claims))
    for claim in claims:
        if claim.detail:
            st.caption(f"{plain(claim.kind)}, in the file's own text")
            # shown letter by letter
            st.code(claim.detail, language=None, wrap_lines=True)
    if may_be_transparent(data):
        st.caption("Parts of it that are transparent were laid on white.")
