"""Uploaded files: prepared for the detector, predicted under every filter, kept for one session only."""

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.typing import UploadedFile

from core.images.decoding import ImageError, data_url
from core.images.upload import DEFAULT_FILTER, Prepared, settle
from dashboard.components.explanations.asking import Known, ask, visitor, worker
from dashboard.components.explanations.follow import draw_ended, next_look, waiting
from dashboard.components.polling import come_back
from dashboard.components.words import CLASS_WORDS, percent, remaining
from dashboard.services.server.decoding import Held, prepare_in_turn
from dashboard.services.worker.jobs import JobStatus
from dashboard.services.worker.requests import Prediction, PredictRequest

WHOLE = (0.5, 0.5, 1.0)


def forget_others(files: Sequence[UploadedFile]) -> None:
    """Drop what was made of uploads that are no longer there."""
    there = {file.file_id for file in files}
    st.session_state["upload.whole"] = {
        id_: kept for id_, kept in st.session_state.get("upload.whole", {}).items() if id_ in there
    }
    for key in ("upload.cut", "upload.held"):
        if st.session_state.get(key, (None,))[0] not in there:
            st.session_state.pop(key, None)


def ready_for(file: UploadedFile, side: int) -> Prepared:
    """An upload cut in the middle and resized to `side` pixels, without its preview; decoded, or refused, once.

    Raises:
        ImageError: it is no image that is read here.
    """
    kept = st.session_state.setdefault("upload.whole", {})
    found: Prepared | str | None = kept.get(file.file_id)
    # a detector of another size takes another cut; what is no image is none for it either
    if found is None or (isinstance(found, Prepared) and found.side != side):
        try:
            whole = _as_cut(file, WHOLE, side)
        except ImageError as error:
            found = kept[file.file_id] = str(error)
        else:
            # previews are two hundred times the pixels, and only the upload that is explained shows one
            found = kept[file.file_id] = replace(whole, preview=whole.preview[:0])
    if isinstance(found, str):
        raise ImageError(found)
    return found


def read_all(files: Sequence[UploadedFile], side: int) -> None:
    """Decode what has not been decoded yet, and show how far that is where it is several files."""
    kept, started = st.session_state.get("upload.whole", {}), time.monotonic()
    unread = [file for file in files if file.file_id not in kept]
    if len(unread) < 2:
        return
    bar = st.progress(0.0)
    for done, file in enumerate(unread):
        left = f", {remaining((time.monotonic() - started) / done * (len(unread) - done))}" if done else ""
        bar.progress(done / len(unread), f"Reading image {done + 1} of {len(unread)}{left}")
        # the table says what is wrong with it
        with contextlib.suppress(ImageError):
            ready_for(file, side)
    bar.empty()


def _as_cut(file: UploadedFile, place: tuple[float, float, float], side: int) -> Prepared:
    """An upload cut at a place and resized; of the last one of a session, pixels and cut are kept."""
    found = st.session_state.get("upload.cut")
    if found is None or found[:2] != (file.file_id, place) or found[2].side != side:
        if st.session_state.get("upload.held", (None,))[0] != file.file_id:
            st.session_state["upload.held"] = file.file_id, Held()
        x, y, zoom = place
        ready = prepare_in_turn(st.session_state["upload.held"][1], file.getvalue(), side, x=x, y=y, zoom=zoom)
        found = st.session_state["upload.cut"] = file.file_id, place, ready
    return found[2]


def cut(file: UploadedFile, side: int) -> Prepared:
    """An upload, cut as the sliders under it say and resized to `side` pixels.

    Raises:
        ImageError: it is no image that is read here.
    """
    middle = ready_for(file, side)
    if middle.whole:
        return _as_cut(file, WHOLE, side)
    with st.container(horizontal=True, gap="medium"):
        zoom = st.slider("Zoom", 1.0, 8.0, 1.0, 0.1, key=f"zoom.{file.file_id}", width=220)
        # a square that fills a side has nowhere to go along it
        places = [
            st.slider(label, 0.0, 1.0, 0.5, 0.01, key=f"{label}.{file.file_id}", width=220, disabled=fixed)
            for label, fixed in (
                ("Crop, left to right", zoom == 1 and middle.width <= middle.height),
                ("Crop, top to bottom", zoom == 1 and middle.height <= middle.width),
            )
        ]
    return _as_cut(file, (places[0], places[1], zoom), side)


def labels(files: Sequence[UploadedFile]) -> dict[str, str]:
    """Name each upload by its id; numbered where names repeat, because a list distinguishes its entries by name."""
    repeated = len({file.name for file in files}) < len(files)
    return {file.file_id: f"{number}. {file.name}" if repeated else file.name for number, file in enumerate(files, 1)}


def look(ready: Prepared, detector: Known, *, slot: str) -> JobStatus:
    """Ask for the detector's predictions under each filter; the answer is a `Prediction`."""
    digest = hashlib.sha256(ready.pixels.tobytes()).hexdigest()
    return ask(detector, ready.pixels, digest, PredictRequest(), slot=slot)


