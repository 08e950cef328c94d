"""What can be said of a picture: the answer with its reason, other detectors, saving, and what its file says."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from core.answers.judgement import Judgement, Threshold, and_saved, versions
from core.answers.ordinary import is_ordinary, judge_file
from core.arrays import Pixels
from core.console import PROGRAM, join
from core.detectors import known
from core.detectors.identity import DetectorHandle
from core.findings.numbers import plus
from core.images.decoding import ImageError
from core.images.labels import CLASSES, ClassName, verdict_of
from core.images.preprocessing import Prepared, Preprocessing, settle
from core.images.provenance import read_claims, summarise, weigh
from core.perturbations.delivery import DELIVERIES, Delivered, deliver
from core.report.slide import Story
from dashboard.components.case import Case, draw_case, draw_unanswered
from dashboard.components.component import csv_button
from dashboard.components.picture import Cell, picture_grid, picture_strip
from dashboard.components.probing import changed_pictures, last_changes, table_of
from dashboard.components.requests import Subject, any_busy, ask, follow, poll, waiting
from dashboard.components.study import draw_maker, readable
from dashboard.components.uploads import Picture, draw_crop, in_turn, remembered
from dashboard.components.words import CLASS_WORDS, code, coloured, draw_title, draw_verdict, heading, percent, plain
from dashboard.jobs import JobStatus
from dashboard.library import runs_by, threshold_of
from dashboard.visitors import is_local

# of the session: the picture whose answer was explained last, by its hash, and what a slide tells of it
STORY = "upload.story"
# why a picture is out of scope -> the headline, and the sentence beneath it
OUT_OF_SCOPE = {
    "shrunk": ("No answer: too large for this detector", "Shrinking it decides the answer, not what is in it."),
    "enlarged": ("No answer: your picture is too small", "Enlarging it decides the answer, not what is in it."),
    "cut": ("No answer: this detector sees only a part of it", "What it says of a part is no answer on the whole."),
    "unmeasured": (
        "No answer: this detector has not been tested",
        "Nobody has measured yet how far it can be trusted.",
    ),
    "weak": (
        "No answer: this detector is wrong too often",
        "On its own test images it fails too often to be believed.",
    ),
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
    "halved": "Cannot tell: the picture is too large",
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
    return ask(detector, versions(ready), "predictions", slot=slot)


def judged(
    picture: Picture, ready: Prepared, detector: DetectorHandle, now: JobStatus, threshold: Threshold | None = None
) -> Judgement | None:
    """Judge a picture by what came of `look`; None while that is not there and is needed.

    Args:
        picture: that was chosen.
        ready: as the detector sees it.
        detector: that was asked.
        now: what came of it.
        threshold: of the detector, where somebody has set one.
    """
    margins = None if now.answer is None else now.answer.margins
    if margins is None and not is_ordinary(ready):
        return None
    return judge_file(ready, picture.kind, detector.identity, threshold, margins)


def draw_answer(
    picture: Picture, ready: Prepared, detector: DetectorHandle, threshold: Threshold | None = None
) -> None:
    """Draw the answer on a picture, and its reason: on an upload as the page's title.

    Args:
        picture: in scope or, without a threshold, an ordinary one.
        ready: as the detector sees it: whole, or a window of its own pixels.
        detector: that is asked.
        threshold: by which a picture in scope is judged.
    """
    is_example = picture.fitted is not None
    draw_headline = draw_verdict if is_example else draw_title

    def show(now: JobStatus) -> None:
        judgement = judged(picture, ready, detector, now, threshold)
        if judgement is None:
            draw_headline("Asking the detector" if now.busy else "No answer yet")
            # as long as the sentence to come
            st.markdown(f":gray[{waiting(now) or 'The first time takes a few seconds, while it is being read.'}]")
        elif threshold is None:
            heading(ORDINARY[judgement.scope], judgement.sentence)
        else:
            draw_headline(f"{'Example: ' if is_example else ''}{coloured(judgement.answer)}")
            label = f" In truth: {CLASS_WORDS[picture.label]}." if picture.label else ""
            st.markdown(judgement.sentence + label)

    follow(detector, versions(ready), "predictions", show, slot="upload")


def draw_answered_case(picture: Picture, subject: Subject, detector: DetectorHandle, threshold: Threshold) -> None:
    """Draw what changes the answer on a picture in scope: each changed picture is judged as the picture itself is."""
    preprocessing = detector.about.preprocessing
    changed = changed_pictures(subject.image, subject.sha256)
    key = "upload.case"

    def make() -> Pixels:
        return np.concatenate([and_saved(image, preprocessing) for image in changed.values()])

    pixels = remembered((picture.key, "changed"), make)

    def show(now: JobStatus) -> None:
        if now.answer is None or len(now.answer) < len(pixels):
            st.markdown("**Changing it in many ways**")
            draw_unanswered(subject, key=key)
            return
        largest = now.answer.reshape(len(changed), -1).max(axis=1)
        case = Case(subject, table_of(changed, largest - threshold.margin), answers=True)
        st.session_state[STORY] = (subject.sha256, case.story())
        st.markdown(f"**{case.headline}**")
        draw_case(case, key=key)

    follow(detector, pixels, "margins", show, slot=key, doing="{} changed and saved pictures judged")
    fake = threshold.test["FAKE"]
    real = threshold.test["REAL"]
    photographs = threshold.photographs
    shares = [percent(count.share) for count in (fake, real, photographs)]
    st.caption(
        "FAKE-like in tests: {} of generated, {} of real, {} of shrunk photographs.".format(*shares),
        help=f"Of {fake.images:,} and {real.images:,} test images of this detector; and of "
        f"{photographs.images:,} squares of {photographs.sources} photographs that were shrunk to its size, as "
        "somebody may have done with yours.",
    )


def last_story(subject: Subject, detector: DetectorHandle, label: ClassName | None) -> Story | None:
    """Return what a slide tells of a picture: its answer or else its verdict; None before one is explained."""
    sha256, story = st.session_state.get(STORY, ("", None))
    changes = last_changes(subject, detector)
    if sha256 == subject.sha256 or changes is None:
        return story if sha256 == subject.sha256 else None
    return Case(subject, changes, label).story()


def draw_why(ready: Prepared, scope: str) -> None:
    """Draw the page's headline where there is no answer, and the reason; `scope` is a key of `OUT_OF_SCOPE`."""
    side = ready.preprocessing.size
    sizes = f"It knows pictures of {side} \N{MULTIPLICATION SIGN} {side} pixels."
    own = f"This one has {ready.width:,} \N{MULTIPLICATION SIGN} {ready.height:,}."
    headline, why = OUT_OF_SCOPE[scope]
    heading(headline, f"{sizes} {own} {why}")


