"""A picture under every delivery, as a detector sees it. Needs no torch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.edits.delivery.delivery import Delivery, Picture
from core.edits.delivery.registry import deliveries
from core.images.decoding import crop_square, resize

# pixels of a picture that is delivered as it is
MOST = 6_000_000
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


def see_square(
    side: int, *, x: float = 0.5, y: float = 0.5, zoom: float = 1.0, resampling: str = "bicubic"
) -> Callable[[Picture], tuple[NDArray[np.uint8], bool]]:
    """Return what a detector of `side` pixels sees of a square of a picture, and whether that is not enlarged.

    Args:
        side: of the detector's input.
        x, y, zoom: of the square, see `core.images.decoding.crop_square`.
        resampling: a key of `RESAMPLING`.
    """

    def see(picture: Picture) -> tuple[NDArray[np.uint8], bool]:
        square = crop_square(picture, x=x, y=y, zoom=zoom)
        if len(square) == side:
            return np.ascontiguousarray(square), True
        return resize(square, side, resampling=resampling), len(square) > side

    return see


def deliver(
    picture: Picture,
    see: Callable[[Picture], tuple[NDArray[np.uint8], bool]],
    *,
    among: Sequence[Delivery] | None = None,
) -> Iterator[Delivered]:
    """Send a picture through deliveries, one after the other.

    Encoders take up to 20 bytes a pixel, so one of more than 6 million pixels is halved first, more than once if need
    be, by the mean of each four pixels, which is what the delivery "50% box" does.

    Args:
        picture: uint8 (height, width, 3), the whole picture as it was decoded.
        see: from `see_square`: how a delivered picture becomes the detector's pixels.
        among: the deliveries; all when None.
    """
    enlarged = not see(picture)[1]
    while picture.shape[0] * picture.shape[1] > MOST:
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
