"""What can be said of a picture: the answer with its reason, other detectors, saving, and what its file says."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.answers.judgement import Judgement, Threshold, judge, versions
from core.answers.ordinary import judge_ordinary, measured
from core.console import PROGRAM, join
from core.detectors.identity import DetectorHandle
from core.detectors.known import find_known
from core.findings.numbers import plus
from core.images.decoding import ImageError, may_be_transparent
from core.images.labels import verdict_of
from core.images.preprocessing import Prepared, settle
from core.images.provenance import read_claims, summarise, weigh
from core.perturbations.delivery import DELIVERIES, Delivered, deliver
from dashboard.components.picture import Cell, picture_grid, picture_strip
from dashboard.components.plain import code, plain
from dashboard.components.requests import any_busy, ask, follow, poll, waiting
from dashboard.components.study import draw_maker
from dashboard.components.uploads import Picture, draw_crop, in_turn, remembered
from dashboard.components.words import CLASS_WORDS, coloured, heading, percent
from dashboard.jobs import JobStatus, PredictRequest
from dashboard.library import threshold_of
from dashboard.visitors import is_local

# icons of Material
SYMBOLS = {"FAKE-like": "smart_toy", "Nothing found": "search_off"}
# why a picture is out of scope -> the headline, and the sentence beneath it
HEADLINES = {
    "shrunk": "No answer: this detector cannot see your picture",
    "enlarged": "No answer: your picture is too small",
    "cut": "No answer: this detector sees only a part of it",
    "unmeasured": "No answer: this detector has not been tested",
    "weak": "No answer: this detector is wrong too often",
}
REASONS = {
    "shrunk": "Shrinking it decides the answer, not what is in it.",
    "enlarged": "Enlarging it decides the answer, not what is in it.",
    "cut": "What it says of a part is no answer on the whole.",
    "unmeasured": "Nobody has measured yet how far it can be trusted.",
    "weak": "On its own test images it fails too often to be believed.",
}
SO_WHAT = (
    "Nothing follows from it, not even where all six agree: if somebody shows you such a word, ask how the picture "
    "was resized."
)
# of an ordinary picture: what can be said -> the headline
ORDINARY = {
    "asked": "Asking the detector",
    "signs": "Signs of a generator found",
    "nothing": "Cannot tell: no signs, and that says little",
    "gone": "Cannot tell: a saving like this hides the signs",
    "small": "Cannot tell: the picture is too small",
    "unmeasured": "Cannot tell: nobody has tested this",
}
# what stands behind what a file says -> colour of its badge, and the words
WEIGHTS = {
    "signed": ("green", "signed"),
    "claimed": ("gray", "claimed: anyone can write this"),
    "absent": ("gray", "absent"),
}


def look(ready: Prepared, detector: DetectorHandle, *, slot: str = "upload") -> JobStatus:
    """Ask for the detector's predictions on the picture's `versions`; the answer is a `Prediction`."""
    return ask(detector, versions(ready), PredictRequest(), slot=slot)


def judged(ready: Prepared, threshold: Threshold | None, now: JobStatus) -> Judgement | None:
    """Judge a picture by its detector's threshold and what came of `look`; None while that is not there."""
    return None if now.answer is None else judge(ready, threshold, now.answer.margins)


def draw_answer(picture: Picture, ready: Prepared, detector: DetectorHandle, threshold: Threshold) -> None:
    """Draw the answer on a picture in scope, its reason, and how often such answers are right."""

    def show(now: JobStatus) -> None:
        judgement = judged(ready, threshold, now)
        if judgement is None:
            if now.busy:
                st.markdown("### Asking the detector")
                st.caption(waiting(now) or "The first time takes a few seconds, while it is being read.")
            return
        whose = ""
        label = ""
        if picture.label:
            whose = "Example: "
            label = f" In truth: {CLASS_WORDS[picture.label]}."
        st.header(f":material/{SYMBOLS[judgement.answer]}: {whose}{coloured(judgement.answer)}", anchor=False)
        st.markdown(judgement.sentence + label)
        fake, real, photographs = threshold.test["FAKE"], threshold.test["REAL"], threshold.photographs
        shares = [percent(count.hits / max(1, count.images)) for count in (fake, real, photographs)]
        st.caption(
            "FAKE-like in tests: {} of generated, {} of real, {} of shrunk photographs.".format(*shares),
            help=f"Of {fake.images:,} and {real.images:,} test images of this detector; and of "
            f"{photographs.images:,} squares of {photographs.sources} photographs that were shrunk to its size, as "
            "somebody may have done with yours.",
        )

    follow(lambda: look(ready, detector), show, slot="upload")


