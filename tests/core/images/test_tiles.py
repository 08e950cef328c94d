"""Tiles of a picture: whole pixels of it, from edge to edge."""

import numpy as np
import pytest

from core.images.tiles import tile


def picture(height: int, width: int) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return np.stack([rows % 256, columns % 256, (rows // 256) * 16 + columns // 256], axis=2).astype(np.uint8)


def place(pixel: np.ndarray) -> tuple[int, int]:
    """Where a pixel of `picture` is."""
    row, column, high = map(int, pixel)
    return row + 256 * (high // 16), column + 256 * (high % 16)


def test_tiles_overlap_by_half_and_are_the_pictures_own_pixels() -> None:
    found = tile(picture(64, 96), 32)
    assert (found.rows, found.columns, found.spacing, found.overlaps) == (3, 5, 16, True)
    assert [place(one[0, 0]) for one in found.pixels[:6]] == [(0, 0), (0, 16), (0, 32), (0, 48), (0, 64), (16, 0)]
    np.testing.assert_array_equal(found.pixels[7], picture(64, 96)[16:48, 32:64])


@pytest.mark.parametrize(("height", "width"), [(33, 32), (500, 741), (1000, 3000)])
def test_tiles_reach_from_edge_to_edge(height: int, width: int) -> None:
    found = tile(picture(height, width), 32)
    assert len(found.pixels) == found.rows * found.columns <= 400
    assert place(found.pixels[0][0, 0]) == (0, 0)
    assert place(found.pixels[-1][-1, -1]) == (height - 1, width - 1)
    covered = np.zeros((height, width), bool)
    for one in found.pixels:
        top, left = place(one[0, 0])
        covered[top : top + 32, left : left + 32] = True
    assert covered.all() == found.overlaps


def test_large_tiles_stay_within_their_memory() -> None:
    assert tile(np.zeros((2000, 2000, 3), np.uint8), 224).pixels.nbytes <= 8 * 2**20


def test_a_picture_smaller_than_a_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="has no tile of 32 x 32"):
        tile(np.zeros((31, 99, 3), np.uint8), 32)


@pytest.mark.parametrize(
    ("width", "height", "side", "spacing"), [(400, 300, 224, 88), (1568, 1568, 224, 224), (1600, 1600, 100, 100)]
)
def test_the_spacing_is_the_largest_distance_between_tiles(width: int, height: int, side: int, spacing: int) -> None:
    found = tile(picture(height, width), side)
    assert (found.spacing, found.overlaps) == (spacing, True)
