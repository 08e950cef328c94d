"""Edits of a batch of images: grey levels, colour, light, sharpness; blocks, areas, and the image as a whole.

Each maps uint8 (N, side, side, 3) to the same without changing its input; randomness is passed in.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy import fft, ndimage

from core.arrays import Array, Float32, Integers, Mask, Pixels
from core.images.statistics import LUMA
from core.perturbations.frequency import to_pixels


def rounded(pixels: Pixels, step: int) -> Pixels:
    """Round every value to the nearest multiple of `step` that does not exceed 255.

    Example:
        >>> rounded(np.uint8([1, 2, 3, 253, 255]), 4)
        array([  0,   4,   4, 252, 252], dtype=uint8)
    """
    values = np.minimum((np.arange(256) + step // 2) // step * step, 255 // step * step).astype(np.uint8)
    return values[pixels]


def saturated(pixels: Pixels, factor: float) -> Pixels:
    """Scale colour by `factor` and keep each pixel's luma: 0 is grey, 1 the image itself (Pillow's `Color`).

    Example:
        >>> saturated(np.full((1, 1, 1, 3), (200, 100, 0), np.uint8), 0)[0, 0, 0]
        array([118, 118, 118], dtype=uint8)
    """
    matrix = factor * np.eye(3) + (1 - factor) * np.outer(np.ones(3), LUMA)
    flat = pixels.reshape(-1, 3).astype(np.float32)
    return to_pixels(flat @ matrix.T.astype(np.float32)).reshape(pixels.shape)


def with_brightness(pixels: Pixels, donors: Pixels, share: float) -> Pixels:
    """Move the mean luma towards that of a donor by adding one constant to all channels, which keeps chroma.

    Args:
        pixels, donors: uint8 (N, side, side, 3).
        share: of the way, 0 to 1.

    Example:
        >>> with_brightness(np.full((1, 2, 2, 3), 10, np.uint8), np.full((1, 2, 2, 3), 30, np.uint8), 0.5)[0, 0, 0]
        array([20, 20, 20], dtype=uint8)
    """
    luma = _mean_difference(pixels, donors) @ LUMA
    return to_pixels(pixels + (share * luma).astype(np.float32)[:, None, None, None])


def with_chroma(pixels: Pixels, donors: Pixels, share: float) -> Pixels:
    """Move the mean colour towards that of a donor by adding a constant to each channel that keeps luma.

    Arguments as for `with_brightness`; both together move the mean of each channel to the donor's.
    """
    difference = _mean_difference(pixels, donors)
    chroma = difference - (difference @ LUMA)[:, None]
    return to_pixels(pixels + (share * chroma).astype(np.float32)[:, None, None, :])


def _mean_difference(pixels: Pixels, donors: Pixels) -> Float32:
    """Return how much the mean of each channel of a donor exceeds the image's, float32 (N, 3)."""
    return donors.mean(axis=(1, 2), dtype=np.float32) - pixels.mean(axis=(1, 2), dtype=np.float32)


def contrasted(pixels: Pixels, factor: float) -> Pixels:
    """Scale contrast by `factor` about each image's mean luma (Pillow's `Contrast`).

    Example:
        >>> contrasted(np.repeat(np.uint8([[[[90], [110]]]]), 3, axis=3), 0.5)[0, 0, :, 0]
        array([ 95, 105], dtype=uint8)
    """
    middle = np.rint(pixels.mean(axis=(1, 2), dtype=np.float32) @ LUMA)[:, None, None, None]
    return to_pixels((pixels - middle) * np.float32(factor) + middle)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """Blur with a Gaussian of `sigma` pixels, reflected at the border as in `core.perturbations.masking.fill_image`."""
    return to_pixels(_blur(pixels, sigma))


def sharpened(pixels: Pixels, amount: float) -> Pixels:
    """Sharpen by unsharp masking: add `amount` times the difference from a blur of one pixel."""
    return to_pixels((1 + np.float32(amount)) * pixels - np.float32(amount) * _blur(pixels, 1.0))


def _blur(pixels: Pixels, sigma: float) -> Float32:
    """Blur by two products with a (side, side) matrix, faster than a filter on small images."""
    n, side = pixels.shape[:2]
    matrix = ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), sigma, axis=0, mode="reflect")
    # along x for all three channels at once, along y for whole rows
    rows = pixels.reshape(n * side, side * 3).astype(np.float32) @ np.kron(matrix, np.eye(3, dtype=np.float32)).T
    return (matrix @ rows.reshape(n, side, side * 3)).reshape(pixels.shape)


