"""Copies and near copies: equal pixels, and perceptual hashes (`imagehash`) confirmed by the pixels."""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.images.statistics import LUMA

# bits in which candidates' 64-bit hashes may differ; every hash has 32 ones, so differences are even
MAX_BITS = 8
# the least correlation of luma that confirms a candidate
MIN_CORRELATION = 0.9
# grey levels (standard deviation of luma); below, an image is flat, and all flat images look alike
MIN_CONTRAST = 4.0
BANDS = 4
CANDIDATES = 4_000_000
# pixels of the pairs that are compared at once
AT_ONCE = 4096 * 32 * 32

Say = Callable[[float], None]


class Pairs(NamedTuple):
    """P pairs of images, each listed once.

    Attributes:
        left, right: intp (P,), positions; `left` is the lower one.
        bits: int8 (P,), number of the 64 bits in which their hashes differ.
        correlation: float32 (P,), of their luma, -1 to 1.
        difference: float32 (P,), root mean square difference of their pixels, in grey levels.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    bits: NDArray[np.int8]
    correlation: NDArray[np.float32]
    difference: NDArray[np.float32]


def pixel_digests(pixels: NDArray[np.uint8]) -> NDArray[np.str_]:
    """Return the sha256 of each image's pixels, (N,) text; independent of how the files were encoded."""
    return np.array([hashlib.sha256(image.tobytes()).hexdigest() for image in pixels], dtype="U64")


def perceptual_hashes(pixels: NDArray[np.uint8], *, say: Say | None = None) -> NDArray[np.uint64]:
    """Return `imagehash.phash` of each image of a uint8 (N, side, side, 3) stack, as uint64 (N,)."""
    bits = np.zeros((len(pixels), 64), bool)
    for position, image in enumerate(pixels):
        bits[position] = imagehash.phash(Image.fromarray(image)).hash.ravel()
        if say is not None and position % 1000 == 0:
            say(position / len(pixels))
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def near_pairs(pixels: NDArray[np.uint8], hashes: NDArray[np.uint64]) -> Pairs:
    """Find all pairs of near-duplicate images; pairs with identical pixels are left out.

    Args:
        pixels: uint8 (N, side, side, 3), preferably without exact duplicates.
        hashes: uint64 (N,), from `perceptual_hashes`.

    Returns:
        Pairs whose hashes are close and whose luma correlation is at least `MIN_CORRELATION`. Flat images appear in no
        pair, because their hashes are arbitrary.
    """
    left, right, bits = close_hashes(hashes, max_bits=MAX_BITS)
    step = max(1, AT_ONCE // max(1, pixels.shape[1]) ** 2)
    found = [_compared(pixels, left[at : at + step], right[at : at + step]) for at in range(0, len(left), step)]
    correlation, difference = (
        np.concatenate([one[part] for one in found] or [np.zeros(0, np.float32)]) for part in (0, 1)
    )
    kept = (correlation >= MIN_CORRELATION) & (difference > 0)
    return Pairs(left[kept], right[kept], bits[kept], correlation[kept], difference[kept])


def close_hashes(
    hashes: NDArray[np.uint64], *, max_bits: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int8]]:
    """Find pairs of hashes that differ in at most `max_bits` bits: lower position, higher position, bits.

    Two such hashes differ by at most `max_bits // 4` bits in at least one of their four 16-bit bands (multi-index
    hashing, Norouzi et al. 2012), so only pairs that share a bucket are compared.
    """
    bands = np.ascontiguousarray(hashes).view(np.uint16).reshape(len(hashes), BANDS)
    masks = [mask for mask in range(2**16) if mask.bit_count() <= max_bits // BANDS]
    found = [
        kept
        for band in range(BANDS)
        for left, right in _sharing_a_bucket(bands[:, band], np.array(masks, np.uint16))
        if len((kept := _close(hashes, left, right, max_bits))[0])
    ]
    if not found:
        return np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.int8)
    left, right, bits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    # a pair may be found in several bands
    _, first = np.unique(left * len(hashes) + right, return_index=True)
    return left[first], right[first], bits[first]


def _sharing_a_bucket(
    values: NDArray[np.uint16], masks: NDArray[np.uint16]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs (lower, higher position) whose values differ by one of the masks, some millions at a time."""
    order = np.argsort(values, kind="stable")
    sizes = np.bincount(values, minlength=2**16)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    for mask in masks:
        probes = values ^ mask
        counts = sizes[probes]
        ends = np.cumsum(counts)
        first = 0
        while first < len(values):
            offset = ends[first] - counts[first]
            last = max(first + 1, int(np.searchsorted(ends, offset + CANDIDATES, side="right")))
            here = counts[first:last]
            left = np.repeat(np.arange(first, last), here)
            place = np.arange(len(left)) - np.repeat(np.cumsum(here) - here, here)
            right = order[np.repeat(starts[probes[first:last]], here) + place]
            kept = left < right
            yield left[kept], right[kept]
            first = last


def _close(
    hashes: NDArray[np.uint64], left: NDArray[np.intp], right: NDArray[np.intp], max_bits: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int8]]:
    bits = np.bitwise_count(hashes[left] ^ hashes[right]).astype(np.int8)
    kept = bits <= max_bits
    return left[kept], right[kept], bits[kept]


def _compared(
    pixels: NDArray[np.uint8], left: NDArray[np.intp], right: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return each pair's correlation of luma (0 where an image is flat) and RMS difference of pixels."""
    one, other = (np.asarray(pixels[side], np.float32) for side in (left, right))
    difference = np.sqrt(np.square(one - other).mean(axis=(1, 2, 3)))
    first, second = ((side @ LUMA).reshape(len(side), -1) for side in (one, other))
    first, second = (side - side.mean(axis=1, keepdims=True) for side in (first, second))
    spreads = first.std(axis=1), second.std(axis=1)
    textured = np.minimum(*spreads) >= MIN_CONTRAST
    product = (first * second).mean(axis=1) / np.maximum(spreads[0] * spreads[1], 1e-6)
    return np.where(textured, product, 0).astype(np.float32), difference.astype(np.float32)
