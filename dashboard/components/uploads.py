"""Pictures that a visitor tries: uploads, kept for one session only, and examples of a run; the square that is seen.

And a whole picture with the exact map of a detector that reads its own pixels: as it is, and after a change. Uploads
are decoded one at a time, because each may take 275 MB meanwhile. Streamlit lacks a picture with a square that is
dragged.
"""

import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.typing import UploadedFile

from core.answers.ordinary import Kind, kind_of
from core.arrays import Floats, Pixels
from core.console import one_direction
from core.detectors.identity import DetectorHandle
from core.detectors.manifest import Capability
from core.explainers.drawing import grey_picture
from core.findings.numbers import plus
from core.images.decoding import ImageError, PassingError, decode, pixels_sha256
from core.images.encoding import data_url
from core.images.labels import CLASS_COLOURS, ClassName, rgb
from core.images.out_of_distribution import find_photograph
from core.images.preprocessing import Location, Prepared, Preprocessing, prepare_pixels, preview
from core.perturbations.delivery import DELIVERIES, pasted, pasted_side
from core.storage.memory import Bounded
from dashboard.components.component import component, nothing
from dashboard.components.requests import any_busy, ask, draw_status, poll
from dashboard.components.words import CLASS_WORDS
from dashboard.jobs import JobStatus
from dashboard.state import Setting

_mount = component("crop")
# a press -> its words; all but the first and the last are deliveries
PASTE = "paste"
CHANGES = {
    "": "Nothing",
    "jpeg_75": "Save as JPEG",
    "scale_50_box": "Halve",
    "screenshot": "Screenshot",
    "messenger": "Send by messenger",
    PASTE: "Paste a photograph into it",
}
CHANGE = Setting("then", "", choices=CHANGES)
OPACITY = "upload.opacity"
# of all local scores, the part that is drawn in less than full colour
FULL = 0.99
APPLY = {delivery.name: delivery.apply for delivery in DELIVERIES}
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
        with _one_at_a_time:
            pixels = _decoded.get(self.key)
            if pixels is None:
                pixels = _decoded[self.key] = decode(self.source.getvalue())
            return work(pixels)

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
        ready = self.ready(preprocessing, moved=False)
        return place_of(self.key, *zooms_of(ready))


def pictures_of(files: Sequence[UploadedFile]) -> dict[str, Picture]:
    """Return uploads by their ids; names are numbered where they repeat, because a list goes by them."""
    repeated = len({file.name for file in files}) < len(files)
    names = [one_direction(f"{number}. {file.name}" if repeated else file.name) for number, file in enumerate(files, 1)]
    return {file.file_id: Picture(file.file_id, name, file) for file, name in zip(files, names, strict=True)}


def draw_crop(picture: Picture, ready: Prepared) -> None:
    """Draw the whole picture with the square that is seen; a movement of it is remembered."""
    size = (ready.width, ready.height)
    is_square = ready.width == ready.height
    zooms = zooms_of(ready)
    # where the detector's own preprocessing stretches the image there is no square
    stretches = ready.preprocessing.crop == "none" and not is_square
    first = None if stretches else Location(zoom=ready.preprocessing.first_zoom(ready.height, ready.width))
    seen = ", all of which" if ready.stretched else " with the square that"
    alt = f"{picture.name}{seen} the detector is shown"
    moves = zooms[1] > 1 or not is_square or ready.location is not None
    draw_square(picture, picture.key, size, first=first, zooms=zooms, alt=alt, moves=moves)


def draw_square(
    picture: Picture,
    key: str,
    size: tuple[int, int],
    *,
    first: Location | None,
    zooms: tuple[float, float],
    alt: str,
    moves: bool = True,
) -> Location | None:
    """Draw a picture with a square that is dragged with the pointer, or moved by keys, which draws the page again.

    Args:
        picture: to draw.
        key: of the place in the session.
        size: of the picture, width and height.
        first: where the square is before it is moved; None for all of the picture.
        zooms: least and most.
        alt: what is shown.
        moves: whether it can be moved.

    Returns:
        Where it is.
    """
    element = f"upload.crop.{key}"

    def keep() -> None:
        st.session_state.setdefault(PLACES, {})[key] = sound_place(st.session_state[element].place, *zooms)

    place = place_of(key, *zooms) or first
    data = {
        "key": key,
        "source": data_url(remembered((picture.key, "preview"), partial(picture.use, preview))),
        "width": size[0],
        "height": size[1],
        "place": place and list(place),
        "first": first and list(first),
        "least": zooms[0],
        "most": zooms[1],
        "alt": alt,
    }
    _mount(key=element, data=data, on_place_change=keep if moves else nothing)
    return place


def zooms_of(ready: Prepared) -> tuple[float, float]:
    """Return the least and the most zoom of the square.

    At most it has the detector's own size, but never less zoom than its preprocessing; one of the picture's own pixels
    has one size only.
    """
    steps = ready.preprocessing
    most = max(steps.first_zoom(ready.height, ready.width), min(ready.width, ready.height) / steps.size)
    return most if steps.native else 1.0, most


def place_of(key: str, least: float, most: float) -> Location | None:
    """Return where a square was put, within limits of its zoom; None where nobody moved it."""
    return sound_place(st.session_state.get(PLACES, {}).get(key), least, most)


