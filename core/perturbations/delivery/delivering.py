"""A picture under every delivery, as a detector sees it. Needs no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.images.preprocessing import Place, Preprocessing
from core.perturbations.delivery.delivery import Delivery, Picture
from core.perturbations.delivery.registry import deliveries

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
        fits: False where the delivered picture, unlike the original, has to be enlarged to the detector's input, or
            has lost too much of the chosen square; its verdict then says nothing about the original.
    """

    delivery: Delivery
    pixels: NDArray[np.uint8]
    fits: bool


class View(NamedTuple):
    """What a detector sees of a picture.

    Attributes:
        pixels: uint8 (side, side, 3), its input.
        enlarged: True where the picture, or the chosen square, is smaller than that.
        whole: False where a crop has taken the chosen square away, or much of it, and the pixels are of another.
    """

    pixels: NDArray[np.uint8]
    enlarged: bool
    whole: bool = True


class See(Protocol):
    """How a picture becomes a detector's pixels."""

    def __call__(self, picture: Picture, uncropped: tuple[int, int] | None = None) -> View:
        """Make the detector's input.

        Args:
            picture: uint8 (height, width, 3).
            uncropped: its height and width before a delivery cut off its border; None where none did.
        """
        ...


def seeing(preprocessing: Preprocessing, place: Place | None = None) -> See:
    """Return how a detector sees a picture.

    Args:
        preprocessing: the detector's.
        place: of the square to use; None for the one that the preprocessing takes.
    """

    def see(picture: Picture, uncropped: tuple[int, int] | None = None) -> View:
        height, width = picture.shape[:2]
        here, whole = place, True
        if place is not None and uncropped is not None:
            left = place.after_crop(uncropped, (height, width))
            here, whole = left or place, left is not None
        pixels = np.ascontiguousarray(preprocessing.see(picture, here))
        return View(pixels, preprocessing.enlarges(height, width, here), whole)

    return see


def deliver(
    picture: Picture,
    see: See,
    *,
    among: Sequence[Delivery] | None = None,
) -> Iterator[Delivered]:
    """Apply each delivery to the picture, independently of the others.

    Encoders take up to 20 bytes per pixel, so a picture of more than 6 million pixels, or longer than WebP allows, is
    first halved, repeatedly if need be, by averaging 2 x 2 pixels as the delivery "50% box" does.

    Args:
        picture: uint8 (height, width, 3), the whole picture as it was decoded.
        see: from `seeing`.
        among: the deliveries; all when None.
    """
    enlarged = see(picture).enlarged
    while picture.shape[0] * picture.shape[1] > MOST or max(picture.shape[:2]) > WEBP_SIDE:
        picture = halved(picture)
    for delivery in deliveries() if among is None else among:
        seen = see(delivery.apply(picture), picture.shape[:2] if delivery.crops else None)
        # where the original has to be enlarged too, no delivery is marked as too small
        yield Delivered(delivery, seen.pixels, seen.whole and (enlarged or not seen.enlarged))


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
