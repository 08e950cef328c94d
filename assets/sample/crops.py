"""Choose crops of a photograph, cut them, and encode images: what both classes have in common."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assets.sample.settings import SETTINGS, Settings
from core.images.preprocessing import Preprocessing
from core.images.statistics import LUMA

# so many random places a crop that is wanted; a photograph without enough contrast ends in an error, not in a loop
TRIES = 1000


@dataclass(frozen=True)
class Crop:
    """A square of a photograph, in its pixels, and the class its image goes to."""

    left: int
    top: int
    side: int
    label: str

    def cut(self, photograph: NDArray[np.uint8], settings: Settings = SETTINGS) -> NDArray[np.uint8]:
        """uint8 (32, 32, 3): the square, reduced. FAKE crops are redrawn after exactly this."""
        square = photograph[self.top : self.top + self.side, self.left : self.left + self.side]
        return Preprocessing(32, interpolation=settings.resampling).fit(square)


def choose_crops(photograph: NDArray[np.uint8], count: int, *, seed: int, settings: Settings = SETTINGS) -> list[Crop]:
    """Random crops, as many of each side in each class, in random order.

    No two crops of one side lie closer than a sixteenth of it, so REAL and FAKE never share a square.

    Args:
        photograph: uint8 (height, width, 3).
        count: crops wanted, a multiple of twice the number of sides.
        seed: the choice follows from it.
        settings: sides, contrast and filter.

    Raises:
        ValueError: the photograph has no room for so many crops that are not flat.
    """
    generator = np.random.default_rng(seed)
    height, width = photograph.shape[:2]
    chosen: list[Crop] = []
    for side in settings.sides:
        wanted = count // len(settings.sides)
        taken: list[Crop] = []
        for _ in range(TRIES * wanted):
            if len(taken) == wanted:
                break
            left, top = (int(generator.integers(extent - side + 1)) for extent in (width, height))
            crop = Crop(left, top, side, "REAL" if len(taken) % 2 else "FAKE")
            crowded = any(max(abs(left - other.left), abs(top - other.top)) < side // 16 for other in taken)
            if not crowded and (crop.cut(photograph, settings) @ LUMA).std() >= settings.min_contrast:
                taken.append(crop)
        if len(taken) < wanted:
            raise ValueError(
                f"only {len(taken)} of {wanted} crops of side {side} fit; want fewer or lower `min_contrast`"
            )
        chosen += taken
    return [chosen[index] for index in generator.permutation(len(chosen))]


def encode_jpeg(pixels: NDArray[np.uint8], settings: Settings = SETTINGS) -> bytes:
    """The bytes of a JPEG file with the sample's encoder settings."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=settings.quality, subsampling="4:2:0", optimize=True)
    return buffer.getvalue()
