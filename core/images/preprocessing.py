"""Preprocessing as data: from an image of any size to a detector's square input. Needs no torch."""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from core.arrays import Floats, Pixels, Record
from core.images.decoding import RESAMPLING
from core.images.labels import CROPS, Crop

Channels = tuple[float, float, float]
Outcome = Literal["FAKE", "REAL", "undetermined"]
UNDETERMINED: Outcome = "undetermined"
SIDES = range(8, 1025)
# pixels of the longer side of a preview
PREVIEW = 640
# pixels of an image after it was resized and before it is cropped: a strip of 16,384 x 8 would become gigabytes
MOST_RESIZED = 2**23


class Location(NamedTuple):
    """A square that the user chose in an image.

    Attributes:
        x, y: its position, from 0 (at the left or top edge) to 1 (at the right or bottom edge).
        zoom: the image's shorter side divided by the side of the square, at least 1.
    """

    x: float = 0.5
    y: float = 0.5
    zoom: float = 1.0

    def side(self, height: int, width: int) -> int:
        """Return the side of the square in image pixels."""
        return max(1, round(min(height, width) / max(1.0, self.zoom)))


@dataclass(frozen=True)
class Preprocessing:
    """The steps from an image to a network's input.

    Attributes:
        size: pixels along each side of the network's input, 8 to 1,024.
        resize: shorter side after resizing, if `crop` is "after" or "after_floor"; otherwise `size`. 0 means `size`.
        crop: "before" crops the central square and resizes it, "before_fit" does the same but without rounding where
            it lies to a pixel (like Pillow's `ImageOps.fit`), "after" resizes and then crops the centre (like
            torchvision's `Resize` and `CenterCrop`), "after_floor" does the same but rounds the crop's offset down
            (like transformers), "none" stretches the image to a square, "native" takes a window of the image's own
            pixels, without resizing, and black around an image that is smaller (like torchvision's `CenterCrop` alone).
        interpolation: a key of `RESAMPLING`.
        mean, std: per channel, of pixels scaled to 0..1, for normalisation.
    """

    size: int
    resize: int = 0
    crop: Crop = "before"
    interpolation: str = "bicubic"
    mean: Channels = (0.0, 0.0, 0.0)
    std: Channels = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if not self.resize:
            object.__setattr__(self, "resize", self.size)
        if self.size not in SIDES:
            raise ValueError(f"size must be {SIDES[0]} to {SIDES[-1]} pixels, not {self.size}")
        if self.crop not in CROPS:
            raise ValueError(f"crop must be one of {', '.join(CROPS)}, not {self.crop!r}")
        if self.resize != self.size and (
            not self.crop.startswith("after") or not self.size < self.resize <= 2 * SIDES[-1]
        ):
            raise ValueError(f"resize cannot be {self.resize} with size {self.size} and crop {self.crop!r}")
        if self.interpolation not in RESAMPLING:
            raise ValueError(f"interpolation must be one of {', '.join(RESAMPLING)}, not {self.interpolation!r}")
        values = (*self.mean, *self.std)
        if len(self.mean) != 3 or len(self.std) != 3 or not all(map(math.isfinite, values)) or min(self.std) <= 0:
            raise ValueError("mean and std must be three finite numbers each, and no std may be 0 or less")

    @classmethod
    def of(cls, fields: Record) -> "Preprocessing":
        """Restore one from what `asdict` made of it.

        Raises:
            ValueError: a field is missing or impossible.
        """
        try:
            size = fields["size"]
            resize = fields["resize"]
            if {type(size), type(resize)} != {int}:
                raise ValueError("size and resize must be whole numbers")
            mean = tuple(map(float, fields["mean"]))
            std = tuple(map(float, fields["std"]))
            return cls(size, resize, fields["crop"], fields["interpolation"], mean, std)  # type: ignore[arg-type]
        except KeyError as error:
            raise ValueError(f"preprocessing lacks {error}") from None
        except (TypeError, OverflowError) as error:
            raise ValueError(f"preprocessing has a value of the wrong type ({error})") from None

    @property
    def steps(self) -> str:
        """The steps of `fit`, in a line."""
        return f"{self.crop} {self.resize} {self.size} {self.interpolation}"

    @property
    def fitted(self) -> "Preprocessing":
        """The preprocessing for images that `fit` has already been applied to: same normalisation, no resizing."""
        return Preprocessing(self.size, interpolation=self.interpolation, mean=self.mean, std=self.std)

    @property
    def native(self) -> bool:
        """True where nothing is resized."""
        return self.crop == "native"

    def first_zoom(self, height: int, width: int) -> float:
        """Return the zoom of a `Location` whose square is as large as the one that `fit` takes by itself."""
        if self.native:
            return max(1.0, min(height, width) / self.size)
        return self.resize / self.size

    def square(self, height: int, width: int, location: Location | None = None) -> int:
        """Return the side in image pixels of the square that becomes the input; the shorter side if `fit` stretches."""
        if self.native:
            return self.size
        return (location or Location(zoom=self.first_zoom(height, width))).side(height, width)

    def resamples(self, height: int, width: int, location: Location | None = None) -> bool:
        """Check whether an image of this size is resized, so that the interpolation matters."""
        if location is not None or self.native:
            return self.square(height, width, location) != self.size
        if self.crop == "none":
            return (height, width) != (self.size, self.size)
        return min(height, width) != self.resize

    def enlarges(self, height: int, width: int, location: Location | None = None) -> bool:
        """Check whether the shorter side of an image, or of the chosen square, is enlarged or padded for the input."""
        if location is not None:
            return self.square(height, width, location) < self.size
        return min(height, width) < self.resize

    def fit(self, image: Pixels, location: Location | None = None) -> Pixels:
        """Resize and crop an image to the network's input; normalisation is not included.

        Args:
            image: uint8 (height, width, 3).
            location: of the square that the user chose, which `crop` would choose otherwise.

        Returns:
            uint8 (size, size, 3).
        """
        height, width = image.shape[:2]
        square = (self.size, self.size)
        if location is None and (height, width) == square and self.resize == self.size:
            return image
        if self.native:
            return take_window(image, self.size, location)
        method = RESAMPLING[self.interpolation]
        if location is not None or self.crop == "before":
            part = take_window(image, self.square(height, width, location), location)
            return np.asarray(Image.fromarray(part).resize(square, method))
        if self.crop == "before_fit":
            return np.asarray(ImageOps.fit(Image.fromarray(image), square, method))
        if self.crop == "none":
            return np.asarray(Image.fromarray(image).resize(square, method))
        shorter = min(height, width)
        # longer ones lose their ends first
        most = shorter * max(4, MOST_RESIZED // self.resize**2)
        rows, columns = (slice(max(0, side - most) // 2, (side + min(side, most) + 1) // 2) for side in (height, width))
        image = image[rows, columns]
        height, width = image.shape[:2]
        # the rounding of torchvision
        wide = int(self.resize * width / shorter)
        high = int(self.resize * height / shorter)
        resized = Image.fromarray(image).resize((wide, high), method)
        halve = math.floor if self.crop == "after_floor" else round
        left = halve((wide - self.size) / 2)
        top = halve((high - self.size) / 2)
        return np.asarray(resized)[top : top + self.size, left : left + self.size]


def take_window(image: Pixels, side: int, location: Location | None = None) -> Pixels:
    """Cut a square of an image's own pixels out, the image being laid on black where it is smaller.

    Args:
        image: uint8 (height, width, 3).
        side: of the square in pixels.
        location: its position, whatever the zoom; the middle when None.

    Returns:
        uint8 (side, side, 3).
    """
    x, y, _ = location or Location()
    height, width = image.shape[:2]
    top = round(max(0, height - side) * y)
    left = round(max(0, width - side) * x)
    part = image[top : top + side, left : left + side]
    below = side - len(part)
    behind = side - part.shape[1]
    # also where nothing is added a copy, because a view would keep all of the image in memory
    return np.pad(part, ((below // 2, below - below // 2), (behind // 2, behind - behind // 2), (0, 0)))


@dataclass(frozen=True, eq=False)
class Prepared:
    """An image prepared for the detector.

    Attributes:
        preprocessing: the detector's.
        width, height: of the original image.
        location: of the square that somebody chose; None where the detector's own preprocessing chooses.
        filters: names of the resampling filters; only the detector's own where nothing is resized.
        pixels: uint8 (K, side, side, 3), under each filter.
    """

    preprocessing: Preprocessing
    width: int
    height: int
    location: Location | None
    filters: tuple[str, ...]
    pixels: Pixels

    @property
    def usual(self) -> str:
        """The detector's own filter."""
        return self.preprocessing.interpolation

    @property
    def resized(self) -> bool:
        """True where it was resized, so that the filter matters."""
        return len(self.filters) > 1

    @property
    def stretched(self) -> bool:
        """True where a whole image that is not square was stretched to the detector's square input."""
        return self.location is None and self.preprocessing.crop == "none" and self.width != self.height

    @property
    def whole(self) -> bool:
        """True where the detector sees the original image by itself, neither cropped nor resized."""
        return self.location is None and self.width == self.height == self.preprocessing.size and not self.resized

    def seen(self, name: str) -> Pixels:
        """Return uint8 (side, side, 3) under the named filter, or under the only one."""
        return self.pixels[self.filters.index(name) if name in self.filters else 0]

    def describe(self, name: str) -> str:
        """Describe how the image became the detector's input under the named filter; "" if it is unchanged."""
        side = self.preprocessing.size
        height = self.height
        width = self.width
        if self.preprocessing.native and not self.whole:
            padded = ", black where the image is smaller" if min(height, width) < side else ""
            return f"The detector sees {side} x {side} of the image's own pixels, without resizing{padded}."
        steps = []
        if not self.stretched and not self.preprocessing.square(height, width, self.location) == width == height:
            steps.append("cut to a square")
        if self.resized:
            change = "stretched" if self.stretched else "resized"
            steps.append(f"{change} to {side} x {side} ({name})")
        return f"The image was {' and '.join(steps)}." if steps else ""


def prepare_pixels(image: Pixels, preprocessing: Preprocessing, location: Location | None = None) -> Prepared:
    """Make a detector's pixels of an image under every filter.

    Args:
        image: uint8 (height, width, 3).
        preprocessing: the detector's, but for its filter.
        location: of the square that it sees; None for what its preprocessing takes.
    """
    height, width = image.shape[:2]
    filters: tuple[str, ...] = (preprocessing.interpolation,)
    if preprocessing.resamples(height, width, location):
        filters = tuple(RESAMPLING)
    pixels = np.stack([replace(preprocessing, interpolation=name).fit(image, location) for name in filters])
    return Prepared(preprocessing, width, height, location, filters, pixels)


def settle(margins: Floats) -> Outcome:
    """Return the verdict that all filters agree on, or "undetermined"; `margins` is (K,), one per filter."""
    if (margins > 0).all():
        return "REAL"
    return "FAKE" if (margins <= 0).all() else UNDETERMINED


def preview(image: Pixels) -> Pixels:
    """Average squares of pixels of uint8 (height, width, 3), so that neither side has more than `PREVIEW`."""
    step = max(1, -(-max(image.shape[:2]) // PREVIEW))
    return np.asarray(Image.fromarray(image).reduce(step))