def draw_why(ready: Prepared, scope: str) -> None:
    """Draw the page's headline where there is no answer, and the reason; `scope` is a key of `HEADLINES`."""
    side = ready.preprocessing.size
    sizes = f"It knows pictures of {side} \N{MULTIPLICATION SIGN} {side} pixels."
    own = f"This one has {ready.width:,} \N{MULTIPLICATION SIGN} {ready.height:,}."
    heading(HEADLINES[scope], f"{sizes} {own} {REASONS[scope]}")


def draw_no_answer(
    picture: Picture, ready: Prepared, detector: DetectorHandle, scope: str, data: bytes | None = None
) -> None:
    """Draw a picture without an answer: whole, with what its file says, and what shrinking it decides.

    Args:
        picture: that is out of scope.
        ready: as the detector would see it.
        detector: that cannot answer.
        scope: the reason, a key of `HEADLINES`.
        data: bytes of the picture's file; None of an example.
    """
    left, right = st.columns([6, 7], gap="large")
    with left:
        if ready.whole:
            picture_strip([Cell(ready.pixels[0], picture.name)], width=320)
        else:
            draw_crop(picture, ready)
        if data is not None:
            with st.container(border=True):
                st.subheader("What the file itself says", anchor=False)
                draw_file_says(picture, data)
    with right:
        if ready.resized:
            draw_filters(ready, detector)
        if scope == "unmeasured":
            make = code(f"{PROGRAM} judgement --run RUN --data DATA")
            st.caption(f"{make} tests it: a run of {plain(detector.name)}, and the images that it was trained on.")


def draw_signs(picture: Picture, ready: Prepared, detector: DetectorHandle) -> None:
    """Draw the headline of an ordinary picture: what can be said by a window of its own pixels, and how often."""
    rates = measured().get(detector.identity.weights_sha256)

    def show(now: JobStatus) -> None:
        margin = None if now.answer is None else float(now.answer.margins[0])
        judgement = judge_ordinary(ready, picture.kind, rates, margin)
        heading(ORDINARY[judgement.scope], judgement.sentence)

    follow(lambda: look(ready, detector), show, slot="upload")


def draw_ordinary(picture: Picture, ready: Prepared, detector: DetectorHandle, data: bytes | None) -> None:
    """Draw an ordinary picture with the window that is read, and what its file says.

    Args:
        picture: of any size.
        ready: its window.
        detector: that reads a picture's own pixels.
        data: bytes of the picture's file; None of an example.
    """
    left, right = st.columns([6, 7], gap="large")
    with left:
        draw_crop(picture, ready)
    with right:
        if data is not None:
            with st.container(border=True):
                st.subheader("What the file itself says", anchor=False)
                draw_file_says(picture, data)
        side = ready.preprocessing.size
        st.caption(
            f"{plain(detector.name)} reads {side} × {side} of the picture's own pixels, which "
            f"the square shows. It was asked about this square; rates are of squares in the middle."
        )


def draw_fetch_offer() -> None:
    """Offer to fetch a detector for ordinary pictures: by a press where the visitor sits, else by a command."""
    name = "ferretnet"
    about = find_known(name)
    words = ("detectors", "add", name)
    with st.container(border=True):
        st.markdown(
            f"**Fetch a detector for ordinary pictures?** FerretNet-S, {about.bytes / 1e6:.1f} MB, {about.licence}."
        )
        if is_local():
            draw_maker("fetch", {"Fetch it": words})
        else:
            st.caption(f"Whoever runs this server can: {code(f'{PROGRAM} {join(words)}')}")


def draw_filters(ready: Prepared, detector: DetectorHandle) -> None:
    """Draw one picture resized in six ways, with what the detector would say of each, and that nothing follows."""
    verb = "enlarge" if ready.preprocessing.enlarges(ready.height, ready.width, ready.location) else "shrink"

    def show(now: JobStatus) -> None:
        verdicts = ["" for _ in ready.filters]
        if now.answer is not None:
            verdicts = [verdict_of(float(margin)) for margin in now.answer.margins[: len(ready.filters)]]
        words = [CLASS_WORDS.get(verdict, "\N{HORIZONTAL ELLIPSIS}") for verdict in verdicts]
        captions = [f"{name}: {word}" for name, word in zip(ready.filters, words, strict=True)]
        cells = [
            Cell(pixels, f"Resized with {name}", caption)
            for name, pixels, caption in zip(ready.filters, ready.pixels, captions, strict=True)
        ]
        counts = [f"{verdicts.count(name)} {CLASS_WORDS[name]}" for name in ("FAKE", "REAL")]
        outcome = "" if now.answer is None else f": {', '.join(counts)}"
        st.subheader(f"One picture, six ways to {verb} it{outcome}", anchor=False)
        picture_grid(cells, columns=3, least=96)
        with st.container(border=True):
            st.markdown(f"Asking the detector. {waiting(now)}" if now.busy else SO_WHAT)

    follow(lambda: look(ready, detector), show, slot="upload")


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

    follow(lambda: look(ready, detector, slot="upload.raw"), show, slot="upload.raw")


