"""Upload: try your own image."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.typing import UploadedFile

from core.images.decoding import MAX_BYTES, RESAMPLING, SUFFIXES, ImageError
from core.images.encoding import data_url
from core.images.preprocessing import Prepared, Preprocessing, settle
from core.studies.judgement import judge
from dashboard import catalogue, library, state
from dashboard.components import panels, uploads
from dashboard.components.agreement import agreement_panel, other_maps
from dashboard.components.choice import chosen_methods, draw_controls, draw_methods
from dashboard.components.crop import draw_crop
from dashboard.components.downloads import csv_button
from dashboard.components.experiments import experiments, last_probes
from dashboard.components.glossary import explain
from dashboard.components.grid import image_grid
from dashboard.components.judged import draw_file_says, draw_judgement, draw_others, judgement_lines
from dashboard.components.limits import draw_limits
from dashboard.components.picture import plain_picture
from dashboard.components.plain import plain, with_code
from dashboard.components.requests import DetectorHandle, Subject, any_busy, known_detectors, poll, visitor, worker
from dashboard.components.words import heading
from dashboard.decoding import MAX_FILES, MAX_OWN
from dashboard.jobs import JobStatus, Prediction
from dashboard.library import threshold_of
from dashboard.state import Setting


def draw_table(files: Sequence[UploadedFile]) -> None:
    """Draw a row a file, filled in as the answers come; a ticked one is explained beneath."""
    names = uploads.labels(files)

    def choose() -> None:
        rows = st.session_state["upload.table"].selection.rows
        # as the browser sent it
        if rows and type(rows[0]) is int and 0 <= rows[0] < len(files):
            st.session_state["upload.chosen"] = files[rows[0]].file_id

    def again() -> None:
        for number in range(len(files)):
            worker().go_on(visitor(), f"table.{number}")

    def draw() -> bool:
        rows = [row_of(file, names[file.file_id], slot=f"table.{number}") for number, file in enumerate(files)]
        table, statuses = pd.DataFrame([row for row, _ in rows]), [status for _, status in rows]
        st.dataframe(
            table.drop(columns=["lowest margin", "highest margin"], errors="ignore"),
            hide_index=True,
            height="content",
            alt="What each file is called",
            key="upload.table",
            on_select=choose,
            selection_mode="single-row",
            # of what is no image nothing is known
            placeholder="—",
            column_config={
                "seen": st.column_config.ImageColumn("", width="small"),
                "reason": st.column_config.TextColumn(width="large"),
            },
        )
        with st.container(horizontal=True):
            if any(status is not None and status.state == "failed" for status in statuses):
                st.button("Try again", key="table.again", on_click=again, icon=":material/play_arrow:")
            written = table.drop(columns="seen", errors="ignore").assign(detector=detector.name)
            csv_button("As CSV", written, "judgements.csv", key="table.csv")
        return any_busy(statuses)

    poll(draw, busy=any_busy(row_of(file, "", slot=f"table.{number}")[1] for number, file in enumerate(files)))


def row_of(file: UploadedFile, name: str, *, slot: str) -> tuple[dict[str, object], JobStatus | None]:
    """Return a file's row of the table, and the status of its request; None where it is no image."""
    try:
        ready = uploads.ready_for(file, preprocessing)
    except ImageError as error:
        return {"seen": None, "file": name, "answer": None, "reason": str(error), "verdict": None}, None
    now = uploads.look(ready, detector, slot=slot)
    row: dict[str, object] = {"seen": data_url(ready.seen(ready.usual)), "file": name}
    if now.answer is None:
        verdict = "being asked" if now.busy else None
        return row | {"answer": None, "reason": now.message, "verdict": verdict}, now
    found: Prediction = now.answer
    judgement = judge(ready, threshold_of(detector.identity)[0], map(float, found.margins))
    margins = found.margins[: len(ready.filters)]
    return row | {
        "answer": judgement.answer,
        "reason": judgement.sentence,
        "verdict": settle(margins),
        "lowest margin": float(margins.min()),
        "highest margin": float(margins.max()),
        "pixels": f"{ready.width} x {ready.height}",
    }, now


def draw_seen() -> None:
    """Draw the pixels, and by which rule they were made."""
    st.markdown("#### What the detector sees")
    st.caption(f"All the detector gets: {side} x {side} pixels, whatever the size of the original.")
    plain_picture(seen, key="upload.seen", alt=f"{name} as {side} x {side} pixels")
    if ready.resized:
        FILTER.choose("Resampling", st.selectbox, options=list(ready.filters), help=explain("Resampling filter"))
    else:
        st.caption(plain(name) if ready.whole else "Exactly what is inside the crop: nothing was resized.")


def draw_agreement() -> list[str]:
    """Draw whether the explanations agree, compared with the run's own images where its detector is asked."""
    verdict = uploads.predicted_class(ready, detector, shown=FILTER.value)
    others = np.zeros((0, 1, 1), np.float32)
    # chance agreement cannot be measured with another detector's maps
    if verdict is not None and detector.name == made_by:
        row = origin_row if origin.run.path == opened.run.path else None
        others = other_maps(opened, verdict=verdict, label=None, row=row)
    return agreement_panel(side_by_side, others, whose="images of the run on the left with this verdict")


