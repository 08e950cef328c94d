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
    """What one delivery makes of a picture.

    Attributes:
        delivery: which.
        pixels: uint8 (side, side, 3), what the detector is given.
        fits: False where the delivery leaves fewer pixels than the detector reads: they are enlarged then, which is
            another picture to it, and what it says says nothing of the first.
    """

    delivery: Delivery
    pixels: NDArray[np.uint8]
    fits: bool


def seeing(
    preprocessing: Preprocessing, place: Place | None = None
) -> Callable[[Picture], tuple[NDArray[np.uint8], bool]]:
    """Return what a detector sees of a picture, and whether that is not enlarged.

    Args:
        preprocessing: the detector's.
        place: of the square that it sees; None for what its preprocessing takes.
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
    """Send a picture through deliveries, one after the other.

    Encoders take up to 20 bytes a pixel, so one of more than 6 million pixels, or longer than any WebP, is halved
    first, more than once if need be, by the mean of each four pixels, which is what the delivery "50% box" does.

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
        # of a picture that is enlarged anyway, no delivery is worse than it
        yield Delivered(delivery, pixels, fits or enlarged)


def halved(picture: Picture) -> Picture:
    """Return the mean of each two by two pixels of uint8 (height, width, 3); an odd row or column is left out."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    small = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):
        strip = picture[2 * top : 2 * min(top + STRIP, height), : 2 * width]
        four = strip.reshape(-1, 2, width, 2, 3).sum(axis=(1, 3), dtype=np.uint16)
        small[top : top + STRIP] = (four + 2) // 4
    return small
