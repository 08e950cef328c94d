"""An image of any size as the detector sees it, under every resampling filter. Needs no torch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.images.decoding import RESAMPLING, crop_square, resize

DEFAULT_FILTER = "bicubic"
PREVIEW = 480
Outcome = Literal["FAKE", "REAL", "undetermined"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image prepared for the detector.

    Attributes:
        width, height: of the original image.
        filters: names of the resampling filters; only one where the crop has the detector's size already.
        pixels: uint8 (K, side, side, 3), the square crop under each filter.
        preview: uint8 (h, w, 3), the whole image, at most 480 pixels a side.
    """

    width: int
    height: int
    filters: tuple[str, ...]
    pixels: NDArray[np.uint8]
    preview: NDArray[np.uint8]

    @property
    def side(self) -> int:
        """Pixels along each side of the detector's input."""
        return int(self.pixels.shape[1])

    @property
    def resized(self) -> bool:
        """True where the crop was resized, so that the filter matters."""
        return len(self.filters) > 1

    @property
    def whole(self) -> bool:
        """True where the detector sees the original image, neither cropped nor resized."""
        return (self.width, self.height) == (self.side, self.side)

    def seen(self, name: str) -> NDArray[np.uint8]:
        """Return uint8 (side, side, 3) under the named filter, or under the only one."""
        return np.asarray(self.pixels[self.filters.index(name) if name in self.filters else 0])


def prepare_pixels(
    image: NDArray[np.uint8], side: int, *, x: float = 0.5, y: float = 0.5, zoom: float = 1.0
) -> Prepared:
    """Crop a square from an image and resize it under every filter.

    Args:
        image: uint8 (height, width, 3).
        side: of the detector's input, in pixels.
        x, y: position of the square, 0 to 1 from the left and from the top.
        zoom: the image's shorter side / the side of the square, at least 1.
    """
    height, width = image.shape[:2]
    crop = crop_square(image, x=x, y=y, zoom=zoom)
    if crop.shape[:2] == (side, side):
        filters: tuple[str, ...] = (DEFAULT_FILTER,)
        pixels = np.ascontiguousarray(crop)[None]
    else:
        filters = tuple(RESAMPLING)
        pixels = np.stack([resize(crop, side, resampling=name) for name in filters])
    return Prepared(width, height, filters, pixels, _preview(image))


def settle(margins: NDArray[np.floating]) -> Outcome:
    """Return the verdict that all filters agree on, or "undetermined"; `margins` is (K,), one per filter."""
    if (margins > 0).all():
        return "REAL"
    return "FAKE" if (margins <= 0).all() else "undetermined"


def _preview(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    step = max(1, -(-max(image.shape[:2]) // PREVIEW))
    return np.ascontiguousarray(image[::step, ::step])
