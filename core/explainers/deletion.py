"""Deletion and insertion curves over segments, a measure of faithfulness; and control maps.

Deletion fills segments in a map's order and records the margin; insertion starts with every segment filled and reveals
them in the same order. A faithful map makes the first fall and the second rise early
(RISE: Petsiuk et al. 2018, https://arxiv.org/abs/1806.07421).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from core.arrays import Float32, Float64, Floats, Integers, Pixels, Positions
from core.explainers.lime.sampling import distinct_rows
from core.images.statistics import LUMA
from core.perturbations.masking import Fill, mask_batch

Margins = Callable[[Pixels], Float32]


@dataclass(frozen=True, eq=False)
class Curves:
    """Deletion and insertion curves of one image for M orders of its segments, F fills and K steps.

    Attributes:
        deletion: float32 (M, F, K + 1), the margin with the first 0, 1, ... K parts of the order filled.
        insertion: float32 (M, F, K + 1), the margin with nothing but the first 0, 1, ... K parts shown.
    """

    deletion: Float32
    insertion: Float32

    @property
    def score(self) -> Float64:
        """Float64 (M, F): `areas` of insertion minus deletion, in margins; an order and its reverse differ in sign."""
        return areas(self.insertion) - areas(self.deletion)


def areas(curves: Floats) -> Float64:
    """Average the height of curves (..., K + 1) over the share of the image, float64 (...), by the trapezoid rule."""
    return np.trapezoid(np.asarray(curves, np.float64), dx=1 / (curves.shape[-1] - 1), axis=-1)


def ranks_of(values: Floats, *, seed: int) -> Positions:
    """Rank the segments of M maps, intp (M, S), 0 for the largest value; ties are broken at random.

    Args:
        values: (M, S), one value per segment.
        seed: of the tie-breaking, the same for all maps.
    """
    lots = np.broadcast_to(np.random.default_rng(seed).permutation(values.shape[1]), values.shape)
    order = np.lexsort((lots, -np.asarray(values, np.float64)), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(values.shape[1])[None], axis=1)
    return ranks


def deletion_curves(
    margins: Margins,
    image: Pixels,
    segments: Integers,
    *,
    values: Floats,
    fills: Sequence[Fill],
    steps: int,
    seed: int = 0,
) -> Curves:
    """Compute deletion and insertion curves of one image for several maps at once.

    Args:
        margins: `Detector.margins`.
        image: uint8 (height, width, 3).
        segments: integers (height, width) from 0 to S - 1, the units that are filled and revealed.
        values: (M, S), each map's value for each segment; the largest comes first.
        fills: what a filled segment shows.
        steps: number K of parts that each order is split into, as evenly as S allows.
        seed: for breaking ties, and for fills that are random.

    Raises:
        ValueError: as `core.perturbations.masking.mask_batch`, or `steps` is not from 1 to S.
    """
    count = values.shape[1]
    if not 1 <= steps <= count:
        raise ValueError(f"steps must be from 1 to the {count} segments, not {steps}")
    ranks = ranks_of(values, seed=seed)
    shown = np.rint(np.linspace(0, count, steps + 1)).astype(int)
    is_in_first = ranks[:, None, :] < shown[:, None]
    keep = np.stack([~is_in_first, is_in_first]).reshape(-1, count)
    distinct, inverse = distinct_rows(keep)
    # the first version shows the whole picture, the same under all fills, and is measured once
    batches = [image[None]]
    for fill in fills:
        batches.append(mask_batch(image, segments, keep=keep[distinct[1:]], fill=fill, seed=seed))
    measured = np.asarray(margins(np.concatenate(batches)), np.float32)
    unfilled = np.full((len(fills), 1), measured[0])
    filled = measured[1:].reshape(len(fills), len(distinct) - 1)
    by_fill = np.concatenate([unfilled, filled], axis=1)[:, inverse]
    # fills, (deletion, insertion), maps, steps -> (deletion, insertion), maps, fills, steps
    deletion, insertion = by_fill.reshape(len(fills), 2, len(values), steps + 1).transpose(1, 2, 0, 3)
    return Curves(deletion, insertion)


def edge_map(image: Pixels) -> Float64:
    """Compute the Sobel energy of the luma, float64 (height, width): large on edges and texture for any detector."""
    luma = image.astype(np.float64) @ LUMA.astype(np.float64)
    return ndimage.sobel(luma, axis=0) ** 2 + ndimage.sobel(luma, axis=1) ** 2


def centre_map(height: int, width: int) -> Float64:
    """Make a Gaussian blob in the middle, float64 (height, width), 1 at its top."""
    down = (np.arange(height) - (height - 1) / 2) / height
    right = (np.arange(width) - (width - 1) / 2) / width
    return np.exp(-4 * np.add.outer(down**2, right**2))
