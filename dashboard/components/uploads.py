"""Pictures that a visitor tries: uploads, kept for one session only, and examples of a run; the square that is seen."""

import math
import time
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.typing import UploadedFile

from core.console import one_direction
from core.images.decoding import ImageError, PassingError
from core.images.encoding import data_url
from core.images.labels import ClassName
from core.images.preprocessing import Location, Prepared, Preprocessing, prepare_pixels, preview
from core.perturbations.postprocessing import DELIVERIES, Delivered, deliver, seeing
from dashboard.components.component import component, nothing
from dashboard.decoding import with_pixels

_mount = component(__file__, "crop")
# seconds of a page's time that deliveries take before it is drawn again
SLICE = 0.8
# of the session: what was made of pictures, and where their squares were put, by their keys
MADE, PLACES = "upload.made", "upload.places"
Work = Callable[[NDArray[np.uint8]], Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a visitor tries.

    Attributes:
        key: of it, in the session.
        name: of its file.
        work: calls a function with its pixels, uint8 (height, width, 3); raises `ImageError` where it has none.
        label: its class, where that is known.
        fitted: the preprocessing that has made it its size; None of an upload.
    """

    key: str
    name: str
    work: Callable[[Work], Any]
    label: ClassName | None = None
    fitted: Preprocessing | None = None

    def ready(self, preprocessing: Preprocessing, *, moved: bool = True) -> Prepared:
        """Return it as a detector sees it; what was made, and why nothing could be, is kept.

        Args:
            preprocessing: the detector's.
            moved: as seen in the square that the visitor has chosen, if any.

        Raises:
            ImageError: it cannot be read as an image here.
        """
        steps, place = self._steps(preprocessing), self.place(preprocessing) if moved else None
        made: Prepared | str = self._made(
            f"{steps.steps} {place}", lambda: self.work(lambda pixels: prepare_pixels(pixels, steps, place))
        )
        if isinstance(made, str):
            raise ImageError(made)
        return made

    def place(self, preprocessing: Preprocessing) -> Location | None:
        """Return where its square was put, None where nobody moved it."""
        place = st.session_state.get(PLACES, {}).get(self.key)
        if place is None:
            return None
        return sound_place(place, most=most_zoom(self.ready(preprocessing, moved=False)))

    def preview(self) -> NDArray[np.uint8]:
        """Return all of it at no more than 480 pixels a side."""
        return np.asarray(self._made("preview", lambda: self.work(preview)))

    def sent(self, preprocessing: Preprocessing) -> list[Delivered]:
        """Make deliveries for about `SLICE` seconds, as a detector sees them; return all that have been made."""
        steps, place, started = self._steps(preprocessing), self.place(preprocessing), time.monotonic()
        made: dict[str, Delivered] = self._made(f"sent {steps.steps} {place}", dict)

        def send(pixels: NDArray[np.uint8]) -> None:
            rest = [delivery for delivery in DELIVERIES if delivery.name not in made]
            for delivered in deliver(pixels, seeing(steps, place), among=rest):
                made[delivered.delivery.name] = delivered
                if time.monotonic() - started > SLICE:
                    return

        if len(made) < len(DELIVERIES):
            self.work(send)
        return list(made.values())

    def _steps(self, preprocessing: Preprocessing) -> Preprocessing:
        is_fitted = self.fitted is not None and self.fitted.steps == preprocessing.steps
        return preprocessing.fitted if is_fitted else preprocessing

    def _made(self, what: str, make: Callable[[], Any]) -> Any:
        """Return what was made of it before, or make it; a refusal is kept as its sentence."""
        kept = st.session_state.setdefault(MADE, {}).setdefault(self.key, {})
        if what not in kept:
            try:
                made = make()
            except PassingError:
                # not the file's fault: the next try may succeed
                raise
            except ImageError as error:
                made = str(error)
            while len(kept) > 16:
                # of a square that was moved again and again
                del kept[next(iter(kept))]
            kept[what] = made
        return kept[what]


def pictures_of(files: Sequence[UploadedFile]) -> dict[str, Picture]:
    """Return uploads by their ids; names are numbered where they repeat, because a list goes by them."""
    repeated = len({file.name for file in files}) < len(files)

    def picture(number: int, file: UploadedFile) -> Picture:
        name = one_direction(f"{number}. {file.name}" if repeated else file.name)
        return Picture(file.file_id, name, lambda work: with_pixels(file.file_id, file.getvalue(), work))

    return {file.file_id: picture(number, file) for number, file in enumerate(files, 1)}


def forget_others(keys: Container[str]) -> None:
    """Drop what was made of pictures with other keys."""
    for part in (MADE, PLACES):
        st.session_state[part] = {key: kept for key, kept in st.session_state.get(part, {}).items() if key in keys}


def draw_crop(picture: Picture, ready: Prepared) -> None:
    """Draw the whole picture with the square that is seen: dragged with the pointer, or moved by keys.

    A movement is remembered, and draws the page again.
    """
    width, height, preprocessing, most = ready.width, ready.height, ready.preprocessing, most_zoom(ready)

    def keep() -> None:
        place = sound_place(st.session_state[element].place, most=most)
        st.session_state.setdefault(PLACES, {})[picture.key] = place

    element = f"upload.crop.{picture.key}"
    # where the detector's own preprocessing stretches the image there is no square
    stretches = preprocessing.crop == "none" and width != height
    first = None if stretches else list(Location(zoom=preprocessing.zoom))
    seen = "all of which the detector is shown" if ready.stretched else "with the square that the detector is shown"
    data = {
        "key": picture.key,
        "source": data_url(picture.preview()),
        "width": width,
        "height": height,
        "place": first if ready.location is None else list(ready.location),
        "first": first,
        "most": most,
        "alt": f"{picture.name}, {seen}" if ready.stretched else f"{picture.name} {seen}",
    }
    moves = most > 1 or width != height or ready.location is not None
    _mount(key=element, data=data, on_place_change=keep if moves else nothing)


def most_zoom(ready: Prepared) -> float:
    """Return the zoom at which the square has the detector's own size, but no less than its preprocessing's."""
    steps = ready.preprocessing
    return max(steps.zoom, min(ready.width, ready.height) / steps.size)


def sound_place(value: Any, *, most: float) -> Location | None:
    """Check a place sent by a browser and clip it to its limits; None for anything else."""
    try:
        x, y, zoom = (float(number) for number in value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not all(map(math.isfinite, (x, y, zoom))):
        return None
    return Location(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0), min(max(zoom, 1.0), most))
