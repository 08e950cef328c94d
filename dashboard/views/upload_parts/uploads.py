"""Uploaded files: prepared for the detector, predicted under every filter, kept for one session only."""

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.console import one_direction
from core.images.decoding import ImageError, PassingError, pixels_sha256
from core.images.labels import ClassName, verdict_of
from core.images.preprocessing import Place, Preprocessing
from core.images.upload import Prepared, prepare_pixels
from core.perturbations.postprocessing import Delivered, Delivery, deliver, seeing
from dashboard.components.crop import most_zoom, place_of
from dashboard.components.requests import Known, ask
from dashboard.components.words import remaining
from dashboard.decoding import with_pixels
from dashboard.jobs import JobStatus, Prediction, PredictRequest
from dashboard.views.upload_parts.origin import Origin


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
    if st.session_state.get("upload.cut", (None,))[0] not in there:
        st.session_state.pop("upload.cut", None)


def ready_for(file: UploadedFile, preprocessing: Preprocessing) -> Prepared:
    """Prepare an upload with the detector's default crop, without a preview; cached, and so are refusals
    that are the file's own fault.

    Raises:
        ImageError: the file cannot be read as an image here.
    """
    kept = st.session_state.setdefault("upload.whole", {})
    found: Prepared | str | None = kept.get(file.file_id)
    if found is None or _is_unread(found, preprocessing):
        try:
            whole = _as_cut(file, None, preprocessing)
        except PassingError:
            # not the file's fault: the next try may succeed
            raise
        except ImageError as error:
            found = kept[file.file_id] = str(error)
        else:
            # previews are two hundred times the pixels, and only the upload that is explained shows one
            found = kept[file.file_id] = replace(whole, preview=np.zeros((0, 0, 3), np.uint8))
    if isinstance(found, str):
        raise ImageError(found)
    return found


def _is_unread(kept: Prepared | str | None, preprocessing: Preprocessing) -> bool:
    """Check whether an upload must still be prepared for a preprocessing; a file that is no image need not be."""
    return kept is None or (isinstance(kept, Prepared) and kept.preprocessing.steps != preprocessing.steps)


def read_all(files: Sequence[UploadedFile], preprocessing: Preprocessing) -> None:
    """Decode what has not been decoded yet, and show how far that is where it is several files."""
    kept, started = st.session_state.get("upload.whole", {}), time.monotonic()
    unread = [file for file in files if _is_unread(kept.get(file.file_id), preprocessing)]
    if len(unread) < 2:
        return
    bar = st.progress(0.0)
    for done, file in enumerate(unread):
        left = f", {remaining((time.monotonic() - started) / done * (len(unread) - done))}" if done else ""
        bar.progress(done / len(unread), f"Reading image {done + 1} of {len(unread)}{left}")
        # the table says what is wrong with it
        with contextlib.suppress(ImageError):
            ready_for(file, preprocessing)
    bar.empty()


def _as_cut(file: UploadedFile, place: Place | None, preprocessing: Preprocessing) -> Prepared:
    """Crop an upload at a place and resize it; the session's last upload is cached for every preprocessing."""
    moved = st.session_state.get("upload.place", {}).get(file.file_id)
    kept = st.session_state.get("upload.cut")
    if kept is None or kept[:2] != (file.file_id, moved):
        kept = st.session_state["upload.cut"] = file.file_id, moved, {}
    found: dict[tuple[Place | None, str], Prepared] = kept[2]
    key = place, preprocessing.steps
    if key not in found:
        data = file.getvalue()
        found[key] = with_pixels(file.file_id, data, lambda pixels: prepare_pixels(pixels, preprocessing, place))
    return found[key]


def cut(file: UploadedFile, preprocessing: Preprocessing) -> Prepared:
    """An upload as a detector sees it, or the square of it that was chosen.

    Raises:
        ImageError: it is no image that is read here.
    """
    return _as_cut(file, placed(file, preprocessing), preprocessing)


def placed(file: UploadedFile, preprocessing: Preprocessing) -> Place | None:
    """Return where the square of an upload was put, None where nobody moved it; raises as `cut`."""
    # its size is the same to all detectors
    kept = st.session_state.get("upload.whole", {}).get(file.file_id)
    image = kept if isinstance(kept, Prepared) else ready_for(file, preprocessing)
    return place_of(file.file_id, most=most_zoom(image.width, image.height, preprocessing))


def origin_of(file: UploadedFile, preprocessing: Preprocessing) -> Origin:
    """Return where an upload's deliveries come from; raises as `cut`."""
    return _origin(file, preprocessing, placed(file, preprocessing))


def origin_of_whole(file: UploadedFile, preprocessing: Preprocessing) -> Origin:
    """Return the same for an upload as a detector sees it by itself, wherever its square was put."""
    return _origin(file, preprocessing, None)


def _origin(file: UploadedFile, preprocessing: Preprocessing, place: Place | None) -> Origin:
    data = file.getvalue()

    def send(delivery: Delivery) -> Delivered:
        see = seeing(preprocessing, place)
        return with_pixels(file.file_id, data, lambda pixels: next(deliver(pixels, see, among=[delivery])))

    return Origin(f"{file.file_id} {place} {preprocessing.steps}", preprocessing.steps, send)


@dataclass(frozen=True, eq=False)
class Example:
    """A picture of a run that stands in for an upload.

    Attributes:
        id: of it in its run.
        pixels: uint8 (n, n, 3).
        label: its class.
        fitted: by which preprocessing it became these pixels.
    """

    id: str
    pixels: NDArray[np.uint8]
    label: ClassName
    fitted: Preprocessing

    def ready(self, preprocessing: Preprocessing) -> Prepared:
        """The example as a detector sees it."""
        return prepare_pixels(self.pixels, self._steps(preprocessing))

    def origin(self, preprocessing: Preprocessing) -> Origin:
        """Where its deliveries come from."""
        steps = self._steps(preprocessing)
        # an example of one name has other pixels in a run of another size
        see, key = seeing(steps), f"{self.id} {pixels_sha256(self.pixels)} {steps.steps}"
        return Origin(key, steps.steps, lambda one: next(deliver(self.pixels, see, among=[one])), self.label)

    def _steps(self, preprocessing: Preprocessing) -> Preprocessing:
        return preprocessing.fitted if preprocessing.steps == self.fitted.steps else preprocessing


def labels(files: Sequence[UploadedFile]) -> dict[str, str]:
    """Name each upload by its id; numbered where names repeat, because a list distinguishes its entries by name."""
    repeated = len({file.name for file in files}) < len(files)
    return {
        file.file_id: one_direction(f"{number}. {file.name}" if repeated else file.name)
        for number, file in enumerate(files, 1)
    }


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
    """Rerun the page where polling has to start or stop, which only a full rerun can do."""
    if busy != bool(st.session_state.get(f"busy.{name}")):
        st.session_state[f"busy.{name}"] = busy
        st.rerun()
