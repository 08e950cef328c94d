"""A large picture cut into tiles of a detector's own size, which nothing resizes. Needs no torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# tiles of one picture, and the bytes of their pixels together
MOST = 400
MOST_BYTES = 8 * 2**20


@dataclass(frozen=True, eq=False)
class Tiles:
    """Tiles of a picture, spread evenly over all of it.

    Attributes:
        pixels: uint8 (rows x columns, side, side, 3), row by row.
        rows, columns: number of rows and columns of tiles.
        spacing: largest offset from one tile to the next, in pixels; tiles overlap where it is less than their side.
    """

    pixels: NDArray[np.uint8]
    rows: int
    columns: int
    spacing: int

    @property
    def overlaps(self) -> bool:
        """True where every pixel of the picture is in a tile."""
        return self.spacing <= int(self.pixels.shape[1])


def tile(picture: NDArray[np.uint8], side: int, *, most: int = MOST) -> Tiles:
    """Cut an image into tiles that overlap by half, or are spaced wider if that makes more than are allowed.

    Args:
        picture: uint8 (height, width, 3), at least `side` pixels each way.
        side: pixels along each side of a tile.
        most: maximum number of tiles, at least 4; `MOST_BYTES` may allow fewer.

    Raises:
        ValueError: the picture is smaller than a tile.
    """
    height, width = picture.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"a picture of {width} x {height} pixels has no tile of {side} x {side}")
    allowed = max(4, min(most, MOST_BYTES // (3 * side * side)))
    spacing = max(1, side // 2)
    while _count(height, side, spacing) * _count(width, side, spacing) > allowed:
        spacing += max(1, spacing // 16)
    tops, lefts = (_starts(extent, side, _count(extent, side, spacing)) for extent in (height, width))
    pixels = np.stack([picture[top : top + side, left : left + side] for top in tops for left in lefts])
    apart = max((int(np.diff(starts).max()) for starts in (tops, lefts) if len(starts) > 1), default=side)
    return Tiles(pixels, len(tops), len(lefts), apart)


def _count(extent: int, side: int, spacing: int) -> int:
    """Return how many tiles, at most `spacing` pixels apart, are needed to reach from end to end of `extent`."""
    return 1 + -(-(extent - side) // spacing)


def _starts(extent: int, side: int, count: int) -> NDArray[np.intp]:
    return np.linspace(0, extent - side, count).round().astype(np.intp)
