"""Edits of where things are, a batch at a time: blocks shuffled, places hidden, the whole picture moved.

Each takes uint8 (N, side, side, 3) and gives the same back; what is random is handed in.
"""

import numpy as np
from numpy.typing import NDArray

from core.edits.frequency import to_pixels

Pixels = NDArray[np.uint8]
# the places that can be hidden, as (top, bottom, left, right) in eighths of the side
PLACES: dict[str, tuple[int, int, int, int]] = {
    "centre": (2, 6, 2, 6),
    "top_left": (0, 4, 0, 4),
    "top_right": (0, 4, 4, 8),
    "bottom_left": (4, 8, 0, 4),
    "bottom_right": (4, 8, 4, 8),
}


def blocks_of(pixels: Pixels, block: int) -> Pixels:
    """uint8 (N, B, block, block, 3), the blocks from the top left, row by row; a rest at the far ends is left out."""
    n, side = pixels.shape[:2]
    count = side // block
    whole = pixels[:, : count * block, : count * block]
    cut = whole.reshape(n, count, block, count, block, 3).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(n, count * count, block, block, 3)


def image_of(blocks: Pixels, original: Pixels | None = None) -> Pixels:
    """The inverse of `blocks_of`; the rest that this left out comes from `original`."""
    n, total, block = blocks.shape[:3]
    count = round(total**0.5)
    rows = blocks.reshape(n, count, count, block, block, 3).transpose(0, 1, 3, 2, 4, 5)
    whole = np.ascontiguousarray(rows.reshape(n, count * block, count * block, 3))
    if original is None or original.shape == whole.shape:
        return whole
    image = original.copy()
    image[:, : count * block, : count * block] = whole
    return image


def shuffled(pixels: Pixels, block: int, orders: NDArray[np.integer]) -> Pixels:
    """Square blocks in another order, so that texture stays and shape goes; no block stays where it was.

    Args:
        pixels: uint8 (N, side, side, 3).
        block: side of a block in pixels.
        orders: integers (N, B), a permutation of the B blocks for each image: each block goes to the place of the next.
    """
    blocks = blocks_of(pixels, block)
    rows = np.arange(len(blocks))[:, None]
    moved = np.empty_like(blocks)
    moved[rows, np.roll(orders, -1, axis=1)] = blocks[rows, orders]
    return image_of(moved, pixels)


def rotated_in_blocks(pixels: Pixels, block: int) -> Pixels:
    """Each block turned upside down in its own place: the seams of `shuffled` on all four sides of a block, and every
    block where it was. (Mirrored left to right, blocks would still fit those above and below.)"""
    return image_of(blocks_of(pixels, block)[:, :, ::-1, ::-1], pixels)


def rolled(pixels: Pixels, by: int) -> Pixels:
    """The whole image moved by `by` pixels down and right, what falls out comes in again: moved, with two seams."""
    return np.roll(pixels, (by, by), axis=(1, 2))


def shifted(pixels: Pixels, by: int) -> Pixels:
    """The whole image moved by `by` pixels to the right; the left column is repeated."""
    return np.concatenate([pixels[:, :, :1].repeat(by, axis=2), pixels[:, :, : pixels.shape[2] - by]], axis=2)


def mirrored(pixels: Pixels) -> Pixels:
    """Left to right."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def rotated(pixels: Pixels, quarters: int) -> Pixels:
    """Turned by so many quarter turns against the clock."""
    return np.ascontiguousarray(np.rot90(pixels, quarters, axes=(1, 2)))


def place_mask(name: str, *, side: int) -> NDArray[np.bool_]:
    """bool (side, side), True in a place of `PLACES`, or in "border": a frame of a sixteenth of the side.

    At 32 pixels every place has 256 pixels, a quarter of the image, and the border 240.
    """
    mask = np.zeros((side, side), bool)
    if name == "border":
        width = max(1, side // 16)
        mask[:] = True
        mask[width:-width, width:-width] = False
        return mask
    top, bottom, left, right = (side * eighth // 8 for eighth in PLACES[name])
    mask[top:bottom, left:right] = True
    return mask


def spread_masks(draws: NDArray[np.floating], *, side: int) -> NDArray[np.bool_]:
    """bool (N, side, side), a quarter of each image in four blocks of side / 4, one in each quarter.

    Args:
        draws: float (N, 4), from 0 up to 1: which of the four blocks of its quarter.
        side: of the image.
    """
    chosen = (draws * 4).astype(int)
    cells = np.zeros((len(draws), 4, 4), bool)
    for quarter in range(4):
        rows = 2 * (quarter // 2) + chosen[:, quarter] // 2
        columns = 2 * (quarter % 2) + chosen[:, quarter] % 2
        cells[np.arange(len(draws)), rows, columns] = True
    # as even as the side allows
    cell = np.arange(side) * 4 // side
    return cells[:, cell][:, :, cell]


def hidden(pixels: Pixels, masks: NDArray[np.bool_], textures: NDArray[np.float32] | None = None) -> Pixels:
    """Places covered.

    Args:
        pixels: uint8 (N, side, side, 3).
        masks: bool (side, side) or (N, side, side), True where it is covered, somewhere in each.
        textures: float32 like `pixels`, what covers it, see `spectrum.scrambled`; it gets the mean and the contrast
            that the place itself has. None covers it flat with the place's mean colour.
    """
    where = np.broadcast_to(masks, pixels.shape[:3])
    area = where.sum(axis=(1, 2), dtype=np.float32)[:, None]
    mean, spread = _moments(pixels.astype(np.float32), where, area)
    if textures is None:
        fill = np.broadcast_to(mean[:, None, None, :], pixels.shape).copy()
    else:
        own_mean, own_spread = _moments(textures, where, area)
        gain = np.divide(spread, own_spread, out=np.zeros_like(spread), where=own_spread > 1e-3)
        fill = textures * gain[:, None, None, :] + (mean - own_mean * gain)[:, None, None, :]
    return np.where(where[..., None], to_pixels(fill), pixels)


def _moments(
    values: NDArray[np.float32], where: NDArray[np.bool_], area: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (N, 3) of the values in each image's place."""
    weights = where.astype(np.float32)
    mean = np.einsum("nyxc,nyx->nc", values, weights) / area
    square = np.einsum("nyxc,nyx->nc", values * values, weights) / area
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