def rms(changed: Pixels, original: Pixels) -> Float32:
    """Measure the size of a change: float32 (N,), root mean square difference of all values, in grey levels.

    Example:
        >>> rms(np.full((1, 2, 2, 3), 5, np.uint8), np.full((1, 2, 2, 3), 2, np.uint8))
        array([3.], dtype=float32)
    """
    difference = np.subtract(changed, original, dtype=np.float32).reshape(len(changed), -1)
    return np.sqrt(np.einsum("nk,nk->n", difference, difference) / difference.shape[1])


def _in_blocks(pixels: Pixels, block: int, change: Callable[[Pixels], Pixels]) -> Pixels:
    """Change images in blocks uint8 (N, B, block, block, 3), row by row; a remainder at the far ends stays."""
    n, side = pixels.shape[:2]
    count = side // block
    whole = np.s_[:, : count * block, : count * block]
    image = pixels.copy()
    places = pixels[whole].reshape(n, count, block, count, block, 3).transpose(0, 1, 3, 2, 4, 5)
    changed = change(places.reshape(n, count * count, block, block, 3))
    image[whole] = changed.reshape(places.shape).transpose(0, 1, 3, 2, 4, 5).reshape(image[whole].shape)
    return image


def shuffled(pixels: Pixels, block: int, orders: Integers) -> Pixels:
    """Shuffle square blocks, which keeps texture and destroys shape; every block moves.

    Args:
        pixels: uint8 (N, side, side, 3).
        block: side of a block in pixels.
        orders: integers (N, B), a permutation of the B blocks per image: each block moves to the position of the block
            that follows it there, the last to that of the first.

    Example:
        >>> pixels = np.repeat(np.uint8([[[[1], [2]], [[3], [4]]]]), 3, axis=3)
        >>> shuffled(pixels, 1, np.array([[0, 1, 2, 3]]))[0, :, :, 0]
        array([[4, 1],
               [2, 3]], dtype=uint8)
    """
    return _in_blocks(pixels, block, partial(_moved, orders=orders))


def _moved(blocks: Array, orders: Integers) -> Array:
    """Move each of the blocks (N, B, ...) to the position of the next in its image's order (N, B), cyclically."""
    rows = np.arange(len(blocks))[:, None]
    moved = np.empty_like(blocks)
    moved[rows, np.roll(orders, -1, axis=1)] = blocks[rows, orders]
    return moved


def rotated_in_blocks(pixels: Pixels, block: int) -> Pixels:
    """Rotate each block by 180 degrees in its own place, which gives the seams of `shuffled` on all four sides.

    (Mirrored blocks would still fit those above and below.)

    Example:
        >>> pixels = np.repeat(np.uint8([[[[1], [2]], [[3], [4]]]]), 3, axis=3)
        >>> rotated_in_blocks(pixels, 2)[0, :, :, 0]
        array([[4, 3],
               [2, 1]], dtype=uint8)
    """
    return _in_blocks(pixels, block, partial(np.flip, axis=(2, 3)))


def without_seams(pixels: Pixels, block: int, orders: Integers | None = None) -> Pixels:
    """Cut into blocks, shuffle them, and join them so that no seam shows (Pérez et al. 2003).

    Poisson image editing (https://doi.org/10.1145/882262.882269): gradients within blocks are kept and those across
    cuts become zero. The image with the original's mean whose gradients are closest to these in least squares solves a
    Poisson equation, here by cosine transforms.

    Args:
        pixels: uint8 (N, side, side, 3).
        block: side of a block in pixels.
        orders: as in `shuffled`; None leaves the blocks in place.
    """
    means = pixels.mean(axis=(1, 2))
    if orders is not None:
        pixels = shuffled(pixels, block, orders)
    blocks = pixels.astype(np.float32)
    side = pixels.shape[1]
    divergence = np.zeros_like(blocks)
    for axis in (1, 2):
        gradient = np.diff(np.moveaxis(blocks, axis, 1), axis=1)
        gradient[:, block - 1 :: block] = 0
        along = np.moveaxis(divergence, axis, 1)
        along[:, :-1] += gradient
        along[:, 1:] -= gradient
    spectrum = fft.dctn(divergence, axes=(1, 2), norm="ortho", workers=1)
    line = 2 * np.cos(np.pi * np.arange(side, dtype=np.float32) / side) - 2
    laplacian = line[:, None] + line
    laplacian[0, 0] = 1
    spectrum /= laplacian[..., None]
    spectrum[:, 0, 0] = side * means
    return to_pixels(fft.idctn(spectrum, axes=(1, 2), norm="ortho", workers=1))


