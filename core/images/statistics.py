"""What is measured of pixels: a few named numbers of each image, and which images are copies or near copies.

Near copies are found by perceptual hashes (`imagehash`) and confirmed by the pixels.
"""

from collections.abc import Callable

import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from core.arrays import Float32, Float64, Integers, Pixels, Positions

# Rec. 601 luma, what JPEG itself uses
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# pixels of the images that are measured, or of the pairs that are compared, at once
AT_ONCE = 4096 * 32 * 32
# bits in which candidates' 64-bit hashes may differ; every hash has 32 ones, so differences are even
MAX_BITS = 8
# the least correlation of luma that confirms a candidate
MIN_CORRELATION = 0.9
# grey levels (standard deviation of luma); below, an image is flat, and all flat images look alike
MIN_CONTRAST = 4.0

STATISTICS = {
    "brightness": "mean luma, 0 (black) to 255 (white)",
    "contrast": "standard deviation of luma, in grey levels",
    "greyness": "1 where red, green and blue are equal everywhere, lower the more colour there is",
    "red": "mean of the red channel, 0 to 255",
    "green": "mean of the green channel, 0 to 255",
    "blue": "mean of the blue channel, 0 to 255",
    "fine_detail": "share of the luma's variance in waves shorter than 4 pixels, 0 to 1",
    "file_bytes": "size of the file in bytes",
}
# of the original file, before it is resized; runs of earlier versions lack them
FILE_FACTS = {
    "format": "format of the original file",
    "width": "width of the original in pixels",
    "height": "height of the original in pixels",
    "quality": "quality of a JPEG by the tables of libjpeg that are nearest to its own, 1 to 100",
    "metadata": "kinds of metadata in the original file",
}


def image_statistics(pixels: Pixels) -> pd.DataFrame:
    """Compute the statistics of a stack of images, some at a time.

    Args:
        pixels: uint8 (N, side, side, 3).

    Returns:
        A float32 frame of N rows with the columns of `STATISTICS` except `file_bytes`, which pixels cannot tell.
    """
    columns = [name for name in STATISTICS if name != "file_bytes"]
    values = np.empty((len(pixels), len(columns)), np.float32)
    chunk = max(1, AT_ONCE // max(1, pixels.shape[1] ** 2))
    for start in range(0, len(pixels), chunk):
        values[start : start + chunk] = _chunk_statistics(pixels[start : start + chunk])
    return pd.DataFrame(values, columns=columns)


def _chunk_statistics(pixels: Pixels) -> Float32:
    values = pixels.astype(np.float32)
    luma = values @ LUMA
    spread = values.max(axis=3) - values.min(axis=3)
    # the sum over a large bright image has more digits than float32
    channels = values.mean(axis=(1, 2), dtype=np.float64)
    # in the order of `STATISTICS`
    columns = [
        luma.mean(axis=(1, 2)),
        luma.std(axis=(1, 2)),
        1 - spread.mean(axis=(1, 2)) / 255,
        *channels.T,
        fine_detail(luma),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def fine_detail(luma: Float32) -> Float32:
    """Return the share of each image's variance in waves shorter than four pixels; 0 for a constant image."""
    power = np.abs(np.fft.fft2(luma)) ** 2
    power[:, 0, 0] = 0
    distance = frequency_radius(luma.shape[-1])
    total = power.sum(axis=(1, 2))
    fine = (power * (distance > luma.shape[-1] / 4)).sum(axis=(1, 2))
    # below 0.001 the image is constant and its "spectrum" is rounding error
    return np.where(total > 1e-3, fine / np.maximum(total, 1e-3), 0).astype(np.float32)


def frequency_radius(side: int) -> Float64:
    """Return the distance from zero frequency, in cycles per image, of each coefficient of a (side, side) FFT."""
    # whole cycles: of some sides 1 / (1 / side) is not the side again
    frequency = np.rint(np.fft.fftfreq(side, 1 / side))
    return np.hypot(frequency[:, None], frequency[None, :])


def perceptual_hashes(pixels: Pixels) -> Integers:
    """Return `imagehash.phash` of each image of a uint8 (N, side, side, 3) stack, as uint64 (N,)."""
    bits = np.array([imagehash.phash(Image.fromarray(image)).hash for image in pixels], bool)
    octets = np.packbits(bits.reshape(-1, 64), axis=1)
    return octets.view(np.uint64).ravel()


def near_pairs(read: Callable[[Positions], Pixels], hashes: Integers) -> pd.DataFrame:
    """Find all pairs of near-duplicate images.

    Args:
        read: positions -> uint8 (n, side, side, 3), of images that all differ.
        hashes: uint64 (N,), from `perceptual_hashes`.

    Returns:
        Each pair once: the positions `left` and `right`, of which `left` is the lower, `bits`, in how many of 64 bits
        their hashes differ (int8), and `correlation` of their luma (float32). Only pairs whose hashes are close and
        whose luma correlation is at least `MIN_CORRELATION`. Flat images appear in no pair, because their hashes are
        arbitrary.
    """
    left, right, bits = close_hashes(hashes)
    correlation = np.zeros(len(left), np.float32)
    step = 1
    if len(left):
        step = max(1, AT_ONCE // read(left[:1]).shape[1] ** 2)
    for at in range(0, len(left), step):
        here = slice(at, at + step)
        correlation[here] = _correlation(read(left[here]), read(right[here]))
    pairs = pd.DataFrame({"left": left, "right": right, "bits": bits, "correlation": correlation})
    return pairs[correlation >= MIN_CORRELATION].reset_index(drop=True)


def close_hashes(hashes: Integers) -> tuple[Positions, Positions, Integers]:
    """Find pairs of hashes that differ in at most `MAX_BITS` bits: lower position, higher position, bits."""
    close = [np.zeros(0, np.intp)]
    for number, value in enumerate(hashes, start=1):
        bits = np.bitwise_count(hashes[number:] ^ value)
        close.append(number + np.flatnonzero(bits <= MAX_BITS))
    left = np.repeat(np.arange(-1, len(hashes)), list(map(len, close)))
    right = np.concatenate(close)
    return left, right, np.bitwise_count(hashes[left] ^ hashes[right]).astype(np.int8)


def _correlation(left: Pixels, right: Pixels) -> Float32:
    """Return each pair's correlation of luma, (P,); 0 where an image is flat."""
    luma = (np.stack([left, right]).astype(np.float32) @ LUMA).reshape(2, len(left), -1)
    luma -= luma.mean(axis=2, keepdims=True)
    spread = luma.std(axis=2)
    product = (luma[0] * luma[1]).mean(axis=1) / np.maximum(spread[0] * spread[1], 1e-6)
    return np.where(spread.min(axis=0) >= MIN_CONTRAST, product, 0).astype(np.float32)
