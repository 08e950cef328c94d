"""An image cut into segments, and samples: which segments LIME keeps in each, and how that is drawn."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import RandomState
from scipy import linalg

from core.arrays import Int64, Mask, Pixels, Regions
from core.explainers.settings import ExplanationError

Segmentation = Literal["slic", "grid", "quickshift"]


def segment(image: Pixels, *, method: Segmentation = "slic", n_segments: int = 50) -> Regions:
    """Cut an image into segments.

    Args:
        image: uint8 (height, width, 3).
        method: "slic" follows edges and treats the number as a target; "grid" cuts rectangles;
            "quickshift" is lime's own default, which the paper used, and chooses their number itself: one or two on
            most images of 32 x 32 pixels.
        n_segments: how many to ask for; "quickshift" does not read it.

    Returns:
        int32 (height, width), numbered from 0 without gaps.

    Raises:
        ExplanationError: fewer segments than 1 or more than the image has pixels.
    """
    height, width = image.shape[:2]
    if not 1 <= n_segments <= height * width:
        raise ExplanationError(f"n_segments must be from 1 to the image's {height * width} pixels, not {n_segments}")
    if method == "grid":
        rows = min(height, max(1, round(np.sqrt(n_segments * height / width))))
        columns = min(width, max(1, round(n_segments / rows)))
        return grid(height, width, rows=rows, columns=columns)
    # pages that read the names of the methods alone do not wait for the library
    from skimage.segmentation import quickshift, slic  # noqa: PLC0415

    if method == "slic":
        labels = slic(image, n_segments=n_segments, compactness=10, start_label=0)
    else:
        labels = quickshift(image, kernel_size=4, max_dist=200, ratio=0.2)  # type: ignore[no-untyped-call]
    # both may leave numbers out
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int32)


def grid(height: int, width: int, *, rows: int, columns: int) -> Regions:
    """Cut into rectangles numbered row by row, int32 (height, width), as equal as whole pixels allow.

    Args:
        height, width: of the image.
        rows, columns: of rectangles, at most one for each pixel.
    """
    down = np.arange(height) * rows // height
    right = np.arange(width) * columns // width
    return np.add.outer(down * columns, right).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples, in the order in which they are run; the first keeps every segment.

    Attributes:
        keep: bool (n, S), True where a sample keeps the segment.
        clusters: int (n,), equal for samples drawn together, such as a sample and its complement. 0 marks samples that
            are in every draw.
        exhaustive: True where every combination occurs exactly once, so there is no sampling error.
    """

    keep: Mask
    clusters: Int64
    exhaustive: bool = False

    def __len__(self) -> int:
        return len(self.keep)


def random_samples(n_samples: int, n_segments: int, state: RandomState) -> Samples:
    """Coin flips: the very samples that `LimeImageExplainer.data_labels` draws from a generator in this state."""
    keep = state.randint(0, 2, n_samples * n_segments).reshape(n_samples, n_segments).astype(bool)
    keep[0] = True
    return Samples(keep, np.arange(n_samples))


def balanced_samples(n_samples: int, n_segments: int, state: RandomState) -> Samples:
    """Draw complement pairs from randomised Hadamard matrices, or each combination once if `n_samples` covers them all.

    Within a block exactly half of the samples keep each segment and a quarter keep both of each pair, so that neither
    other segments nor interactions of two of them are mistaken for a segment's own effect. Each block has its own
    random columns, signs and row order. The first pair is the image itself and everything filled.
    """
    if n_segments < 31 and 2**n_segments <= n_samples:
        codes = np.concatenate([[0], 1 + state.permutation(2 ** (n_segments - 1) - 1)])
        # a bit of 1 fills its segment: code 0 keeps everything, and there is one code of each complementary pair
        bits = codes[:, None] >> np.arange(n_segments) & 1
        return _in_pairs(bits == 0, 2**n_segments, exhaustive=True)
    order = 1 << max(2, (n_segments - 1).bit_length())
    hadamard = linalg.hadamard(order) > 0
    pairs = [np.ones((1, n_segments), bool)]
    while 2 * sum(map(len, pairs)) < n_samples:
        columns = state.permutation(order)[:n_segments]
        signs = state.randint(0, 2, n_segments).astype(bool)
        pairs.append((hadamard[:, columns] ^ signs)[state.permutation(order)])
    return _in_pairs(np.concatenate(pairs), n_samples)


def _in_pairs(keep: Mask, n_samples: int, *, exhaustive: bool = False) -> Samples:
    """Each row followed by its complement, cut to `n_samples`."""
    rows = np.stack([keep, ~keep], axis=1).reshape(-1, keep.shape[1])[:n_samples]
    return Samples(rows, np.arange(len(rows)) // 2, exhaustive)


def distinct_rows(keep: Mask) -> tuple[Int64, Int64]:
    """Return the sorted indices of the first occurrence of each distinct row, and every row's position among them."""
    packed = np.packbits(keep, axis=1)
    rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.sort(first), rank[inverse]