def draw_table(files: Sequence[UploadedFile], detector: Known, side: int) -> None:
    """A row a file, filled in as the answers come; a click on one explains it."""

    def choose() -> None:
        for row in st.session_state["upload.table"].selection.rows:
            st.session_state["upload.chosen"] = files[row].file_id

    def again() -> None:
        for number in range(len(files)):
            worker().go_on(visitor(), f"table.{number}")

    def draw() -> float | None:
        names = labels(files)
        rows = [
            _row(file, names[file.file_id], detector, side, slot=f"table.{number}") for number, file in enumerate(files)
        ]
        st.dataframe(
            pd.DataFrame([row for row, _ in rows]),
            hide_index=True,
            alt="What each file is called",
            key="upload.table",
            on_select=choose,
            selection_mode="single-row",
            # of what is no image nothing is known
            placeholder="—",
            column_config={
                "seen": st.column_config.ImageColumn("", width="small", help=f"What the detector sees: {size}."),
                "p(REAL)": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
                "lowest margin": st.column_config.NumberColumn(format="%.2f"),
                "highest margin": st.column_config.NumberColumn(format="%.2f"),
            },
        )
        st.caption(
            "Lowest and highest margin over the resampling filters: where one is above 0 and the other below, nothing "
            "is determined. Tick a row to explain that file below."
        )
        standings = [standing for _, standing in rows if standing is not None]
        _end_if_settled("table", any(standing.busy for standing in standings))
        if any(standing.state == "failed" for standing in standings):
            st.button("Try again", key="table.again", on_click=again, icon=":material/play_arrow:")
        return next_look(standings)

    size = f"{side} x {side} pixels"
    read_all(files, side)
    come_back(draw, key="table", while_busy=bool(st.session_state.get("busy.table")))


def _row(
    file: UploadedFile, name: str, detector: Known, side: int, *, slot: str
) -> tuple[dict[str, object], JobStatus | None]:
    """Return a file's row of the table, and the status of its request; None where it is no image."""
    try:
        ready = ready_for(file, side)
    except ImageError as error:
        return {"seen": None, "file": name, "verdict": str(error)}, None
    seen = data_url(ready.seen(DEFAULT_FILTER))
    row: dict[str, object] = {"seen": seen, "file": name, "pixels": f"{ready.width} x {ready.height}"}
    now = look(ready, detector, slot=slot)
    if now.answer is None:
        return row | {"verdict": now.message or "being asked"}, now
    found: Prediction = now.answer
    outcome = settle(found.margins)
    said = {
        "verdict": outcome,
        # of one filter: where others say another thing it would pass for a verdict
        "p(REAL)": None if outcome == "undetermined" else float(found.p_real[ready.filters.index(DEFAULT_FILTER)]),
        "lowest margin": float(found.margins.min()),
        "highest margin": float(found.margins.max()),
    }
    return row | said, now


def draw_verdict(ready: Prepared, detector: Known, *, shown: str, truth: str | None = None) -> None:
    """The verdict under every filter; `shown` is the one whose pixels are explained, `truth` the class if known."""

    def draw() -> float | None:
        now = look(ready, detector, slot="upload")
        _end_if_settled("upload", now.busy)
        if now.answer is not None:
            _draw_outcome(ready, now.answer, shown, truth)
        elif now.busy:
            st.markdown("### Asking the detector")
            st.caption(waiting(now) or "The first time takes a few seconds, while it is being read.")
        draw_ended(now, "upload")
        return next_look([now])

    come_back(draw, key="upload", while_busy=bool(st.session_state.get("busy.upload")))


def predicted_class(ready: Prepared, detector: Known, *, shown: str) -> str | None:
    """Return the prediction of the pixels that are explained, None while it is not known."""
    found: Prediction | None = look(ready, detector, slot="upload").answer
    if found is None:
        return None
    number = ready.filters.index(shown) if shown in ready.filters else 0
    return "REAL" if found.margins[number] > 0 else "FAKE"


def _draw_outcome(ready: Prepared, found: Prediction, shown: str, truth: str | None) -> None:
    outcome = settle(found.margins)
    p_real = float(found.p_real[ready.filters.index(shown) if shown in ready.filters else 0])
    if outcome == "undetermined":
        st.markdown("### Undetermined: the verdict depends on how the image is resized")
        st.markdown(
            "The same picture is called one thing under some resampling filters and the other under the rest. What the "
            "detector reacts to is then the resizing, not the image."
        )
    else:
        judged = (
            ""
            if truth is None
            else f". It is {CLASS_WORDS[truth]}" + (", so that is right." if truth == outcome else ": a mistake.")
        )
        st.markdown(f"### Called {CLASS_WORDS[outcome]}, {percent(max(p_real, 1 - p_real))} sure{judged}")
        what = "image" if ready.whole else "part inside the crop"
        st.markdown(
            "All of the common resampling filters give the same verdict."
            if ready.resized
            else f"The {what} has {ready.side} x {ready.side} pixels already, so nothing was resized."
        )
    if ready.resized:
        words = np.where(found.margins > 0, CLASS_WORDS["REAL"], CLASS_WORDS["FAKE"])
        said = {
            "resampling": ready.filters,
            "called": words,
            "p(REAL)": [percent(float(p)) for p in found.p_real],
            "margin": [f"{margin:+.2f}" for margin in found.margins],
        }
        st.table(pd.DataFrame(said).set_index("resampling"), border="horizontal")


def _end_if_settled(name: str, busy: bool) -> None:
    """Begin or end the coming back for an answer, which only a full rerun can."""
    if busy != bool(st.session_state.get(f"busy.{name}")):
        st.session_state[f"busy.{name}"] = busy
        st.rerun()