def cross_faded(pixels: Pixels, block: int, orders: Integers | None = None) -> Pixels:
    """Shuffle blocks that reach a quarter of their side into their neighbours and fade into each other there.

    Args:
        pixels: uint8 (N, side, side, 3).
        block: side of a block in pixels, from the middle of one fade to that of the next, at least 2.
        orders: as in `shuffled`; None rotates each block by 180 degrees in its own place, as `rotated_in_blocks` does.
    """
    count = pixels.shape[1] // block
    reach = max(1, block // 4)
    ramp = (np.arange(2 * reach, dtype=np.float32) + 0.5) / (2 * reach)
    line = np.concatenate([ramp, np.ones(block - 2 * reach, np.float32), ramp[::-1]])
    weights = (line[:, None] * line)[..., None]
    padded = np.pad(pixels, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "symmetric").astype(np.float32)
    places = [
        np.s_[:, y : y + len(line), x : x + len(line)]
        for y in range(0, count * block, block)
        for x in range(0, count * block, block)
    ]
    tiles = np.stack([padded[place] for place in places], axis=1)
    if orders is None:
        moved = tiles[:, :, ::-1, ::-1]
    else:
        moved = _moved(tiles, orders)
    total = np.zeros_like(padded)
    weight = np.zeros_like(padded[:1])
    for number, place in enumerate(places):
        total[place] += moved[:, number] * weights
        weight[place] += weights
    whole = np.s_[:, reach : reach + count * block, reach : reach + count * block]
    image = pixels.copy()
    image[:, : count * block, : count * block] = to_pixels(total[whole] / weight[whole])
    return image


def shifted(pixels: Pixels, by: int) -> Pixels:
    """Shift the image by `by` pixels to the right and repeat the left column.

    Example:
        >>> shifted(np.repeat(np.uint8([[[[1], [2], [3]]]]), 3, axis=3), 1)[0, 0, :, 0]
        array([1, 1, 2], dtype=uint8)
    """
    return np.concatenate([pixels[:, :, :1].repeat(by, axis=2), pixels[:, :, : pixels.shape[2] - by]], axis=2)


def rotated(pixels: Pixels, quarters: int) -> Pixels:
    """Rotate by quarter turns anticlockwise."""
    return np.ascontiguousarray(np.rot90(pixels, quarters, axes=(1, 2)))


def place_mask(eighths: tuple[int, int, int, int], *, side: int) -> Mask:
    """Return bool (side, side), True in an area: its top, bottom, left and right, in eighths of the side.

    Example:
        >>> place_mask((0, 4, 4, 8), side=4).astype(int)
        array([[0, 0, 1, 1],
               [0, 0, 1, 1],
               [0, 0, 0, 0],
               [0, 0, 0, 0]])
    """
    mask = np.zeros((side, side), bool)
    top, bottom, left, right = (side * eighth // 8 for eighth in eighths)
    mask[top:bottom, left:right] = True
    return mask


def frame_mask(inset: float, *, side: int) -> Mask:
    """Return bool (side, side), True in a square frame a sixteenth of the side thick.

    Args:
        inset: distance from the border, as a share of the side; 0 is the border itself.
        side: of the image.
    """
    # an inset frame of a small image must not be its border
    start = max(1, round(inset * side)) if inset else 0
    width = max(1, round(side / 16))
    away = np.minimum(np.arange(side), np.arange(side)[::-1])
    depth = np.minimum(away[:, None], away)
    return (depth >= start) & (depth < start + width)


def hidden(pixels: Pixels, mask: Mask, textures: Float32 | None = None) -> Pixels:
    """Cover the same area of each image.

    Args:
        pixels: uint8 (N, side, side, 3).
        mask: bool (side, side), True where covered, in at least one pixel.
        textures: float32 like `pixels`, the cover, see `core.perturbations.frequency.scrambled`; it is scaled to the
            mean and contrast of the covered area. None covers with that area's mean colour.

    Example:
        >>> pixels = np.repeat(np.uint8([[[[1], [3], [9]]]]), 3, axis=3)
        >>> hidden(pixels, np.array([[True, True, False]]))[0, 0, :, 0]
        array([2, 2, 9], dtype=uint8)
    """
    fill, spread = _moments(pixels[:, mask])
    if textures is not None:
        cover = textures[:, mask]
        own_mean, own_spread = _moments(cover)
        gain = np.divide(spread, own_spread, out=np.zeros_like(spread), where=own_spread > 1e-3)
        fill = cover * gain + (fill - own_mean * gain)
    changed = pixels.copy()
    changed[:, mask] = to_pixels(fill)
    return changed


def _moments(values: Array) -> tuple[Float32, Float32]:
    """Return mean and standard deviation, float32 (N, 1, C), of values (N, P, C)."""
    # in float64: of large images the sums have more digits than float32
    mean = values.mean(axis=1, keepdims=True, dtype=np.float64)
    spread = values.std(axis=1, keepdims=True, dtype=np.float64)
    return mean.astype(np.float32), spread.astype(np.float32)