def draw_no_answer(
    picture: Picture, ready: Prepared, detector: DetectorHandle, scope: str, data: bytes | None = None
) -> None:
    """Draw a picture without an answer: whole, with what its file says, and what shrinking it decides.

    Args:
        picture: that is out of scope.
        ready: as the detector would see it.
        detector: that cannot answer.
        scope: the reason, a key of `OUT_OF_SCOPE`.
        data: bytes of the picture's file; None of an example.
    """
    left, right = st.columns([6, 7], gap="large")
    with left:
        if ready.whole:
            picture_strip([Cell(ready.pixels[0], picture.name)], width=320)
        else:
            draw_crop(picture, ready)
        draw_file_box(picture, data)
    with right:
        if ready.resized:
            draw_filters(ready, detector)
        if scope == "unmeasured":
            make = code(f"{PROGRAM} judgement --run RUN --data DATA")
            st.caption(f"{make} tests it: a run of {plain(detector.name)}, and the images that it was trained on.")


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
        draw_file_box(picture, data)
        side = ready.preprocessing.size
        whose = "the halved picture's" if picture.kind == "halved" else "the picture's own"
        st.caption(
            f"{plain(detector.name)} reads {side} × {side} of {whose} pixels, which the square shows. "
            "It was asked about this square; rates are of squares in the middle."
        )


