"""Uploaded files: prepared for the detector, predicted under every filter, kept for one session only."""

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.edits.delivery.delivering import Delivered, deliver, see_square
from core.edits.delivery.delivery import Delivery
from core.images.decoding import ImageError
from core.images.labels import ClassName, verdict_of
from core.images.tiles import Tiles
from core.images.upload import Prepared
from dashboard.components.explanations.asking import Known, ask
from dashboard.components.words import remaining
from dashboard.services.server.decoding import Held, deliver_in_turn, prepare_in_turn, tile_in_turn
from dashboard.services.worker.jobs import JobStatus
from dashboard.services.worker.requests import Prediction, PredictRequest
from dashboard.views.upload.crop import WHOLE, Place, most_zoom, place_of
from dashboard.views.upload.origin import Origin


def forget_others(files: Sequence[UploadedFile]) -> None:
    """Drop what was made of uploads that are no longer there."""
    there = {file.file_id for file in files}
    st.session_state["upload.whole"] = {
        id_: kept for id_, kept in st.session_state.get("upload.whole", {}).items() if id_ in there
    }
    places = st.session_state.get("upload.place", {})
    st.session_state["upload.place"] = {id_: place for id_, place in places.items() if id_ in there}
    delivered = st.session_state.get("upload.delivered", {})
    st.session_state["upload.delivered"] = {key: sent for key, sent in delivered.items() if key[0] in there}
    for key in ("upload.cut", "upload.held", "upload.tiles"):
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


def _held(file: UploadedFile) -> Held:
    """The session's decoded upload; of the last one only."""
    if st.session_state.get("upload.held", (None,))[0] != file.file_id:
        st.session_state["upload.held"] = file.file_id, Held()
    held: Held = st.session_state["upload.held"][1]
    return held


def _as_cut(file: UploadedFile, place: Place, side: int) -> Prepared:
    """An upload cut at a place and resized; of the last one of a session, pixels and cut are kept."""
    found = st.session_state.get("upload.cut")
    if found is None or found[:2] != (file.file_id, place) or found[2].side != side:
        x, y, zoom = place
        ready = prepare_in_turn(_held(file), file.getvalue(), side, x=x, y=y, zoom=zoom)
        found = st.session_state["upload.cut"] = file.file_id, place, ready
    return found[2]


def cut(file: UploadedFile, side: int) -> Prepared:
    """An upload, cut where its square was put and resized to `side` pixels.

    Raises:
        ImageError: it is no image that is read here.
    """
    return _as_cut(file, placed(file, side), side)


def placed(file: UploadedFile, side: int) -> Place:
    """Return where the square of an upload was put; raises as `cut`."""
    middle = ready_for(file, side)
    return place_of(file.file_id, most=most_zoom(middle.width, middle.height, side))


def origin_of(file: UploadedFile, side: int) -> Origin:
    """Return where an upload's deliveries come from; raises as `cut`."""
    return _origin(file, side, placed(file, side))


def origin_of_whole(file: UploadedFile, side: int) -> Origin:
    """Return the same for the square in the middle of an upload, wherever its square was put."""
    return _origin(file, side, WHOLE)


def _origin(file: UploadedFile, side: int, place: Place) -> Origin:
    ready, (x, y, zoom), data = ready_for(file, side), place, file.getvalue()

    def send(delivery: Delivery) -> Delivered:
        return deliver_in_turn(_held(file), data, side, delivery, x=x, y=y, zoom=zoom)

    return Origin(f"{file.file_id} {x} {y} {zoom} {side}", max(1, round(min(ready.width, ready.height) / zoom)), send)


def origin_of_example(id_: str, image: NDArray[np.uint8], side: int, label: ClassName) -> Origin:
    """Return where the deliveries of an example come from: uint8 (n, n, 3), whose class is known."""
    see = see_square(side)
    return Origin(f"{id_} {side}", len(image), lambda one: next(deliver(image, see, among=[one])), label)


def tiles_of(file: UploadedFile, side: int) -> Tiles:
    """Return the tiles of an upload; those of the last one of a session are kept."""
    found = st.session_state.get("upload.tiles")
    if found is None or found[:2] != (file.file_id, side):
        tiles = tile_in_turn(_held(file), file.getvalue(), side)
        found = st.session_state["upload.tiles"] = file.file_id, side, tiles
    tiles_found: Tiles = found[2]
    return tiles_found


def labels(files: Sequence[UploadedFile]) -> dict[str, str]:
    """Name each upload by its id; numbered where names repeat, because a list distinguishes its entries by name."""
    repeated = len({file.name for file in files}) < len(files)
    return {file.file_id: f"{number}. {file.name}" if repeated else file.name for number, file in enumerate(files, 1)}


def look(ready: Prepared, detector: Known, *, slot: str) -> JobStatus:
    """Ask for the detector's predictions under each filter; the answer is a `Prediction`."""
    digest = hashlib.sha256(ready.pixels.tobytes()).hexdigest()
    return ask(detector, ready.pixels, digest, PredictRequest(), slot=slot)


def predicted_class(ready: Prepared, detector: Known, *, shown: str) -> str | None:
    """Return the prediction of the pixels that are explained, None while it is not known."""
    found: Prediction | None = look(ready, detector, slot="upload").answer
    if found is None:
        return None
    number = ready.filters.index(shown) if shown in ready.filters else 0
    return verdict_of(found.margins[number])


def end_if_settled(name: str, busy: bool) -> None:
    """Begin or end the coming back for an answer, which only a full rerun can."""
    if busy != bool(st.session_state.get(f"busy.{name}")):
        st.session_state[f"busy.{name}"] = busy
        st.rerun()
