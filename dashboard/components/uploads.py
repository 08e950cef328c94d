"""Pictures that a visitor tries: uploads, kept for one session only, and examples of a run; the square that is seen.

Uploads are decoded one at a time, because each may take 275 MB meanwhile. Streamlit lacks a picture with a square that
is dragged.
"""

import math
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
import streamlit as st
from streamlit.typing import UploadedFile

from core.answers.ordinary import Kind, kind_of
from core.arrays import Pixels
from core.console import one_direction
from core.images.decoding import ImageError, PassingError, decode
from core.images.encoding import data_url
from core.images.labels import ClassName
from core.images.preprocessing import Location, Prepared, Preprocessing, prepare_pixels, preview
from core.storage.memory import Bounded
from dashboard.components.component import component, nothing

_mount = component("crop")
# of the session: what was made of pictures, and where their squares were put, by their keys
MADE = "upload.made"
PLACES = "upload.places"
T = TypeVar("T")
# files of one visitor that are read at once, and their bytes together
MAX_FILES = 32
MAX_OWN = 64 * 2**20
# bytes of a file, as in .streamlit/config.toml
MAX_UPLOAD = 20 * 2**20
_one_at_a_time = threading.Lock()
# decoded uploads, up to 60 MB each, so that moving a slider decodes nothing
_decoded: Bounded[str, Pixels] = Bounded(2)


def remembered(key: Hashable, make: Callable[[], T]) -> T:
    """Return what this session has made of a picture already, else make it; a refusal is kept as its sentence.

    Raises:
        ImageError: it cannot be made.
    """
    kept = st.session_state.setdefault(MADE, Bounded(64))
    if key not in kept:
        try:
            kept[key] = make()
        except PassingError:
            # not the file's fault: the next try may succeed
            raise
        except ImageError as error:
            kept[key] = str(error)
    if isinstance(kept[key], str):
        raise ImageError(kept[key])
    made: T = kept[key]
    return made


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture that a visitor tries.

    Attributes:
        key: of it, in the session.
        name: of its file.
        source: the upload, or the pixels of an example, uint8 (height, width, 3).
        label: its class, where that is known.
        fitted: the preprocessing that has made it its size; None of an upload.
    """

    key: str
    name: str
    source: UploadedFile | Pixels
    label: ClassName | None = None
    fitted: Preprocessing | None = None

    def use(self, work: Callable[[Pixels], T]) -> T:
        """Call a function with its pixels, uint8 (height, width, 3).

        Raises:
            ImageError: it cannot be read as an image here.
        """
        if isinstance(self.source, np.ndarray):
            return work(self.source)
        return with_pixels(self.key, self.source.getvalue(), work)

    @property
    def kind(self) -> Kind:
        """The kind of its file; of an example's pixels, which lie in a run, that of files saved without loss."""
        return "lossless" if isinstance(self.source, np.ndarray) else kind_of(self.source.getvalue())

    def steps(self, preprocessing: Preprocessing) -> Preprocessing:
        """Return what is left to do of a detector's preprocessing."""
        is_fitted = self.fitted is not None and self.fitted.steps == preprocessing.steps
        return preprocessing.fitted if is_fitted else preprocessing

    def ready(self, preprocessing: Preprocessing, *, moved: bool = True) -> Prepared:
        """Return it as a detector sees it.

        Args:
            preprocessing: the detector's.
            moved: as seen in the square that the visitor has chosen, if any.

        Raises:
            ImageError: it cannot be read as an image here.
        """
        steps = self.steps(preprocessing)
        place = self.place(preprocessing) if moved else None

        prepare = partial(prepare_pixels, preprocessing=steps, location=place)
        return remembered((self.key, steps.steps, place), partial(self.use, prepare))

    def place(self, preprocessing: Preprocessing) -> Location | None:
        """Return where its square was put, None where nobody moved it."""
        place = place_of(self.key)
        if place is None:
            return None
        ready = self.ready(preprocessing, moved=False)
        return sound_place(place, most=most_zoom(ready), least=least_zoom(ready))


