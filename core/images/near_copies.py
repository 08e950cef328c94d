"""Copies and near copies: equal pixels, and perceptual hashes (`imagehash`) confirmed by the pixels."""

from collections.abc import Callable

import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from core.arrays import Array, Float32, Integers, Pixels, Positions
from core.images.decoding import pixels_sha256
from core.images.statistics import LUMA

# bits in which candidates' 64-bit hashes may differ; every hash has 32 ones, so differences are even
MAX_BITS = 8
# the least correlation of luma that confirms a candidate
MIN_CORRELATION = 0.9
# grey levels (standard deviation of luma); below, an image is flat, and all flat images look alike
MIN_CONTRAST = 4.0
# pixels of the pairs that are compared at once
AT_ONCE = 4096 * 32 * 32


def pixel_digests(pixels: Pixels) -> Array:
    """Return the sha256 of each image's pixels, (N,) text; independent of how the files were encoded."""
    return np.array([pixels_sha256(image) for image in pixels], dtype="U64")


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
    left, right, bits = close_hashes(hashes, max_bits=MAX_BITS)
    correlation = np.zeros(len(left), np.float32)
    step = 1
    if len(left):
        step = max(1, AT_ONCE // read(left[:1]).shape[1] ** 2)
    for at in range(0, len(left), step):
        here = slice(at, at + step)
        correlation[here] = _correlation(read(left[here]), read(right[here]))
    pairs = pd.DataFrame({"left": left, "right": right, "bits": bits, "correlation": correlation})
    return pairs[correlation >= MIN_CORRELATION].reset_index(drop=True)


def close_hashes(hashes: Integers, *, max_bits: int) -> tuple[Positions, Positions, Integers]:
    """Find pairs of hashes that differ in at most `max_bits` bits: lower position, higher position, bits."""
    close = [np.zeros(0, np.intp)]
    for number, value in enumerate(hashes, start=1):
        bits = np.bitwise_count(hashes[number:] ^ value)
        close.append(number + np.flatnonzero(bits <= max_bits))
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
