"""Post-processing ("deliveries"): what whole pictures undergo between creation and upload, such as JPEG compression.

Needs no torch.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from core.arrays import Pixels
from core.images.decoding import RESAMPLING, WHOLE
from core.images.encoding import jpeg, saved
from core.images.preprocessing import Location, Preprocessing, take_window

# the filters of browsers, editors and image libraries; "nearest" is for pixel art
FILTERS = ("box", "bilinear", "bicubic", "lanczos")
# of the width and of the height that a crop keeps
SHARE = 0.9
# a desktop's screen, and the zoom that laptops are sold with
SCREEN = (1920, 1080)
ZOOM = 1.25
# what messengers send unless asked for the original
LONGEST = 1600
QUALITY = 80
# pixels of a picture that is delivered as it is, unless a detector reads its own pixels
MOST_PIXELS = 6_000_000
# the longest side that a WebP can have
WEBP_SIDE = 16_383


@dataclass(frozen=True)
class Delivery:
    """One kind of processing that a whole picture may undergo before someone sees it.

    Attributes:
        name: for tables and files, such as "jpeg_75".
        title: for readers, such as "JPEG 75".
        apply: uint8 (height, width, 3) in, uint8 (height', width', 3) out; the input is not changed.
        crops: it cuts off the border and leaves the rest as it was.
    """

    name: str
    title: str
    apply: Callable[[Pixels], Pixels]
    crops: bool = False

    @property
    def column(self) -> str:
        """The column that holds margins after it."""
        return f"{self.name}_margin"


def scaled(picture: Pixels, factor: float, filter_: str) -> Pixels:
    """Scale uint8 (height, width, 3) by a factor above 0 with one of `RESAMPLING`'s filters."""
    height, width = picture.shape[:2]
    size = max(1, round(factor * width)), max(1, round(factor * height))
    return np.asarray(Image.fromarray(picture).resize(size, RESAMPLING[filter_]))


def cropped(picture: Pixels) -> Pixels:
    """Keep the middle 90 % of the width and of the height of uint8 (height, width, 3)."""
    height, width = picture.shape[:2]
    high = max(1, round(SHARE * height))
    wide = max(1, round(SHARE * width))
    top = (height - high) // 2
    left = (width - wide) // 2
    return picture[top : top + high, left : left + wide]


def screenshot(picture: Pixels) -> Pixels:
    """Scale uint8 (height, width, 3) as a screenshot of it does: to 125%, or less if it would not fit on the screen."""
    height, width = picture.shape[:2]
    factor = min(ZOOM, SCREEN[0] / width, SCREEN[1] / height)
    return scaled(picture, factor, "bilinear")


def messenger(picture: Pixels) -> Pixels:
    """Make the longer side of uint8 (height, width, 3) at most 1,600 pixels and save as JPEG of quality 80."""
    factor = LONGEST / max(picture.shape[:2])
    if factor < 1:
        picture = scaled(picture, factor, "bilinear")
    return jpeg(picture, QUALITY)


def pasted_side(picture: Pixels, other: Pixels) -> int:
    """Return the pixels along each side of what is pasted of another picture: half of what both are high and wide."""
    return max(1, min(*picture.shape[:2], *other.shape[:2]) // 2)


def pasted(picture: Pixels, other: Pixels, x: float = 0.5, y: float = 0.5) -> Pixels:
    """Paste a square of another picture's own pixels, its centre, into a picture.

    Args:
        picture: uint8 (height, width, 3).
        other: uint8 (height', width', 3).
        x, y: where, from 0 (at the left or top edge) to 1 (at the right or bottom edge).
    """
    side = pasted_side(picture, other)
    top = round(y * (picture.shape[0] - side))
    left = round(x * (picture.shape[1] - side))
    changed = picture.copy()
    changed[top : top + side, left : left + side] = take_window(other, side)
    return changed


# in the order in which they are shown
DELIVERIES = (
    *(Delivery(f"jpeg_{quality}", f"JPEG {quality}", partial(jpeg, quality=quality)) for quality in (95, 85, 75, 50)),
    # the encoder's fastest method: the others make smaller files, but take seconds for a phone's photo
    Delivery("webp_80", "WebP 80", partial(saved, kind="WEBP", quality=80, method=0)),
    # lossless: no pixel changes, so any difference that it shows is due to chance
    Delivery("png", "PNG", partial(saved, kind="PNG", compress_level=0)),
    *(
        Delivery(
            f"scale_{round(100 * factor)}_{name}", f"{factor:.0%} {name}", partial(scaled, factor=factor, filter_=name)
        )
        for factor in (0.75, 0.5)
        for name in FILTERS
    ),
    Delivery("crop_90", "Crop to 90%", cropped, crops=True),
    Delivery("screenshot", "Screenshot", screenshot),
    Delivery("messenger", "Messenger", messenger),
)


class Delivered(NamedTuple):
    """A picture after one delivery.

    Attributes:
        delivery: the delivery.
        pixels: uint8 (side, side, 3), the detector's input.
        fits: False where the delivered picture, unlike the original, has to be enlarged to the detector's input; its
            verdict then says nothing about the original.
    """

    delivery: Delivery
    pixels: Pixels
    fits: bool


def deliver(
    picture: Pixels,
    preprocessing: Preprocessing,
    location: Location | None = None,
    *,
    among: Iterable[Delivery] = DELIVERIES,
) -> Iterator[Delivered]:
    """Apply each delivery to the picture, independently of the others.

    Encoders take up to 20 bytes per pixel, so a picture of more than 6 million pixels, or longer than WebP allows, is
    first halved, repeatedly if need be, by averaging 2 x 2 pixels as the delivery "50% box" does; of a detector that
    reads a picture's own pixels, none that was decoded whole.

    Args:
        picture: uint8 (height, width, 3), the whole picture as it was decoded.
        preprocessing: the detector's.
        location: of the square to use; None for the one that the preprocessing takes. What only crops leaves a chosen
            square as it is, so it is left out.
        among: the deliveries.
    """
    # where the original has to be enlarged too, no delivery is marked as too small
    enlarged = preprocessing.enlarges(picture.shape[0], picture.shape[1], location)
    most = WHOLE if preprocessing.native else MOST_PIXELS
    while picture.shape[0] * picture.shape[1] > most or max(picture.shape[:2]) > WEBP_SIDE:
        picture = halved(picture)
    for delivery in among:
        if location is None or not delivery.crops:
            sent = delivery.apply(picture)
            fits = enlarged or not preprocessing.enlarges(sent.shape[0], sent.shape[1], location)
            yield Delivered(delivery, np.ascontiguousarray(preprocessing.fit(sent, location)), fits)


def halved(picture: Pixels) -> Pixels:
    """Halve uint8 (height, width, 3) by averaging 2 x 2 pixels; an odd row or column is dropped, a side of 1 stays."""
    height, width = picture.shape[:2]
    # a line of pixels has no second row or column to average
    down = min(2, height)
    right = min(2, width)
    whole = (0, 0, width - width % right, height - height % down)
    return np.asarray(Image.fromarray(picture).reduce((right, down), whole))
