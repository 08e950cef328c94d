"""Uploaded files: prepared for the detector, sent through deliveries, kept for one session only."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.console import one_direction
from core.images.decoding import ImageError, PassingError, pixels_sha256
from core.images.labels import ClassName, verdict_of
from core.images.preprocessing import Location, Prepared, Preprocessing, prepare_pixels
from core.perturbations.postprocessing import DELIVERIES, Delivered, Delivery, deliver, seeing
from core.studies.judgement import versions
from dashboard.components.crop import most_zoom, place_of
from dashboard.components.requests import DetectorHandle, ask
from dashboard.decoding import with_pixels
from dashboard.jobs import JobStatus, Prediction, PredictRequest

# seconds of a page's time that deliveries take before it is drawn again
SLICE = 0.8


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the image that is explained comes from.

    Attributes:
        key: of the image, its crop and the detector's preprocessing.
        steps: of that preprocessing.
        send: gives the image after one delivery, as the detector sees it.
        label: what it is, where that is known.
    """

    key: str
    steps: str
    send: Callable[[Delivery], Delivered]
    label: ClassName | None = None


def sent_so_far(origin: Origin) -> list[Delivered]:
    """Make deliveries for about `SLICE` seconds and return all made so far; kept for the last image."""
    found: dict[str, Delivered]
    key, found = st.session_state.get("upload.sent", ("", {}))
    if key != origin.key:
        found = {}
        st.session_state["upload.sent"] = origin.key, found
    started = time.monotonic()
    for delivery in DELIVERIES:
        if delivery.name in found:
            continue
        found[delivery.name] = origin.send(delivery)
        if time.monotonic() - started > SLICE:
            break
    return [found[delivery.name] for delivery in DELIVERIES if delivery.name in found]


def forget_others(files: Sequence[UploadedFile]) -> None:
    """Drop what was made of uploads that are no longer there."""
    there = {file.file_id for file in files}
    for key in ("upload.whole", "upload.place"):
        kept = st.session_state.get(key, {})
        st.session_state[key] = {id_: made for id_, made in kept.items() if id_ in there}
    if st.session_state.get("upload.cut", (None,))[0] not in there:
        st.session_state.pop("upload.cut", None)


def ready_for(file: UploadedFile, preprocessing: Preprocessing) -> Prepared:
    """Prepare an upload with the detector's default crop, without a preview.

    Cached, and so are refusals that are the file's own fault.

    Raises:
        ImageError: the file cannot be read as an image here.
    """
    kept = st.session_state.setdefault("upload.whole", {})
    found: Prepared | str | None = kept.get(file.file_id)
    if found is None or (isinstance(found, Prepared) and found.preprocessing.steps != preprocessing.steps):
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


def _as_cut(file: UploadedFile, place: Location | None, preprocessing: Preprocessing) -> Prepared:
    """Crop an upload at a place and resize it; the session's last upload is cached for every preprocessing."""
    moved = st.session_state.get("upload.place", {}).get(file.file_id)
    kept = st.session_state.get("upload.cut")
    if kept is None or kept[:2] != (file.file_id, moved):
        kept = st.session_state["upload.cut"] = file.file_id, moved, {}
    found: dict[tuple[Location | None, str], Prepared] = kept[2]
    key = place, preprocessing.steps
    if key not in found:
        data = file.getvalue()
        found[key] = with_pixels(file.file_id, data, lambda pixels: prepare_pixels(pixels, preprocessing, place))
    return found[key]


def cut(file: UploadedFile, preprocessing: Preprocessing) -> Prepared:
    """Return an upload as a detector sees it, or the square of it that was chosen; raises as `ready_for`."""
    return _as_cut(file, _placed(file, preprocessing), preprocessing)


def _placed(file: UploadedFile, preprocessing: Preprocessing) -> Location | None:
    """Return where the square of an upload was put, None where nobody moved it."""
    whole = ready_for(file, preprocessing)
    return place_of(file.file_id, most=most_zoom(whole.width, whole.height, preprocessing))


def origin_of(file: UploadedFile, preprocessing: Preprocessing) -> Origin:
    """Return where an upload's deliveries come from."""
    place = _placed(file, preprocessing)
    data, see = file.getvalue(), seeing(preprocessing, place)

    def send(delivery: Delivery) -> Delivered:
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
        """Return the example as a detector sees it."""
        return prepare_pixels(self.pixels, self._steps(preprocessing))

    def origin(self, preprocessing: Preprocessing) -> Origin:
        """Return where its deliveries come from."""
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


def look(ready: Prepared, detector: DetectorHandle, *, slot: str) -> JobStatus:
    """Ask for the detector's predictions on the picture's `versions`; the answer is a `Prediction`."""
    return ask(detector, versions(ready), PredictRequest(), slot=slot)


def predicted_class(ready: Prepared, detector: DetectorHandle, *, shown: str) -> str | None:
    """Return the prediction of the pixels that are explained, None while it is not known."""
    found: Prediction | None = look(ready, detector, slot="upload").answer
    if found is None:
        return None
    return verdict_of(found.margins[ready.filters.index(shown) if shown in ready.filters else 0])
