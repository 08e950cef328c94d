"""Upload: try your own image."""

from collections.abc import Callable
from functools import partial

import numpy as np
import streamlit as st
from streamlit.typing import UploadedFile

from core.images.decoding import MAX_BYTES, RESAMPLING, SUFFIXES, ImageError
from core.images.preprocessing import Preprocessing
from core.images.upload import Prepared
from dashboard import catalogue, library, state
from dashboard.components import panels
from dashboard.components.agreement import agreement_panel, other_maps
from dashboard.components.choice import chosen_methods, draw_controls, draw_methods
from dashboard.components.crop import draw_crop
from dashboard.components.experiments import experiments, last_probes
from dashboard.components.glossary import explain
from dashboard.components.grid import image_grid
from dashboard.components.limits import draw_limits
from dashboard.components.picture import plain_picture
from dashboard.components.plain import plain, with_code
from dashboard.components.requests import Subject, known_detectors
from dashboard.components.words import heading
from dashboard.decoding import MAX_FILES, MAX_OWN
from dashboard.state import Setting
from dashboard.views.upload_parts import uploads
from dashboard.views.upload_parts.file_says import draw_file_says
from dashboard.views.upload_parts.judged import draw_judgement, judgement_told
from dashboard.views.upload_parts.others import draw_others
from dashboard.views.upload_parts.table import draw_table

opened = library.current()
known = known_detectors()
heading(
    "Try your own image",
    "Drop an image: see the pixels that the detector gets, what it says and how far that can be believed, and two "
    "attempts to explain it. A verdict is not proof, and must not be used against anyone.",
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
        "refused. Nothing is kept on disk or sent on. The pixels that were explained stay in this server's "
        "memory until newer ones take their place.",
    )
with right:
    BY.choose("Detector", st.selectbox)
detector = known[BY.value]
preprocessing, side = detector.about.preprocessing, detector.about.side
FILTER = Setting("filter", preprocessing.interpolation, choices=tuple(RESAMPLING))
for sentence in catalogue.refused_detectors().values():
    st.caption(with_code(sentence), help="So it is not among the detectors to ask.")

if len(files) >= MAX_FILES or sum(file.size for file in files) > MAX_OWN - MAX_BYTES:
    st.info(
        f"At most {MAX_FILES} files and {MAX_OWN >> 20} MB in total are accepted at once; a file marked with an error "
        "above exceeded that. Remove some to see others."
    )
    files = files[:MAX_FILES]
uploads.forget_others(files)
if len(files) > 1:
    draw_table(files, detector)

ready_at: Callable[[Preprocessing], Prepared]
file: UploadedFile | None = None
if files:
    names = uploads.labels(files)
    chosen = files[0].file_id
    if len(files) > 1:
        chosen = st.selectbox("Explain", list(names), format_func=lambda id_: names.get(id_, id_), key="upload.chosen")
    file = next(one for one in files if one.file_id == chosen)
    name = file.name
    origin, origin_row = opened, None
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
    if samples is None:
        draw_limits(catalogue.detectors().get(BY.value))
        st.stop()
    sample_run, rows = samples
    pictures = library.pictures(sample_run)
    st.markdown("**Or begin with one of these.** The badge is its true label; the detector's verdict appears below.")
    if id_ := image_grid(
        sample_run, rows, pictures, key="upload.samples", size="small", judged=False, current=SAMPLE.value or None
    ):
        state.put("sample", id_)
        st.rerun()
    row = sample_run.row_of(SAMPLE.value)
    image = pictures.get(row) if row is not None else None
    if image is None:
        draw_limits(catalogue.detectors().get(BY.value))
        st.stop()
    name = str(sample_run.table["name"].iloc[row])
    origin, origin_row, chosen = sample_run, row, SAMPLE.value
    truth = sample_run.table["label"].iloc[row]
    example = uploads.Example(SAMPLE.value, image, truth, sample_run.run.preprocessing)
    ready_at = example.ready
    ready, from_where = ready_at(preprocessing), example.origin(preprocessing)

panels.forget_drawn()
methods = chosen_methods(detector.about)
seen = ready.seen(FILTER.value)
subject = Subject.of(seen, name)
side_by_side = panels.SideBySide(subject, [detector], methods)


def draw_seen() -> None:
    """The pixels, and by which rule they were made."""
    st.markdown("#### What the detector sees")
    st.caption(f"All the detector gets: {side} x {side} pixels, whatever the size of the original.")
    plain_picture(seen, key="upload.seen", alt=f"{name} as {side} x {side} pixels")
    if ready.resized:
        FILTER.choose(
            "Resampling",
            st.selectbox,
            options=list(ready.filters),
            help=explain("Resampling filter", "Undetermined"),
        )
    else:
        st.caption(plain(name) if ready.whole else "Exactly what is inside the crop: nothing was resized.")


def draw_agreement() -> list[str]:
    """Draw whether the explanations agree, compared with the run's own images where its detector is asked; return
    that as text."""
    verdict = uploads.predicted_class(ready, detector, shown=FILTER.value)
    # chance agreement cannot be measured with another detector's maps
    others = (
        other_maps(opened, verdict=verdict, label=None, row=origin_row if origin.run.path == opened.run.path else None)
        if verdict is not None and detector.name == made_by
        else np.zeros((0, 1, 1), np.float32)
    )
    return agreement_panel(
        side_by_side, others, whose=f"images of {plain(opened.run.manifest['set'])} with this verdict"
    )


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
draw_others(known, ready_at, from_where)
if file is not None:
    draw_file_says(file, detector)
draw_methods(detector.about)
draw_controls()
if ready.whole:
    # as on Inspect: the image stands beside its maps
    with st.container(key="beside_image"), st.grid(2, min_column_width=190, gap="medium", dense=True) as grid:
        with grid.cell():
            draw_seen()
        with (
            grid.cell(column_span=2, row_span=2),
            st.grid(len(methods), min_column_width=190, gap="medium") as maps,
        ):
            side_by_side.draw(maps)
        with grid.cell():
            agreement = draw_agreement()
else:
    with st.grid(2, min_column_width=190, gap="medium") as grid:
        side_by_side.draw(grid)
        with grid.cell():
            agreement = draw_agreement()
notes = [told] if (told := ready.told(FILTER.value)) else []
save = st.container()
experiments(subject, detector, origin, origin_row)
with save:
    notes += judgement_told(from_where, detector)
    probes = last_probes(subject, detector)
    side_by_side.download(notes, label=from_where.label, agreement=agreement, probes=probes)
draw_limits(catalogue.detectors().get(BY.value))
