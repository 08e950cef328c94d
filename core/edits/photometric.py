"""Edits of what pixels are worth, a batch at a time: grey levels, noise, colour, light, sharpness, compression.

Each takes uint8 (N, side, side, 3) and gives the same back; nothing is written to what it was given. Like the fills of
`perturb.py` they never leave 0..255, and what is random is handed in.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from core.edits.frequency import to_pixels
from core.images.statistics import LUMA

Pixels = NDArray[np.uint8]


def rounded(pixels: Pixels, step: int) -> Pixels:
    """Every value rounded to the nearest multiple of `step`; what would pass 255 becomes the last multiple below."""
    values = np.minimum((np.arange(256) + step // 2) // step * step, 255 // step * step).astype(np.uint8)
    return values[pixels]


def with_noise(pixels: Pixels, uniform: NDArray[np.float32], most: int) -> Pixels:
    """Whole numbers from -most to most added, each equally likely.

    Args:
        pixels: uint8 (N, side, side, 3).
        uniform: float32 like `pixels`, from 0 up to 1: where in that span each number lies.
        most: the largest change.
    """
    return to_pixels(np.floor(uniform * np.float32(2 * most + 1)) + (pixels - np.float32(most)))


def saturated(pixels: Pixels, factor: float) -> Pixels:
    """Colour times `factor` with each pixel's luma kept: 0 is grey, 1 the image itself (Pillow's `Color`)."""
    return _mixed(pixels, factor * np.eye(3) + (1 - factor) * np.outer(np.ones(3), LUMA))


def hue_rotated(pixels: Pixels, degrees: float) -> Pixels:
    """Every hue turned by `degrees` in the plane of equal luma, as on an analogue television (YIQ)."""
    to_yiq = np.array([LUMA, [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return _mixed(pixels, np.linalg.inv(to_yiq) @ turn @ to_yiq)


def _mixed(pixels: Pixels, matrix: NDArray[np.floating]) -> Pixels:
    """Each pixel's colour times a (3, 3) matrix."""
    flat = pixels.reshape(-1, 3).astype(np.float32)
    return to_pixels(flat @ matrix.T.astype(np.float32)).reshape(pixels.shape)


def tinted(pixels: Pixels, means: NDArray[np.floating], share: float) -> Pixels:
    """The mean of each channel moved towards another by adding one number to the whole channel.

    Args:
        pixels: uint8 (N, side, side, 3).
        means: float (N, 3), where to, 0 to 255.
        share: how much of the way, 0 to 1.
    """
    own = pixels.mean(axis=(1, 2), dtype=np.float32)
    shift = (share * (means - own)).astype(np.float32)
    return to_pixels(pixels + shift[:, None, None, :])


def brightened(pixels: Pixels, amount: float) -> Pixels:
    """`amount` grey levels added to every value."""
    return to_pixels(pixels + np.float32(amount))


def contrasted(pixels: Pixels, factor: float) -> Pixels:
    """Contrast times `factor` about each image's mean luma (Pillow's `Contrast`)."""
    middle = np.rint(pixels.mean(axis=(1, 2), dtype=np.float32) @ LUMA)[:, None, None, None]
    return to_pixels((pixels - middle) * np.float32(factor) + middle)


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    """A Gaussian blur of `sigma` pixels, reflected at the border as in `perturb.fill_image`."""
    return to_pixels(_blur(pixels, sigma))


def sharpened(pixels: Pixels, amount: float, *, sigma: float = 1.0) -> Pixels:
    """Unsharp masking: `amount` times the difference from a blur added."""
    return to_pixels((1 + np.float32(amount)) * pixels - np.float32(amount) * _blur(pixels, sigma))


def _blur(pixels: Pixels, sigma: float) -> NDArray[np.float32]:
    """The blur as two products with a (side, side) matrix: on small images faster than a filter."""
    n, side = pixels.shape[:2]
    matrix = ndimage.gaussian_filter1d(np.eye(side, dtype=np.float32), sigma, axis=0, mode="reflect")
    # along x all three channels at once, along y whole rows
    rows = pixels.reshape(n * side, side * 3).astype(np.float32) @ np.kron(matrix, np.eye(3, dtype=np.float32)).T
    return np.asarray(matrix @ rows.reshape(n, side, side * 3)).reshape(pixels.shape)


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """JPEG at `quality`, 1 to 95, and back, with Pillow's own settings for colour."""
    out = np.empty_like(pixels)
    for index, image in enumerate(pixels):
        with io.BytesIO() as file:
            Image.fromarray(image).save(file, "JPEG", quality=quality)
            with Image.open(file, formats=("JPEG",)) as again:
                out[index] = np.asarray(again)
    return out


def rms(changed: Pixels, original: Pixels) -> NDArray[np.float32]:
    """float32 (N,), the size of a change: root of the mean squared difference of all values, in grey levels."""
    difference = np.subtract(changed, original, dtype=np.float32).reshape(len(changed), -1)
    return np.asarray(np.sqrt(np.einsum("nk,nk->n", difference, difference) / difference.shape[1]), np.float32)