def place_of(key: str) -> Location | None:
    """Return where a square was put, None where nobody moved it."""
    place: Location | None = st.session_state.get(PLACES, {}).get(key)
    return place


def pictures_of(files: Sequence[UploadedFile]) -> dict[str, Picture]:
    """Return uploads by their ids; names are numbered where they repeat, because a list goes by them."""
    repeated = len({file.name for file in files}) < len(files)
    names = [one_direction(f"{number}. {file.name}" if repeated else file.name) for number, file in enumerate(files, 1)]
    return {file.file_id: Picture(file.file_id, name, file) for file, name in zip(files, names, strict=True)}


def draw_crop(picture: Picture, ready: Prepared) -> None:
    """Draw the whole picture with the square that is seen; a movement of it is remembered."""
    width = ready.width
    height = ready.height
    preprocessing = ready.preprocessing
    most = most_zoom(ready)
    # where the detector's own preprocessing stretches the image there is no square
    stretches = preprocessing.crop == "none" and width != height
    first = None if stretches else Location(zoom=preprocessing.first_zoom(height, width))
    seen = ", all of which" if ready.stretched else " with the square that"
    draw_square(
        picture,
        picture.key,
        (width, height),
        ready.location or first,
        first=first,
        zooms=(least_zoom(ready), most),
        alt=f"{picture.name}{seen} the detector is shown",
        moves=most > 1 or width != height or ready.location is not None,
    )


def draw_square(
    picture: Picture,
    key: str,
    size: tuple[int, int],
    place: Location | None,
    *,
    first: Location | None,
    zooms: tuple[float, float],
    alt: str,
    moves: bool = True,
) -> None:
    """Draw a picture with a square that is dragged with the pointer, or moved by keys, which draws the page again.

    Args:
        picture: to draw.
        key: of the place in the session.
        size: of the picture, width and height.
        place: where the square is; None for all of the picture.
        first: where it was before it was moved.
        zooms: least and most.
        alt: what is shown.
        moves: whether it can be moved.
    """
    element = f"upload.crop.{key}"
    least, most = zooms

    def keep() -> None:
        moved = sound_place(st.session_state[element].place, least=least, most=most)
        st.session_state.setdefault(PLACES, {})[key] = moved

    data = {
        "key": key,
        "source": data_url(remembered((picture.key, "preview"), partial(picture.use, preview))),
        "width": size[0],
        "height": size[1],
        "place": place and list(place),
        "first": first and list(first),
        "most": most,
        "least": least,
        "alt": alt,
    }
    _mount(key=element, data=data, on_place_change=keep if moves else nothing)


def most_zoom(ready: Prepared) -> float:
    """Return the zoom at which the square has the detector's own size, but no less than its preprocessing's."""
    steps = ready.preprocessing
    return max(steps.first_zoom(ready.height, ready.width), min(ready.width, ready.height) / steps.size)


def least_zoom(ready: Prepared) -> float:
    """Return the least zoom of the square: one of the picture's own pixels has one size only."""
    return most_zoom(ready) if ready.preprocessing.native else 1.0


def sound_place(value: Any, *, most: float, least: float = 1.0) -> Location | None:
    """Check a place sent by a browser and clip it to its limits; None for anything else."""
    try:
        x, y, zoom = (float(number) for number in value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not all(map(math.isfinite, (x, y, zoom))):
        return None
    return Location(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0), min(max(zoom, least), most))


def in_turn(work: Callable[[], T]) -> T:
    """Do work that decodes, once nobody else does; raises what it raises."""
    with _one_at_a_time:
        return work()


def with_pixels(file_id: str, data: bytes, work: Callable[[Pixels], T]) -> T:
    """Call `work` with an upload's pixels, uint8 (height, width, 3), once nobody else decodes.

    Args:
        file_id: of the upload, by which the pixels of the last two are kept.
        data: its bytes.
        work: what to do with them.

    Raises:
        ImageError: it cannot be read as an image.
    """
    with _one_at_a_time:
        pixels = _decoded.get(file_id)
        if pixels is None:
            pixels = _decoded[file_id] = decode(data)
        return work(pixels)
