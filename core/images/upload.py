"""An image of any size as the detector sees it, under every resampling filter. Needs no torch."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.images.decoding import RESAMPLING
from core.images.preprocessing import Place, Preprocessing

PREVIEW = 480
Outcome = Literal["FAKE", "REAL", "undetermined"]
UNDETERMINED: Outcome = "undetermined"


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image prepared for the detector.

    Attributes:
        preprocessing: the detector's.
        width, height: of the original image.
        place: of the square that somebody chose; None where the detector's own preprocessing chooses.
        filters: names of the resampling filters; only the detector's own where nothing is resized.
        pixels: uint8 (K, side, side, 3), under each filter.
        preview: uint8 (h, w, 3), the whole image, at most 480 pixels a side.
    """

    preprocessing: Preprocessing
    width: int
    height: int
    place: Place | None
    filters: tuple[str, ...]
    pixels: NDArray[np.uint8]
    preview: NDArray[np.uint8]

    @property
    def side(self) -> int:
        """Pixels along each side of the detector's input."""
        return self.preprocessing.size

    @property
    def usual(self) -> str:
        """The detector's own filter."""
        return self.preprocessing.interpolation

    @property
    def square(self) -> int:
        """Side, in pixels of the image, of the square that became the input; the shorter side if it was stretched."""
        return self.preprocessing.square(self.height, self.width, self.place)

    @property
    def resized(self) -> bool:
        """True where it was resized, so that the filter matters."""
        return len(self.filters) > 1

    @property
    def stretched(self) -> bool:
        """True where a whole image that is not square was stretched to the detector's square input."""
        return self.place is None and self.preprocessing.crop == "none" and self.width != self.height

    @property
    def whole(self) -> bool:
        """True where the detector sees the original image by itself, neither cropped nor resized."""
        return self.place is None and (self.width, self.height) == (self.side, self.side) and not self.resized

    def seen(self, name: str) -> NDArray[np.uint8]:
        """Return uint8 (side, side, 3) under the named filter, or under the only one."""
        return np.asarray(self.pixels[self.filters.index(name) if name in self.filters else 0])

    def told(self, name: str) -> str:
        """Say in a sentence how the image became the detector's input under the named filter; "" if it is unchanged."""
        if self.whole:
            return ""
        size = f"{self.side} x {self.side}"
        if self.stretched:
            return f"The image was stretched to {size} pixels ({name})."
        if self.square == self.width == self.height:
            return f"The image was resized to {size} ({name})." if self.resized else "The image was taken as it is."
        how = f"and resized to {size} ({name})" if self.resized else f"of {size} pixels and not resized"
        return f"The image was cut to a square {how}."


def prepare_pixels(image: NDArray[np.uint8], preprocessing: Preprocessing, place: Place | None = None) -> Prepared:
    """Make a detector's pixels of an image under every filter.

    Args:
        image: uint8 (height, width, 3).
        preprocessing: the detector's, but for its filter.
        place: of the square that it sees; None for what its preprocessing takes.
    """
    height, width = image.shape[:2]
    filters = tuple(RESAMPLING) if preprocessing.resamples(height, width, place) else (preprocessing.interpolation,)
    pixels = np.stack([replace(preprocessing, interpolation=name).see(image, place) for name in filters])
    return Prepared(preprocessing, width, height, place, filters, pixels, _preview(image))


def settle(margins: NDArray[np.floating]) -> Outcome:
    """Return the verdict that all filters agree on, or "undetermined"; `margins` is (K,), one per filter."""
    if (margins > 0).all():
        return "REAL"
    return "FAKE" if (margins <= 0).all() else UNDETERMINED


def _preview(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = max(1, -(-max(image.shape[:2]) // PREVIEW))
    return np.ascontiguousarray(image[::step, ::step])