opened = library.current()
known = known_detectors()
heading(
    "Try your own image",
    "Drop an image: see the pixels that the detector gets, what it says and how far that can be believed. A verdict is "
    "not proof, and must not be used against anyone.",
)
if not known:
    draw_limits()
    st.info("There is no detector here yet. Make one with `python train.py --data PATH`, then reload this page.")
    for sentence in catalogue.refused_detectors().values():
        st.error(with_code(sentence))
    st.stop()

made_by = catalogue.maker(opened.run)
own = made_by if made_by in known else next(iter(known))
BY = Setting("by", own, choices=tuple(known))
SAMPLE = Setting("sample", "")
left, right = st.columns([3, 1], gap="large", vertical_alignment="bottom")
with left:
    files = st.file_uploader(
        "Images (PNG, JPEG, WebP, GIF, AVIF or HEIC). No file is kept.",
        type=list(SUFFIXES),
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES >> 20,
        key="upload.files",
        help=f"At most {MAX_BYTES >> 20} MB each, {MAX_FILES} files and {MAX_OWN >> 20} MB together; what is more is "
        "refused. Nothing is kept on disk or sent on.",
    )
with right:
    BY.choose("Detector", st.selectbox)
detector: DetectorHandle = known[BY.value]
preprocessing, side = detector.about.preprocessing, detector.about.side
FILTER = Setting("filter", preprocessing.interpolation, choices=tuple(RESAMPLING))
for sentence in catalogue.refused_detectors().values():
    st.caption(with_code(sentence), help="So it is not among the detectors to ask.")

if len(files) > MAX_FILES or sum(file.size for file in files) > MAX_OWN:
    st.info(f"At most {MAX_FILES} files and {MAX_OWN >> 20} MB in total are read at once. Remove some to see others.")
    within = np.cumsum([file.size for file in files]) <= MAX_OWN
    files = [file for file, fits in zip(files[:MAX_FILES], within, strict=False) if fits]
uploads.forget_others(files)
if len(files) > 1:
    draw_table(files)

ready_at: Callable[[Preprocessing], Prepared]
file: UploadedFile | None = None
if files:
    names = uploads.labels(files)
    chosen = files[0].file_id
    if len(files) > 1:
        chosen = st.selectbox("Explain", list(names), format_func=lambda id_: names.get(id_, id_), key="upload.chosen")
    file = next(upload for upload in files if upload.file_id == chosen)
    name, origin, origin_row = file.name, opened, None
    try:
        ready_at = partial(uploads.cut, file)
        ready, from_where = ready_at(preprocessing), uploads.origin_of(file, preprocessing)
        state.put("sample", None)
    except ImageError as error:
        st.error(f"{plain(file.name)}: {plain(error)}")
        # the examples stay
        file = None
if file is None:
    # the run of an example that is open stays, though other pictures have come meanwhile
    samples = library.samples(SAMPLE.value)
    image = None
    if samples is not None:
        origin, rows = samples
        pictures = library.pictures(origin)
        st.markdown("**Or begin with one of these.** The badge is its label; the verdict appears below.")
        current = SAMPLE.value or None
        if id_ := image_grid(origin, rows, pictures, key="upload.samples", size="small", judged=False, current=current):
            state.put("sample", id_)
            st.rerun()
        origin_row = origin.row_of(SAMPLE.value)
        image = pictures.get(origin_row) if origin_row is not None else None
    if image is None:
        draw_limits(catalogue.detectors().get(BY.value))
        st.stop()
    found = origin.table.iloc[origin_row]
    name, chosen = str(found["name"]), SAMPLE.value
    example = uploads.Example(SAMPLE.value, image, found["label"], origin.run.preprocessing)
    ready_at = example.ready
    ready, from_where = ready_at(preprocessing), example.origin(preprocessing)

panels.forget_drawn()
methods = chosen_methods(detector.about)
seen = ready.seen(FILTER.value)
subject = Subject.of(seen, name)
side_by_side = panels.SideBySide(subject, [detector], methods)
draw_judgement(from_where, ready, detector, shown=FILTER.value)
if not ready.whole:
    with st.grid(2, min_column_width=190, gap="medium") as grid:
        with grid.cell():
            st.markdown("#### Your image")
            if file is not None:
                draw_crop(ready, key=chosen, name=name)
            else:
                st.image(ready.preview, alt=name, width="stretch")
            sees = "all of it, stretched to a square" if ready.stretched else "the square"
            st.caption(f"{plain(name)}, {ready.width} x {ready.height} pixels; the detector sees {sees}")
        with grid.cell():
            draw_seen()
draw_others(known, ready_at)
if file is not None:
    draw_file_says(file, detector)
draw_methods(detector.about)
draw_controls()
# as on Inspect: the image stands beside its maps
with st.container(key="beside_image"), st.grid(3, min_column_width=190, gap="medium", dense=True) as grid:
    if ready.whole:
        with grid.cell():
            draw_seen()
    with (
        grid.cell(column_span=2, row_span=2),
        st.grid(len(methods), min_column_width=190, gap="medium") as maps,
    ):
        side_by_side.draw(maps)
    with grid.cell():
        agreement = draw_agreement()
notes = [told] if (told := ready.describe(FILTER.value)) else []
save = st.container()
experiments(subject, detector, origin, origin_row)
with save:
    notes += judgement_lines(from_where, detector)
    probes = last_probes(subject, detector)
    side_by_side.download(notes, label=from_where.label, agreement=agreement, probes=probes)
draw_limits(catalogue.detectors().get(BY.value))
