"""Upload: try your own image."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st

from core.images import MAX_BYTES, ImageError
from core.upload import DEFAULT_FILTER, Prepared, prepare, settle
from dashboard import address, library
from dashboard.address import Setting
from dashboard.widgets import panels
from dashboard.widgets.grid import image_grid
from dashboard.widgets.limits import draw_limits
from dashboard.widgets.picture import plain_picture
from dashboard.widgets.words import CLASS_WORDS, heading, percent
from dashboard.worker import Look, Looked

MAX_FILES = 32
KEPT = 16

known = panels.known_detectors()
heading(
    "Try your own image",
    "Drop an image, see the 32 x 32 pixels that the detector sees of it, and which parts of them the verdict rests on.",
)
draw_limits()
if not known:
    st.info("There is no detector here yet. Make one with `python train.py --data PATH`, then reload this page.")
    st.stop()
opened = library.current()
own = next(
    (name for name, one in known.items() if one.sha256 == opened.run.manifest["detector_sha256"]), next(iter(known))
)
BY = Setting("by", own, choices=tuple(known))
FILTER = Setting("filter", DEFAULT_FILTER, choices=("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"))

left, right = st.columns([3, 1], gap="large", vertical_alignment="bottom")
with left:
    files = st.file_uploader(
        "Images (PNG, JPEG or WebP)",
        type=["png", "jpg", "jpeg", "webp"],
        accept_multiple_files=True,
        max_upload_size=MAX_BYTES >> 20,
        key="upload.files",
        help=f"At most {MAX_BYTES >> 20} MB each. Nothing is written to disk or sent on.",
    )
with right:
    BY.linked(st.selectbox, "Detector", options=list(known))
detector = known[BY.value]


def prepared(file_id: str, data: bytes, x: float, y: float, zoom: float) -> Prepared:
    """An upload made ready, kept for this session only."""
    cache = st.session_state.setdefault("upload.prepared", {})
    key = (file_id, x, y, zoom)
    if key not in cache:
        while len(cache) >= KEPT * MAX_FILES:
            cache.pop(next(iter(cache)))
        cache[key] = prepare(data, x=x, y=y, zoom=zoom)
    return cache[key]


def look(ready: Prepared, slot: str) -> Looked | None:
    """What the detector says under each filter; None while it is being asked."""
    digest = hashlib.sha256(ready.pixels.tobytes()).hexdigest()
    standing = panels.ask(detector, ready.pixels, digest, Look(), slot=slot)
    if standing.state == "failed":
        st.error(standing.message)
    return standing.answer


def table_of(batch: list) -> None:
    """A row a file, filled in as the answers come."""
    rows, waiting = [], False
    for number, file in enumerate(batch):
        row = {"file": file.name}
        try:
            ready = prepared(file.file_id, file.getvalue(), 0.5, 0.5, 1.0)
        except ImageError as error:
            rows.append(row | {"problem": str(error)})
            continue
        found = look(ready, f"table.{number}")
        waiting |= found is None
        row |= {"pixels": f"{ready.width} x {ready.height}"}
        if found is not None:
            row |= {
                "verdict": settle(found.margins),
                "p(REAL)": float(found.p_real[ready.filters.index(DEFAULT_FILTER)]),
                "lowest margin": float(found.margins.min()),
                "highest margin": float(found.margins.max()),
            }
        rows.append(row)
    columns = {
        "p(REAL)": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        "lowest margin": st.column_config.NumberColumn(format="%.2f"),
        "highest margin": st.column_config.NumberColumn(format="%.2f"),
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, alt="What each file is called")
    st.caption(
        "Lowest and highest margin over the resampling filters: where they differ in sign, nothing is determined."
    )
    if waiting != st.session_state.get("upload.waiting"):
        st.session_state["upload.waiting"] = waiting
        st.rerun()


if len(files) > MAX_FILES:
    st.warning(f"The first {MAX_FILES} of {len(files)} files are looked at; take some away to see the others.")
files = files[:MAX_FILES]
if len(files) > 1:
    st.fragment(table_of, run_every=panels.POLL if st.session_state.get("upload.waiting") else None)(files)

chosen = files[0] if files else None
if len(files) > 1:
    names = {file.file_id: file.name for file in files}
    picked = st.selectbox("Explain", list(names), format_func=names.get, key="upload.chosen")
    chosen = next(file for file in files if file.file_id == picked)

if chosen is None:
    samples = library.samples()
    if samples is not None:
        sample_run, rows = samples
        st.markdown("**Or begin with one of these.** The frame is what the detector of that run called it.")
        if id_ := image_grid(sample_run, rows, library.pictures(sample_run), key="upload.samples", size="small"):
            address.put("sample", id_)
            st.rerun()
        row = sample_run.row_of(st.query_params.get("sample", ""))
        image = library.pictures(sample_run).get(row) if row is not None else None
        if row is not None and image is not None:
            name = str(sample_run.table["name"].iloc[row])
            ready = Prepared(32, 32, (DEFAULT_FILTER,), image[None], image)
        else:
            st.stop()
    else:
        st.stop()
else:
    address.put("sample", None)
    name = chosen.name
    x, y, zoom = 0.5, 0.5, 1.0
    try:
        ready = prepared(chosen.file_id, chosen.getvalue(), x, y, zoom)
        if ready.width != ready.height or ready.resized:
            with st.container(horizontal=True, gap="medium"):
                if ready.width > ready.height:
                    x = st.slider("Crop from left to right", 0.0, 1.0, 0.5, 0.01, key=f"x.{chosen.file_id}", width=260)
                if ready.height > ready.width:
                    y = st.slider("Crop from top to bottom", 0.0, 1.0, 0.5, 0.01, key=f"y.{chosen.file_id}", width=260)
                zoom = st.slider("Zoom", 1.0, 8.0, 1.0, 0.1, key=f"zoom.{chosen.file_id}", width=260)
            if zoom > 1:
                with st.container(horizontal=True, gap="medium"):
                    if ready.width <= ready.height:
                        x = st.slider("Left to right", 0.0, 1.0, 0.5, 0.01, key=f"x2.{chosen.file_id}", width=260)
                    if ready.height <= ready.width:
                        y = st.slider("Top to bottom", 0.0, 1.0, 0.5, 0.01, key=f"y2.{chosen.file_id}", width=260)
            ready = prepared(chosen.file_id, chosen.getvalue(), x, y, zoom)
    except ImageError as error:
        st.error(f"{chosen.name}: {error}")
        st.stop()

seen = ready.seen(FILTER.value)
subject = panels.Subject.of(seen, name)


def verdict() -> None:
    """The verdict under every filter."""
    found = look(ready, "upload")
    if (found is None) != (st.session_state.get("upload.looking", False)):
        st.session_state["upload.looking"] = found is None
        st.rerun()
    if found is None:
        st.markdown("### Asking the detector")
        st.caption("The first time takes a few seconds, while it is being read.")
        return
    outcome = settle(found.margins)
    number = ready.filters.index(FILTER.value) if FILTER.value in ready.filters else 0
    sure = max(float(found.p_real[number]), 1 - float(found.p_real[number]))
    if outcome == "undetermined":
        st.markdown("### Undetermined: the verdict hangs on how the image is made small")
        st.markdown(
            "The same picture is called one thing under some resampling filters and the other under the rest. What the "
            "detector reacts to is then the resizing, not the image."
        )
    else:
        st.markdown(f"### Called {CLASS_WORDS[outcome]}, {percent(sure)} sure")
        if ready.resized:
            st.markdown("All of the common resampling filters give the same verdict.")
        else:
            st.markdown("The image has 32 x 32 pixels already, so nothing was resized.")
    if ready.resized:
        said = pd.DataFrame(
            {
                "filter": ready.filters,
                "called": np.where(found.margins > 0, "REAL", "FAKE"),
                "p(REAL)": [percent(float(p)) for p in found.p_real],
                "margin": [f"{margin:+.2f}" for margin in found.margins],
            }
        ).set_index("filter")
        said["called"] = [f":{'blue' if word == 'REAL' else 'orange'}[**{word}**]" for word in said["called"]]
        st.table(said, border="horizontal")


first, second, third = st.columns([3, 3, 5], gap="large")
with first:
    st.markdown("#### Your image")
    st.image(ready.preview, alt=f"{name} with its crop", width="stretch") if ready.resized else plain_picture(
        seen, key="upload.preview", alt=name
    )
    st.caption(
        f"{name}, {ready.width} x {ready.height} pixels" + (", dimmed where it is cut off" if ready.resized else "")
    )
with second:
    st.markdown("#### What the detector sees")
    plain_picture(seen, key="upload.seen", alt=f"{name} as 32 x 32 pixels")
    if ready.resized:
        FILTER.linked(
            st.selectbox,
            "Made small by",
            options=list(ready.filters),
            help="The resampling filter: how many pixels become one.",
        )
with third:
    st.fragment(verdict, run_every=panels.POLL if st.session_state.get("upload.looking") else None)()

panels.draw_controls()
with st.grid(2, min_column_width=260, gap="large"):
    st.fragment(panels.cam_panel)(subject, [detector])
    st.fragment(panels.lime_panel)(subject, [detector])
panels.page_row(
    subject, [detector], None, notes=[f"The image was resized to 32 x 32 ({FILTER.value})."] if ready.resized else []
)
