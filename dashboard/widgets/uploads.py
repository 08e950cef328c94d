"""What becomes of uploaded files: made ready for the detector, called under every filter, kept for one session only."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.typing import UploadedFile

from core.images import ImageError
from core.upload import DEFAULT_FILTER, Prepared, prepare, settle
from dashboard.questions import Look, Looked
from dashboard.widgets.asking import Known, ask
from dashboard.widgets.component import data_url
from dashboard.widgets.polling import come_back
from dashboard.widgets.words import CLASS_WORDS, percent

KEPT = 64


def ready_for(file: UploadedFile, *, x: float = 0.5, y: float = 0.5, zoom: float = 1.0) -> Prepared:
    """An upload cut and resized; decoded again only when the cut has changed.

    Raises:
        ImageError: it is no image that is read here.
    """
    kept = st.session_state.setdefault("upload.kept", {})
    key = (file.file_id, x, y, zoom)
    if key not in kept:
        while len(kept) >= KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = prepare(file.getvalue(), x=x, y=y, zoom=zoom)
    return kept[key]


def cut(file: UploadedFile) -> Prepared:
    """An upload, cut as the sliders under it say.

    Raises:
        ImageError: it is no image that is read here.
    """
    whole = ready_for(file)
    if not whole.resized:
        return whole
    with st.container(horizontal=True, gap="medium"):
        zoom = st.slider("Zoom", 1.0, 8.0, 1.0, 0.1, key=f"zoom.{file.file_id}", width=220)
        # a square that fills a side has nowhere to go along it
        places = [
            st.slider(label, 0.0, 1.0, 0.5, 0.01, key=f"{label}.{file.file_id}", width=220, disabled=fixed)
            for label, fixed in (
                ("Crop, left to right", zoom == 1 and whole.width <= whole.height),
                ("Crop, top to bottom", zoom == 1 and whole.height <= whole.width),
            )
        ]
    return ready_for(file, x=places[0], y=places[1], zoom=zoom)


def look(ready: Prepared, detector: Known, *, slot: str) -> Looked | None:
    """What the detector says under each filter; None while it is being asked, and where it cannot say."""
    digest = hashlib.sha256(ready.pixels.tobytes()).hexdigest()
    standing = ask(detector, ready.pixels, digest, Look(), slot=slot)
    if standing.state == "failed":
        st.error(standing.message)
    return standing.answer


def draw_table(files: Sequence[UploadedFile], detector: Known) -> None:
    """A row a file, filled in as the answers come; a click on one explains it."""

    def choose() -> None:
        for row in st.session_state["upload.table"].selection.rows:
            st.session_state["upload.chosen"] = files[row].file_id

    def draw() -> None:
        rows = [_row(file, detector, slot=f"table.{number}") for number, file in enumerate(files)]
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            alt="What each file is called",
            key="upload.table",
            on_select=choose,
            selection_mode="single-row",
            column_config={
                "seen": st.column_config.ImageColumn("", width="small", help="What the detector sees, 32 x 32 pixels."),
                "p(REAL)": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
                "lowest margin": st.column_config.NumberColumn(format="%.2f"),
                "highest margin": st.column_config.NumberColumn(format="%.2f"),
            },
        )
        st.caption(
            "Lowest and highest margin over the resampling filters: where one is above 0 and the other below, nothing "
            "is determined. Tick a row to explain that file below."
        )
        _end_if_settled("table", any(row.get("verdict") == "being asked" for row in rows))

    come_back(draw, while_busy=bool(st.session_state.get("busy.table")))


def _row(file: UploadedFile, detector: Known, *, slot: str) -> dict[str, object]:
    try:
        ready = ready_for(file)
    except ImageError as error:
        return {"seen": None, "file": file.name, "verdict": str(error)}
    seen = data_url(ready.seen(DEFAULT_FILTER))
    row: dict[str, object] = {"seen": seen, "file": file.name, "pixels": f"{ready.width} x {ready.height}"}
    found = look(ready, detector, slot=slot)
    if found is None:
        return row | {"verdict": "being asked"}
    return row | {
        "verdict": settle(found.margins),
        "p(REAL)": float(found.p_real[ready.filters.index(DEFAULT_FILTER)]),
        "lowest margin": float(found.margins.min()),
        "highest margin": float(found.margins.max()),
    }


def draw_verdict(ready: Prepared, detector: Known, *, shown: str) -> None:
    """The verdict under every filter; `shown` is the one whose pixels are explained."""

    def draw() -> None:
        found = look(ready, detector, slot="upload")
        _end_if_settled("upload", found is None)
        if found is None:
            st.markdown("### Asking the detector")
            st.caption("The first time takes a few seconds, while it is being read.")
            return
        _draw_outcome(ready, found, shown)

    come_back(draw, while_busy=bool(st.session_state.get("busy.upload")))


def called(ready: Prepared, detector: Known, *, shown: str) -> str | None:
    """What the pixels that are explained are called, None while that is not known."""
    found = look(ready, detector, slot="upload")
    if found is None:
        return None
    number = ready.filters.index(shown) if shown in ready.filters else 0
    return "REAL" if found.margins[number] > 0 else "FAKE"


def _draw_outcome(ready: Prepared, found: Looked, shown: str) -> None:
    outcome = settle(found.margins)
    p_real = float(found.p_real[ready.filters.index(shown) if shown in ready.filters else 0])
    if outcome == "undetermined":
        st.markdown("### Undetermined: the verdict hangs on how the image is made small")
        st.markdown(
            "The same picture is called one thing under some resampling filters and the other under the rest. What the "
            "detector reacts to is then the resizing, not the image."
        )
    else:
        st.markdown(f"### Called {CLASS_WORDS[outcome]}, {percent(max(p_real, 1 - p_real))} sure")
        st.markdown(
            "All of the common resampling filters give the same verdict."
            if ready.resized
            else "The image has 32 x 32 pixels already, so nothing was resized."
        )
    if ready.resized:
        words = np.where(found.margins > 0, CLASS_WORDS["REAL"], CLASS_WORDS["FAKE"])
        said = {
            "made small by": ready.filters,
            "called": words,
            "p(REAL)": [percent(float(p)) for p in found.p_real],
            "margin": [f"{margin:+.2f}" for margin in found.margins],
        }
        st.table(pd.DataFrame(said).set_index("made small by"), border="horizontal")


def _end_if_settled(name: str, busy: bool) -> None:
    """Begin or end the coming back for an answer, which only a full rerun can."""
    if busy != bool(st.session_state.get(f"busy.{name}")):
        st.session_state[f"busy.{name}"] = busy
        st.rerun()