def sound_place(value: Any, least: float, most: float) -> Location | None:
    """Check a place sent by a browser and clip it to its limits; None for anything else."""
    try:
        place = np.array(value, float)
    except (TypeError, ValueError, OverflowError):
        return None
    if place.shape != (3,) or not np.isfinite(place).all():
        return None
    return Location(*np.clip(place, (0, 0, least), (1, 1, most)).tolist())


def in_turn(work: Callable[[], T]) -> T:
    """Do work that decodes, once nobody else does; raises what it raises."""
    with _one_at_a_time:
        return work()


class Version(NamedTuple):
    """A picture as it is, or changed.

    Attributes:
        pixels: uint8 (height, width, 3).
        sha256: of them.
        small: its preview, uint8.
    """

    pixels: Pixels
    sha256: str
    small: Pixels


def draw_whole(picture: Picture, detector: DetectorHandle) -> None:
    """Draw the map of a whole picture, what can be done to it, and the map of what comes of that.

    Nothing is drawn where the detector has no scores of parts.
    """
    if Capability.PATCH_SCORES not in detector.about.capabilities:
        return
    st.subheader("Where its score comes from", anchor=False)
    changes = [name for name in CHANGES if name != PASTE or find_photograph() is not None]
    change = CHANGE.choose("What happens to it", options=changes)
    shown = [("upload.whole", "As it is", version_of(picture, ""))]
    if change:
        where = choose_place(picture) if change == PASTE else None
        shown.append(("upload.changed", CHANGES[change], version_of(picture, change, where)))

    def statuses() -> list[JobStatus]:
        return [
            ask(detector, version.pixels[None], "whole", slot=slot, sha256=version.sha256) for slot, _, version in shown
        ]

    def draw(asked: list[JobStatus]) -> None:
        opacity = st.slider("Opacity of the map", 0, 100, 70, format="%d %%", key=OPACITY, width=330) / 100
        scale = full_colour(asked)
        # one that is alone is drawn as large as one of two: nothing moves when the other comes
        for column, (slot, title, version), status in zip(st.columns(2), shown, asked, strict=False):
            with column:
                draw_version(title, version, status, opacity=opacity, scale=scale)
                draw_status(status, slot, "Part by part")
        st.caption(
            "Exact: the score is the mean of the local scores that are drawn, nothing is estimated. Below 0 speaks for "
            "FAKE (orange), above for REAL (blue). Both maps have one scale."
        )

    poll(statuses, draw, any_busy)


def draw_version(title: str, version: Version, status: JobStatus, *, opacity: float, scale: float) -> None:
    """Draw one version with its map, as far as that is computed, and its score."""
    drawn = version.small
    score = "not computed yet"
    if status.answer is not None:
        drawn = overlay(drawn, status.answer.scores / scale, opacity)
        score = f"score **{plus(status.answer.margin)}**{' so far' if status.busy else ''}"
        side = "REAL" if status.answer.margin > 0 else "FAKE"
        score += f", the side of {CLASS_WORDS[side]}"
    st.image(drawn, alt=f"{title}, with the exact map over it", width="stretch")
    st.markdown(f"**{title}**: {score}")


def choose_place(picture: Picture) -> Location:
    """Draw the picture with the square that a photograph is pasted into, which is dragged; return where it is."""
    photograph = find_photograph()
    assert photograph is not None  # noqa: S101 - else pasting is not offered
    height, width = picture.use(np.shape)[:2]
    zoom = min(height, width) / picture.use(partial(pasted_side, other=photograph))
    first = Location(zoom=zoom)
    alt = f"{picture.name} with the square that the photograph is pasted into"
    key = f"{picture.key}.paste"
    return draw_square(picture, key, (width, height), first=first, zooms=(zoom, zoom), alt=alt) or first


# up to 60 MB each
@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs={Picture: attrgetter("key")})
def version_of(picture: Picture, change: str, where: Location | None = None) -> Version:
    """Return a picture after one of `CHANGES`, "" for none, `PASTE` at a place."""

    def make(pixels: Pixels) -> Version:
        photograph = find_photograph()
        if where is not None and photograph is not None:
            pixels = pasted(pixels, photograph, where.x, where.y)
        elif change in APPLY:
            pixels = APPLY[change](pixels)
        return Version(pixels, pixels_sha256(pixels), preview(pixels))

    return picture.use(make)


def full_colour(statuses: list[JobStatus]) -> float:
    """Return the size of a local score that is drawn in full colour, for all maps together."""
    scores = [np.abs(status.answer.scores).ravel() for status in statuses if status.answer is not None]
    sizes = np.concatenate(scores or [np.ones(1)])
    return max(float(np.nanquantile(sizes, FULL)), 1e-6)


def overlay(picture: Pixels, shares: Floats, opacity: float) -> Pixels:
    """Lay a map over the grey picture: its class's colour, the denser the stronger; nothing where the map is NaN.

    Args:
        picture: uint8 (height, width, 3).
        shares: float (h, w), 1 or more in size for full colour, above 0 for REAL.
        opacity: of full colour, 0 to 1.
    """
    height, width = picture.shape[:2]
    known = np.nan_to_num(np.clip(shares, -1, 1)).astype(np.float32)
    large = np.asarray(Image.fromarray(known).resize((width, height), Image.Resampling.BILINEAR))[..., None]
    colours = np.where(large > 0, rgb(CLASS_COLOURS["REAL"]), rgb(CLASS_COLOURS["FAKE"]))
    weight = opacity * np.abs(large)
    return np.asarray(np.rint(grey_picture(picture) * (1 - weight) + colours * weight), np.uint8)
