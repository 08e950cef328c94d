"""Photometric edits of a batch of images: grey levels, noise, colour, light, sharpness, compression.

Each maps uint8 (N, side, side, 3) to the same without changing its input; randomness is passed in.
"""

import numpy as np
from scipy import ndimage

from core.arrays import Float32, Pixels
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