def draw_fetch_offer() -> None:
    """Offer to fetch a detector for ordinary pictures: by a press where the visitor sits, else by a command."""
    name = "ferretnet"
    about = known.find_known(name)
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
    # they open beside this page, which keeps its upload
    start = urlencode({"run": st.session_state["run"]})
    own = urlencode({"run": st.session_state["run"], "by": detector.name})
    size = ready.preprocessing.size
    links = f"[Watch the answer flip](./?{start}) · [Try a {size}-pixel picture](?{own})"

    def show(now: JobStatus) -> None:
        verdicts: list[ClassName | None] = [None] * len(ready.filters)
        outcome = ""
        if now.answer is not None:
            verdicts = [verdict_of(margin) for margin in now.answer.margins]
            counts = ", ".join(f"{verdicts.count(name)} {name}" for name in CLASSES)
            outcome = f": {coloured(counts)}"
        cells = [
            Cell(pixels, f"Resized with {name}", f"{name}: {CLASS_WORDS.get(str(verdict), '…')}", verdict)
            for name, pixels, verdict in zip(ready.filters, ready.pixels, verdicts, strict=True)
        ]
        st.subheader(f"One picture, six ways to {verb} it{outcome}", anchor=False)
        picture_grid(cells, columns=3, least=96)
        with st.container(border=True):
            st.markdown(f"Asking the detector. {waiting(now)}" if now.busy else f"{SO_WHAT}  \n{links}")

    follow(detector, versions(ready), "predictions", show, slot="upload")


def draw_raw(ready: Prepared, detector: DetectorHandle) -> None:
    """Draw what the network computes under each filter."""

    def show(now: JobStatus) -> None:
        if now.answer is None:
            return
        names = ready.filters if ready.resized else ("not resized",)
        margins = now.answer.margins[: len(names)]
        called = [CLASS_WORDS[verdict_of(margin)] for margin in margins]
        p_real = map(percent, now.answer.p_real.tolist())
        rows = zip(called, p_real, map(plus, margins), strict=False)
        table = pd.DataFrame(rows, names, ["called", "p(REAL)", "margin"])
        # an unnamed index has an empty header, which says nothing to a screen reader
        st.table(table.rename_axis("resampling"), border="horizontal")

    follow(detector, versions(ready), "predictions", show, slot="upload.raw")


def draw_survival(picture: Picture, detectors: Mapping[str, DetectorHandle]) -> None:
    """Draw what each detector says of the picture after each way of saving, resizing and sharing, as a matrix.

    Args:
        picture: that was chosen.
        detectors: the chosen one, and others, of which those are asked that see the picture's own pixels.
    """
    chosen = next(iter(detectors))
    asked: dict[str, list[Delivered]] = {}
    for name, detector in detectors.items():
        preprocessing = detector.about.preprocessing
        if name == chosen or not picture.ready(preprocessing).resized:
            asked[name] = sent_of(picture, preprocessing)
    alarms = {name: false_alarms(detectors[name]) for name in asked}

    def statuses() -> list[JobStatus]:
        return [
            ask(detectors[name], np.stack([one.pixels for one in sent]), "predictions", slot=f"sent.{name}")
            for name, sent in asked.items()
        ]

    def draw(now: list[JobStatus]) -> None:
        rows: dict[str, dict[str, str]] = {}
        for (name, sent), status in zip(asked.items(), now, strict=True):
            margins = [None] * len(sent) if status.answer is None else status.answer.margins
            marks = map(mark_of, sent, margins)
            rows[plain(name)] = {delivered.delivery.title: mark for delivered, mark in zip(sent, marks, strict=True)}
            rows[f"{plain(name)}: photographs called FAKE"] = alarms[name]
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("detector").dropna(how="all")
        st.dataframe(table, height="content", placeholder="not measured", alt="What each detector says after each way")
        csv_button("As CSV", table.reset_index(), "survival.csv", key="sent.csv")

    poll(statuses, draw, any_busy)