def draw_sent(picture: Picture, detector: DetectorHandle) -> None:
    """Draw what the detector calls the picture after each way of saving, resizing and sharing."""
    preprocessing = detector.about.preprocessing
    steps, place = picture.steps(preprocessing), picture.place(preprocessing)

    def send(pixels: NDArray[np.uint8]) -> list[Delivered]:
        bar, made = st.progress(0.0, "Saving and resizing"), []
        for delivered in deliver(pixels, steps, place):
            made.append(delivered)
            bar.progress(len(made) / len(DELIVERIES), "Saving and resizing")
        bar.empty()
        return made

    sent = remembered((picture.key, "sent", steps.steps, place), lambda: picture.use(send))
    pixels = np.stack([delivered.pixels for delivered in sent])

    def show(now: JobStatus) -> None:
        if now.answer is not None:
            called = [CLASS_WORDS[verdict_of(float(margin))] for margin in now.answer.margins]
            words = [word if one.fits else "too few pixels are left" for one, word in zip(sent, called, strict=True)]
            ways = pd.Index([one.delivery.title for one in sent], name="way")
            st.table(pd.DataFrame({"called": words}, ways), border="horizontal")

    follow(lambda: ask(detector, pixels, PredictRequest(), slot="upload.sent"), show, slot="upload.sent")


def draw_others(picture: Picture, detectors: Mapping[str, DetectorHandle]) -> None:
    """Draw what each detector here answers, and the one reason."""
    thresholds = {name: threshold_of(detector.identity) for name, detector in detectors.items()}

    def rows() -> list[dict[str, Any]]:
        return [
            {"detector": plain(name), **answer_row(picture, detector, thresholds[name], slot=f"others.{name}")}
            for name, detector in detectors.items()
        ]

    def draw(table: pd.DataFrame) -> None:
        st.table(table.set_index("detector")[["answer", "reason"]], border="horizontal")

    draw_rows(rows, draw)


def draw_rows(rows: Callable[[], list[dict[str, Any]]], draw: Callable[[pd.DataFrame], None]) -> None:
    """Draw rows from `answer_row` as a table, again while answers come."""

    def again(asked: list[dict[str, Any]]) -> bool:
        draw(pd.DataFrame(asked).drop(columns="now"))
        return any_busy(row["now"] for row in asked)

    first = rows()
    poll(first, rows, again, busy=any_busy(row["now"] for row in first))


def answer_row(picture: Picture, detector: DetectorHandle, threshold: Threshold | None, *, slot: str) -> dict[str, Any]:
    """Return a detector's answer on a picture as it sees it by itself.

    `answer` and `reason`, and what it rests on: `verdict`, `lowest margin` and `highest margin`, for files; `now` is
    the status of the request, None where there is no image, and the reason says why.
    """
    try:
        ready = picture.ready(detector.about.preprocessing, moved=False)
    except ImageError as error:
        return {"now": None, "answer": None, "reason": str(error)}
    now = look(ready, detector, slot=slot)
    row: dict[str, Any] = {"now": now, "answer": "being asked" if now.busy else None, "reason": now.message}
    if judgement := judged(ready, threshold, now):
        margins = now.answer.margins[: len(ready.filters)]
        if ready.preprocessing.native and not ready.whole:
            rates = measured().get(detector.identity.weights_sha256)
            judgement = judge_ordinary(ready, picture.kind, rates, float(margins[0]))
        row |= {"answer": judgement.answer, "reason": judgement.sentence, "verdict": settle(margins)}
        row |= {"lowest margin": float(margins.min()), "highest margin": float(margins.max())}
    return row


def draw_file_says(picture: Picture, data: bytes) -> None:
    """Draw what the bytes of an upload's file say of where it came from."""
    # Content Credentials take a process of their own
    claims = remembered((picture.key, "says"), lambda: in_turn(lambda: read_claims(data)))
    colour, weight = WEIGHTS[weigh(claims)]
    st.markdown(f"**{summarise(claims)}** :{colour}-badge[{weight}]")
    st.markdown("\n".join(f"- {plain(claim.kind)}: {plain(claim.sentence)}" for claim in claims))
    for claim in claims:
        if claim.detail:
            st.caption(f"{plain(claim.kind)}, in the file's own text")
            # shown letter by letter
            st.code(claim.detail, language=None, wrap_lines=True)
    if may_be_transparent(data):
        st.caption("Parts of it that are transparent were laid on white.")
