"""A picture under every delivery, as a detector sees it. Needs no torch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.detectors.preprocessing import Place, Preprocessing
from core.edits.delivery.delivery import Delivery, Picture
from core.edits.delivery.registry import deliveries

# pixels of a picture that is delivered as it is
MOST = 6_000_000
# the longest side that a WebP can have
WEBP_SIDE = 16_383
STRIP = 128


@dataclass(frozen=True, eq=False)
class Delivered:
    """A picture after one delivery.

    Attributes:
        delivery: the delivery.
        pixels: uint8 (side, side, 3), the detector's input.
        fits: False where the delivered picture, unlike the original, has to be enlarged to the detector's input; its
            verdict then says nothing about the original.
    """

    delivery: Delivery
    pixels: NDArray[np.uint8]
    fits: bool


def seeing(
    preprocessing: Preprocessing, place: Place | None = None
) -> Callable[[Picture], tuple[NDArray[np.uint8], bool]]:
    """Return a function from a picture to a detector's input and whether that was made without enlarging.

    Args:
        preprocessing: the detector's.
        place: of the square to use; None for the one that the preprocessing takes.
    """

    def see(picture: Picture) -> tuple[NDArray[np.uint8], bool]:
        height, width = picture.shape[:2]
        enlarged = preprocessing.enlarges(height, width, place)
        return np.ascontiguousarray(preprocessing.see(picture, place)), not enlarged

    return see


def deliver(
    picture: Picture,
    see: Callable[[Picture], tuple[NDArray[np.uint8], bool]],
    *,
    among: Sequence[Delivery] | None = None,
) -> Iterator[Delivered]:
    """Apply each delivery to the picture, independently of the others.

    Encoders take up to 20 bytes per pixel, so a picture of more than 6 million pixels, or longer than WebP allows, is
    first halved, repeatedly if need be, by averaging 2 x 2 pixels as the delivery "50% box" does.

    Args:
        picture: uint8 (height, width, 3), the whole picture as it was decoded.
        see: from `seeing`: how a delivered picture becomes the detector's pixels.
        among: the deliveries; all when None.
    """
    enlarged = not see(picture)[1]
    while picture.shape[0] * picture.shape[1] > MOST or max(picture.shape[:2]) > WEBP_SIDE:
        picture = halved(picture)
    for delivery in deliveries() if among is None else among:
        pixels, fits = see(delivery.apply(picture))
        # where the original has to be enlarged too, no delivery is marked as too small
        yield Delivered(delivery, pixels, fits or enlarged)


def halved(picture: Picture) -> Picture:
    """Halve uint8 (height, width, 3) by averaging 2 x 2 pixels; an odd row or column is dropped, a side of 1 stays."""
    if 1 in picture.shape[:2]:
        # a line of pixels has no second row or column to average
        picture = np.repeat(picture, 2, axis=picture.shape.index(1))
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    small = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):
        strip = picture[2 * top : 2 * min(top + STRIP, height), : 2 * width]
        four = strip.reshape(-1, 2, width, 2, 3).sum(axis=(1, 3), dtype=np.uint16)
        small[top : top + STRIP] = (four + 2) // 4
    return small
