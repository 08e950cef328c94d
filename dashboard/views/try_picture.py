"""Try a picture: the answer on an upload or an example, and what would change it."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.answers.judgement import scope_of
from core.answers.ordinary import is_ordinary
from core.arrays import Positions
from core.console import PROGRAM
from core.images.decoding import RESAMPLING, ImageError
from core.images.encoding import data_url
from core.images.labels import verdict_of
from dashboard import catalogue, library, state
from dashboard.components import judged
from dashboard.components.about import experiments
from dashboard.components.component import csv_button, fold
from dashboard.components.dial import draw_dial
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


def draw_table() -> None:
    """Draw a row an upload, filled in as the answers come."""

    def rows() -> pd.DataFrame:
        records = []
        for number, upload in enumerate(pictures.values()):
            row = {"seen": None, "file": upload.name}
            row |= judged.answer_row(upload, detector, threshold, slot=f"table.{number}")
            if row["now"] is not None:
                row["seen"] = data_url(upload.ready(preprocessing, moved=False).seen(FILTER.default))
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


def first_asked() -> str:
    """Name the detector that is asked unless a visitor chooses.

    It is the run's, which need not shrink examples, or one that reads the own pixels of an upload that this would.
    """
    maker = catalogue.maker(opened.run)
    own = next(iter(detectors)) if maker is None else maker.name
    if not pictures:
        return own
    try:
        shorter = min(next(iter(pictures.values())).use(np.shape)[:2])
    except ImageError:
        return own
    steps = {name: handle.about.preprocessing for name, handle in detectors.items()}
    if steps[own].native or shorter <= steps[own].resize:
        return own
    return next((name for name in detectors if steps[name].native and steps[name].size <= shorter), own)


def example_of(run: Opened, rows: Positions) -> tuple[Picture | None, int]:
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
    return Picture(key, about["name"], pixels, label, run.run.preprocessing), row


def draw_examples() -> None:
    """Draw examples of both classes, which are buttons, where one of them is shown."""
    if samples is None or row is None:
        return
    with examples:
        st.caption("Examples")
        current = origin.table["id"].iloc[row]
        pressed = image_grid(origin, samples[1], key="upload.samples", size="small", judged=False, current=current)
        if pressed:
            state.put("sample", pressed)
            st.rerun()


def draw_maps() -> None:
    """Draw the explanations side by side with their settings, whether they agree, and the files to save."""
    now = judged.look(ready, detector)
    # chance agreement cannot be measured with another detector's maps
    run = next(library.runs_by(detector.identity), None)
    others = None
    if now.answer is not None and run is not None:
        chosen = ready.filters.index(FILTER.value) if FILTER.value in ready.filters else 0
        row_in_run = row if origin.run.path == run.run.path else None
        others = other_maps(run, verdict=verdict_of(now.answer.margins[chosen]), label=None, row=row_in_run)
    judgement = judged.judged(picture, ready, detector, now, threshold)
    notes = [ready.describe(FILTER.value)]
    if judgement is not None:
        notes.append(f"{judgement.answer}: {judgement.sentence}")
    draw_explanations(
        View(
            subject,
            detector,
            None,
            picture.label,
            others,
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
BY = Setting("by", first_asked(), choices=tuple(detectors))
SAMPLE = Setting("sample", "")
detector = detectors[BY.value]
threshold = library.threshold_of(detector.identity)
preprocessing = detector.about.preprocessing
FILTER = Setting("filter", preprocessing.interpolation, choices=tuple(RESAMPLING))
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

if len(files) < len(uploaded):
    st.info(f"At most {MAX_FILES} files and {MAX_OWN >> 20} MB in total are read at once. Remove some to see others.")
candidate = next(iter(pictures.values()), None)
origin = opened
row: int | None = None
samples = None
# the answer comes first, on a phone too
with body:
    if len(pictures) > 1:
        draw_table()
        names = {id_: upload.name for id_, upload in pictures.items()}
        chosen = st.selectbox("Explain", list(names), format_func=names.__getitem__, key="upload.chosen")
        candidate = pictures[chosen]
    answer = st.container()
    examples = st.container()
if candidate is not None:
    try:
        candidate.ready(preprocessing)
        state.put("sample", None)
    except ImageError as error:
        # never above the answer on an example
        with top:
            heading("No answer: this file cannot be read", f"{plain(candidate.name)}: {plain(error)}")
        draw_limits(detector)
        st.stop()
else:
    # the run of an example that is open stays, though other pictures have come meanwhile
    samples = library.samples(SAMPLE.value)
    if samples is not None:
        origin = samples[0]
        candidate, row = example_of(*samples)
if candidate is None:
    draw_examples()
    with top:
        draw_title("Try a picture")
    draw_limits(detector)
    st.stop()

picture = candidate
ready = picture.ready(preprocessing)
subject = Subject(ready.seen(FILTER.value), picture.name)
scope = scope_of(ready, threshold)
data = files[picture.key].getvalue() if picture.key in files else None
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
# what an address asks for is open
for part, asks in (("experiments", "evidence"), ("others", "others")):
    if st.query_params.get(asks, "off") != "off":
        st.session_state.setdefault(f"fold_{part}", True)
with answer:
    if answering is not None:
        if not is_upload:
            judged.draw_answer(picture, ready, detector, answering)
        judged.draw_answered_case(picture, subject, detector, answering)
        # a case shows its maps at once
        draw_maps()
        st.caption(VERDICTS)
    elif is_ordinary(ready):
        judged.draw_ordinary(picture, ready, detector, data)
        draw_whole(picture, detector)
    else:
        judged.draw_no_answer(picture, ready, detector, scope, data)
        st.caption("What it computes all the same, to try things out: no answer on your picture.")
        if ready.resized:
            help_ = explain("Resampling filter")
            FILTER.choose("Shown below", st.selectbox, options=list(ready.filters), help=help_, width=330)
    with fold("dial", "Change it step by step") as is_open:
        if is_open:
            # how sure it is would be taken for the answer
            draw_dial(subject, detector, origin, row, key="upload.dial", sure=False)
    if answering is None:
        with fold("maps", "Maps and their settings") as is_open:
            if is_open:
                draw_maps()
    with fold("experiments", "What else flips it?") as is_open:
        if is_open:
            experiments(subject, detector, origin, row)
    with fold("sent", "What survives saving and resizing?") as is_open:
        if is_open:
            judged.draw_survival(picture, {detector.name: detector, **detectors})
    with fold("others", "What do other detectors say?") as is_open:
        if is_open:
            judged.draw_others(picture, detectors)
    with fold("raw", "Raw output", explained="Out of scope, nothing follows from it.") as is_open:
        if is_open:
            judged.draw_raw(ready, detector)
    if answering is not None and data is not None:
        with fold("file", "What does the file say?", explained=SAYS) as is_open:
            if is_open:
                judged.draw_file_says(picture, data)
# beneath the answer, whose room is taken by now
draw_examples()
draw_limits(detector)
