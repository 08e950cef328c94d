"""Try a picture: the answer on an upload or an example, and what would change it."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.answers.judgement import scope_of
from core.answers.ordinary import is_ordinary
from core.console import PROGRAM
from core.detectors.identity import DetectorHandle
from core.images.decoding import RESAMPLING, ImageError
from core.images.encoding import data_url
from core.images.labels import verdict_of
from core.images.preprocessing import Prepared
from dashboard import catalogue, library, state
from dashboard.components import judged
from dashboard.components.component import csv_button, fold
from dashboard.components.dial import draw_dial
from dashboard.components.experiments import experiments
from dashboard.components.explanations import View, draw_explanations, other_maps
from dashboard.components.grid import image_grid
from dashboard.components.requests import Subject
from dashboard.components.study import draw_limits
from dashboard.components.uploads import MAX_FILES, MAX_OWN, MAX_UPLOAD, Picture, draw_whole, pictures_of
from dashboard.components.words import draw_title, explain, heading, plain, with_code
from dashboard.library import Opened
from dashboard.state import Setting

VERDICTS = "Beneath the answer lies a verdict, FAKE or REAL at even odds. The parts below are about that verdict alone."
SAYS = "Read on this server and sent nowhere. Anyone can change what a file says about itself."


def draw_table(pictures: dict[str, Picture], detector: DetectorHandle) -> None:
    """Draw a row a picture, filled in as the answers come."""
    preprocessing = detector.about.preprocessing
    threshold = library.threshold_of(detector.identity)

    def rows() -> pd.DataFrame:
        records = []
        for number, picture in enumerate(pictures.values()):
            answer = judged.answer_row(picture, detector, threshold, slot=f"table.{number}")
            row = {"seen": None, "file": picture.name, **answer}
            if row["now"] is not None:
                row["seen"] = data_url(picture.ready(preprocessing, moved=False).seen(FILTER.default))
            records.append(row)
        return pd.DataFrame(records)

    def draw(table: pd.DataFrame) -> None:
        st.dataframe(
            table[["seen", "file", "answer", "reason"]],
            hide_index=True,
            height="content",
            alt="What each file is called",
            key="upload.table",
            # nothing is known of what is no image
            placeholder="\N{EM DASH}",
            column_config={
                "seen": st.column_config.ImageColumn("", width="small"),
                "reason": st.column_config.TextColumn(width="large"),
            },
        )
        written = table.drop(columns=["seen", "now"]).assign(detector=detector.name)
        csv_button("As CSV", written, "judgements.csv", key="table.csv")

    judged.draw_rows(rows, draw)


def first_asked(picture: Picture | None, own: str, detectors: dict[str, DetectorHandle]) -> str:
    """Name the detector that is asked unless a visitor chooses: one that reads the own pixels of a picture, if any.

    Args:
        picture: the first upload; None without one.
        own: the run's detector, which is asked about examples and about uploads that it need not shrink.
        detectors: all, by name.
    """
    if picture is None:
        return own
    try:
        shorter = min(picture.use(np.shape)[:2])
    except ImageError:
        return own
    steps = {name: detector.about.preprocessing for name, detector in detectors.items()}
    if steps[own].native or shorter <= steps[own].resize:
        return own
    return next((name for name in detectors if steps[name].native and steps[name].size <= shorter), own)


def example_of(run: Opened, rows: NDArray[np.intp]) -> tuple[Picture | None, int]:
    """Return the chosen example, of some that a run has, and its row; None where its pixels are not there yet."""
    row = run.row_of(SAMPLE.value)
    if row is None:
        row = int(rows[(run.table["label"].iloc[rows] == "FAKE").argmax()])
    pixels = library.pictures(run).get(row)
    if pixels is None:
        return None, row
    about = run.table.iloc[row]
    label = about["label"] if run.run.classes else None
    key = f"{run.run.name} {about['id']}"
    return Picture(key, str(about["name"]), pixels, label, run.run.preprocessing), row


def draw_examples(run: Opened, rows: NDArray[np.intp], chosen: int) -> None:
    """Draw examples of both classes, which are buttons; `chosen` is the row of the one that is shown."""
    st.caption("Examples")
    current = str(run.table["id"].iloc[chosen])
    pictures = library.pictures(run)
    pressed = image_grid(run, rows, pictures, key="upload.samples", size="small", judged=False, current=current)
    if pressed:
        state.put("sample", pressed)
        st.rerun()


def draw_maps(
    picture: Picture,
    ready: Prepared,
    subject: Subject,
    detector: DetectorHandle,
    *,
    run: Opened | None,
    row: int | None,
) -> None:
    """Draw the explanations side by side with their settings, whether they agree, and the files to save.

    Args:
        picture: to explain.
        ready: as the detector sees it.
        subject: its pixels by the chosen filter.
        detector: to explain.
        run: a run of this detector, whose maps tell how well maps agree by chance; None where there is none.
        row: the picture's position in that run, None where it is not in it.
    """
    now = judged.look(ready, detector)
    threshold = library.threshold_of(detector.identity)
    others = None
    if now.answer is not None and run is not None:
        shown = ready.filters.index(FILTER.value) if FILTER.value in ready.filters else 0
        others = other_maps(run, verdict=verdict_of(float(now.answer.margins[shown])), label=None, row=row)
    judgement = judged.judged(picture, ready, detector, now, threshold)
    notes = [ready.describe(FILTER.value)]
    if judgement is not None:
        notes.append(f"{judgement.answer}: {judgement.sentence}")
    draw_explanations(
        View(
            subject,
            [detector],
            None,
            picture.label,
            others,
            whose="images of its test set with this verdict",
            notes=list(filter(None, notes)),
            story=partial(judged.last_story, subject, detector, picture.label),
        )
    )


opened = library.current()
detectors = catalogue.detectors()
# once there is a picture, what can be said of it stands first, and the way to choose another one last
top = st.container()
first = st.container()
if not detectors:
    draw_title("Try a picture")
    draw_limits()
    st.info(f"There is no detector here yet. Make one with `{PROGRAM} train --data PATH`, then reload this page.")
    for sentence in catalogue.refused_detectors().values():
        st.error(with_code(sentence))
    st.stop()

uploaded = st.session_state.get("upload.files") or []
totals = np.cumsum([file.size for file in uploaded[:MAX_FILES]])
files = {file.file_id: file for file, total in zip(uploaded, totals, strict=False) if total <= MAX_OWN}
pictures = pictures_of(list(files.values()))
maker = catalogue.maker(opened.run)
made_by = maker and maker.name
own = made_by if made_by in detectors else next(iter(detectors))
BY = Setting("by", first_asked(next(iter(pictures.values()), None), own, detectors), choices=tuple(detectors))
SAMPLE = Setting("sample", "")
detector = detectors[BY.value]
preprocessing = detector.about.preprocessing
takes = f"{detector.about.side}-pixel pictures get an answer; others only show what flips them"
if preprocessing.native:
    takes = "Pictures of any size, read at their own pixels"
body = st.container()
last = st.container()
with last if uploaded else first:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
with left:
    st.file_uploader(
        takes,
        # some systems know no type of these
        type=["image", "avif", "heic", "heif"],
        accept_multiple_files=True,
        max_upload_size=MAX_UPLOAD >> 20,
        key="upload.files",
        help=f"PNG, JPEG, WebP, GIF, AVIF, HEIC, BMP or TIFF; at most {MAX_UPLOAD >> 20} MB each, {MAX_FILES} files "
        f"and {MAX_OWN >> 20} MB together. Nothing is kept on disk or sent on.",
    )
with right:
    BY.choose("Detector", st.selectbox)
    for sentence in catalogue.refused_detectors().values():
        st.caption(with_code(sentence), help="So it is not among the detectors to ask.")
FILTER = Setting("filter", preprocessing.interpolation, choices=tuple(RESAMPLING))

if len(files) < len(uploaded):
    st.info(f"At most {MAX_FILES} files and {MAX_OWN >> 20} MB in total are read at once. Remove some to see others.")
picture: Picture | None = None
origin = opened
row: int | None = None
if len(files) > 1:
    with body:
        draw_table(pictures, detector)
if files:
    chosen = next(iter(files))
    if len(files) > 1:
        names = {id_: picture.name for id_, picture in pictures.items()}
        with body:
            chosen = st.selectbox("Explain", list(names), format_func=names.__getitem__, key="upload.chosen")
    picture = pictures[chosen]
    try:
        picture.ready(preprocessing)
        state.put("sample", None)
    except ImageError as error:
        # never above the answer on an example
        with top:
            heading("No answer: this file cannot be read", f"{plain(picture.name)}: {plain(error)}")
        draw_limits(detector)
        st.stop()
# the answer comes first, on a phone too
with body:
    answer = st.container()
    examples = st.container()
# the run of an example that is open stays, though other pictures have come meanwhile
samples = library.samples(SAMPLE.value) if picture is None else None
if samples is not None:
    origin, rows = samples
    picture, row = example_of(origin, rows)
if picture is None:
    if samples is not None and row is not None:
        with examples:
            draw_examples(origin, rows, row)
    with top:
        draw_title("Try a picture")
    draw_limits(detector)
    st.stop()

ready = picture.ready(preprocessing)
subject = Subject(ready.seen(FILTER.value), picture.name)
threshold = library.threshold_of(detector.identity)
scope = scope_of(ready, threshold)
data = files[picture.key].getvalue() if picture.key in files else None
# chance agreement cannot be measured with another detector's maps
run_of_detector = next(library.runs_by(detector.identity), None)
row_in_run = row if run_of_detector is not None and origin.run.path == run_of_detector.run.path else None
draw_own_maps = partial(draw_maps, picture, ready, subject, detector, run=run_of_detector, row=row_in_run)
parts: dict[str, tuple[str, str, Callable[[], None]]] = {
    # how sure it is would be taken for the answer
    "dial": (
        "Change it step by step",
        "",
        partial(draw_dial, subject, detector, origin, row, key="upload.dial", sure=False),
    ),
    "maps": ("Maps and their settings", "", draw_own_maps),
    "experiments": ("What else flips it?", "", partial(experiments, subject, detector, origin, row)),
    "sent": (
        "What survives saving and resizing?",
        "",
        partial(judged.draw_survival, picture, {detector.name: detector, **detectors}),
    ),
    "others": ("What do other detectors say?", "", partial(judged.draw_others, picture, detectors)),
    "raw": ("Raw output", "Out of scope, nothing follows from it.", partial(judged.draw_raw, ready, detector)),
}
# by which there is an answer, None where there is none
answering = threshold if scope == "in scope" else None
is_upload = picture.fitted is None
with top:
    if answering is not None and is_upload:
        judged.draw_answer(picture, ready, detector, answering)
    elif answering is not None:
        draw_title("Try a picture")
    elif is_ordinary(ready):
        judged.draw_answer(picture, ready, detector)
    else:
        judged.draw_why(ready, scope)
        if scope == "shrunk" and not any(handle.about.preprocessing.native for handle in detectors.values()):
            judged.draw_fetch_offer()
with answer:
    if answering is not None:
        if not is_upload:
            judged.draw_answer(picture, ready, detector, answering)
        judged.draw_answered_case(picture, subject, detector, answering)
        # a case shows its maps at once
        del parts["maps"]
        draw_own_maps()
        st.caption(VERDICTS)
        if data is not None:
            parts["file"] = ("What does the file say?", SAYS, partial(judged.draw_file_says, picture, data))
    elif is_ordinary(ready):
        judged.draw_ordinary(picture, ready, detector, data)
        draw_whole(picture, detector)
    else:
        judged.draw_no_answer(picture, ready, detector, scope, data)
        st.caption("What it computes all the same, to try things out: no answer on your picture.")
        if ready.resized:
            help_ = explain("Resampling filter")
            FILTER.choose("Shown below", st.selectbox, options=list(ready.filters), help=help_, width=330)
# what an address asks for is open
for part, asks in (("experiments", "evidence"), ("others", "others")):
    if st.query_params.get(asks, "off") != "off":
        st.session_state.setdefault(f"fold_{part}", True)
with answer:
    for name, (question, explained, draw) in parts.items():
        with fold(name, question, explained=explained) as is_open:
            if is_open:
                draw()
# beneath the answer, whose room is taken by now
if samples is not None and row is not None:
    with examples:
        draw_examples(origin, rows, row)
draw_limits(detector)