def sent_of(picture: Picture, preprocessing: Preprocessing) -> list[Delivered]:
    """Return a picture as a detector sees it after each delivery; it is made once, with a bar."""
    steps = picture.steps(preprocessing)
    place = picture.place(preprocessing)

    def send(pixels: Pixels) -> list[Delivered]:
        bar = st.progress(0.0, "Saving and resizing")
        made = []
        for delivered in deliver(pixels, steps, place):
            made.append(delivered)
            bar.progress(len(made) / len(DELIVERIES), "Saving and resizing")
        bar.empty()
        return made

    return remembered((picture.key, "sent", steps.steps, place), partial(picture.use, send))


def mark_of(delivered: Delivered, margin: float | None) -> str:
    """Return the mark of a cell: the verdict, or why there is none."""
    if not delivered.fits:
        return "too few pixels"
    return "being asked" if margin is None else verdict_of(float(margin))


def false_alarms(detector: DetectorHandle) -> dict[str, str]:
    """Return the share of photographs that a detector calls FAKE after each delivery, by title, where measured."""
    counted = known.false_alarms().get(str(detector.manifest.get("known")))
    if counted is not None:
        named = {sent.title: counted[sent.name] for sent in DELIVERIES if sent.name in counted}
        return {
            title: percent(made.called_fake / made.photographs) for title, made in named.items() if made.photographs
        }
    for opened in runs_by(detector.identity):
        result = readable(opened, "deliveries")
        if result is not None and opened.run.classes:
            photographs = opened.run.predictions["id"][opened.run.is_real.astype(bool)]
            titles = {sent.column: sent.title for sent in DELIVERIES if sent.column in result.table}
            margins = result.table.set_index("id")[list(titles)].reindex(photographs).dropna()
            return dict((margins <= 0).mean().map(percent).rename(titles)) if len(margins) else {}
    return {}


def draw_others(picture: Picture, detectors: Mapping[str, DetectorHandle]) -> None:
    """Draw what each detector here answers, and the one reason."""
    thresholds = {name: threshold_of(detector.identity) for name, detector in detectors.items()}

    def rows() -> pd.DataFrame:
        return pd.DataFrame(
            {"detector": plain(name), **answer_row(picture, detector, thresholds[name], slot=f"others.{name}")}
            for name, detector in detectors.items()
        )

    def draw(table: pd.DataFrame) -> None:
        st.table(table.set_index("detector")[["answer", "reason"]], border="horizontal")

    draw_rows(rows, draw)


def draw_rows(rows: Callable[[], pd.DataFrame], draw: Callable[[pd.DataFrame], None]) -> None:
    """Draw a table of rows from `answer_row`, again while answers come."""

    def is_busy(table: pd.DataFrame) -> bool:
        return any_busy(table["now"])

    poll(rows, draw, is_busy)


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
    judgement = judged(picture, ready, detector, now, threshold)
    if now.answer is not None and judgement is not None:
        margins = now.answer.margins[: len(ready.filters)]
        row |= {"answer": judgement.answer, "reason": judgement.sentence, "verdict": settle(margins)}
        row |= {"lowest margin": float(margins.min()), "highest margin": float(margins.max())}
    return row


def draw_file_box(picture: Picture, data: bytes | None) -> None:
    """Draw what an upload's file says beside its picture; nothing for an example, which has no file here."""
    if data is not None:
        with st.container(border=True):
            st.subheader("What the file itself says", anchor=False)
            draw_file_says(picture, data)


def draw_file_says(picture: Picture, data: bytes) -> None:
    """Draw what the bytes of an upload's file say of where it came from."""
    # Content Credentials take a process of their own
    claims = remembered((picture.key, "says"), partial(in_turn, partial(read_claims, data)))
    colour, weight = WEIGHTS[weigh(claims)]
    st.markdown(f"**{summarise(claims)}** :{colour}-badge[{weight}]")
    st.markdown("\n".join(f"- {plain(claim.kind)}: {plain(claim.sentence)}" for claim in claims))
    for claim in claims:
        if claim.detail:
            with st.popover(f"{plain(claim.kind)}, in the file's own text"):
                # shown letter by letter
                st.code(claim.detail, language=None, wrap_lines=True)
