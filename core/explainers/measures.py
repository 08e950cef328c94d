"""Measures of maps: how well two agree, how faithful they are to the detector, and baselines that look at no detector.

Any two maps of one image agree a little, because both are smooth and centre-weighted. Shuffled values are neither, so
the null distribution is the second method's maps of other images in the same cell of the confusion matrix.

Faithfulness is measured by curves over segments: deletion fills them in a map's order and records the margin, insertion
starts with every segment filled and reveals them in the same order. A faithful map makes the first fall and the second
rise early (RISE: Petsiuk et al. 2018, https://arxiv.org/abs/1806.07421).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.stats import rankdata

from core.arrays import Float32, Float64, Floats, Integers, Pixels
from core.explainers.explanation import Explanation
from core.explainers.segmentation import distinct_rows, grid
from core.images.statistics import LUMA
from core.perturbations.masking import Fill, mask_batch

Margins = Callable[[Pixels], Float32]
# cells along each side where neither explanation has regions of its own
CELLS = 8
TOP = 0.25
# maps agree beyond chance where at most this share of other images' maps agree as well
LEVEL = 0.05


@dataclass(frozen=True)
class Agreement:
    """Two maps compared over the S segments of one image.

    Attributes:
        rank: Spearman's correlation over segments, -1 to 1; NaN where a map is the same everywhere.
        overlap: share of the first map's top quarter of segments that is in the second's too, 0 to 1.
        by_chance: the expected overlap of segments chosen at random.
        rank_share: Monte Carlo p-value, 0 to 1: the share of maps, this image's included, whose rank with the first map
            is at least as high. Small where the agreement is specific to this image; NaN without other images, and
            where `rank` is NaN.
        others: number of other images.
        others_rank: mean rank of their maps with the first map; NaN without other images.
    """

    rank: float
    overlap: float
    by_chance: float
    rank_share: float = np.nan
    others: int = 0
    others_rank: float = np.nan

    @property
    def as_well(self) -> int:
        """Number of the other images' maps that agree with the first map at least as well; NaN counts none."""
        return max(0, round(float(np.nan_to_num(self.rank_share)) * (1 + self.others)) - 1)

    @property
    def beyond_chance(self) -> bool | None:
        """True where `rank_share` is at most `LEVEL`, so the agreement is this image's own; None if that is unknown."""
        if not enough(self.others) or not np.isfinite(self.rank_share):
            return None
        return self.rank_share <= LEVEL


def agreement_of(first: Explanation, second: Explanation, *, others: Floats | None) -> Agreement:
    """Compare two explanations of one image, by any two methods.

    Args:
        first, second: with maps, positive for REAL. They are compared over the regions of `first`, else those of
            `second`, else the cells of a grid.
        others: float (M, h, w), the second method's maps, positive for REAL, of other images in the same cell of the
            confusion matrix.
    """
    regions = first.regions
    if regions is None:
        regions = second.regions
    if regions is None:
        regions = grid(*first.image.shape[:2], rows=CELLS, columns=CELLS)
    # the class whose foremost places are compared: the verdict, or the only one that one of the maps can show
    shown = first.one_sided or second.one_sided or first.verdict
    sign = 1 if shown == "REAL" else -1
    if others is not None:
        others = sign * others
    return agreement(sign * first.values, sign * second.values, segments=regions, others=others)


def agreement(first: Floats, second: Floats, *, segments: Integers, others: Floats | None = None) -> Agreement:
    """Compare two maps of one image, both larger where more speaks for the same thing.

    Args:
        first: float (h, w), any size, for instance LIME's.
        second: float (h, w), any size, for instance Grad-CAM's.
        segments: integers (height, width) from 0 to S - 1: the places that are compared.
        others: float (M, h, w), the second method's maps of other images in the same cell.

    Raises:
        ValueError: a map that is not finite.
    """
    own = segment_values(first[None], segments)
    other = segment_values(second[None], segments)
    rank = float(_rank(own, other)[0])
    top = max(1, round(TOP * own.size))
    foremost = [set(np.argsort(-values[0], kind="stable")[:top].tolist()) for values in (own, other)]
    overlap = len(set.intersection(*foremost)) / top
    if others is None or len(others) == 0:
        return Agreement(rank, overlap, top / own.size)
    ranks = _rank(own, segment_values(others, segments))
    rank_share = np.nan
    mean_rank = np.nan
    if np.isfinite(rank):
        # a map that is the same everywhere agrees with nothing
        as_high = int((np.nan_to_num(ranks, nan=-1.0) >= rank).sum())
        rank_share = (1 + as_high) / (1 + len(others))
    if np.isfinite(ranks).any():
        mean_rank = float(np.nanmean(ranks))
    return Agreement(rank, overlap, top / own.size, rank_share, len(others), mean_rank)


def enough(others: int) -> bool:
    """Check that there are enough other images, 19 or more, for a share of them to be small."""
    return 1 + others >= 1 / LEVEL


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's correlation of two maps, value by value; NaN where one is the same everywhere.

    Args:
        first, second: float arrays of one size.
    """
    return float(_rank(np.ravel(first)[None].astype(np.float64), np.ravel(second)[None].astype(np.float64))[0])


def segment_values(maps: Floats, segments: Integers) -> Float64:
    """Average each of M maps over each segment, float64 (M, S); maps of another size are interpolated."""
    height, width = segments.shape
    counts = np.bincount(segments.ravel())
    if not np.isfinite(maps).all():
        raise ValueError("a map to compare has values that are not finite; make it again")
    bilinear = Image.Resampling.BILINEAR
    sized = [np.asarray(Image.fromarray(own.astype(np.float32)).resize((width, height), bilinear)) for own in maps]
    return np.stack([np.bincount(segments.ravel(), own.ravel()) for own in sized]) / counts


def _rank(row: Float64, rows: Float64) -> Float64:
    """Spearman's correlation of one row (1, S) with each of M rows, NaN where a row is constant."""
    ranks = [rankdata(part, axis=1) - (part.shape[1] + 1) / 2 for part in (row, rows)]
    size = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    product = (ranks[0] * ranks[1]).sum(axis=1)
    return np.divide(product, size, out=np.full(len(rows), np.nan), where=size > 0)


def areas(curves: Floats) -> Float64:
    """Average the height of curves (..., K + 1) over the share of the image, float64 (...), by the trapezoid rule."""
    return np.trapezoid(np.asarray(curves, np.float64), dx=1 / (curves.shape[-1] - 1), axis=-1)


def deletion_curves(
    margins: Margins,
    image: Pixels,
    segments: Integers,
    *,
    values: Floats,
    fills: Sequence[Fill],
    steps: int,
    seed: int = 0,
) -> Float32:
    """Compute deletion and insertion curves of one image for M maps and F fills at once.

    Args:
        margins: `Detector.margins`.
        image: uint8 (height, width, 3).
        segments: integers (height, width) from 0 to S - 1, the units that are filled and revealed.
        values: (M, S), each map's value for each segment; the largest comes first.
        fills: what a filled segment shows.
        steps: number K of parts that each order is split into, as evenly as S allows.
        seed: for breaking ties, the same for all maps, and for fills that are random.

    Returns:
        float32 (M, F, 2, K + 1), the margin with the first 0, 1, ... K parts of an order filled, and with nothing but
        these shown.
    """
    count = values.shape[1]
    lots = np.broadcast_to(np.random.default_rng(seed).permutation(count), values.shape)
    order = np.lexsort((lots, -np.asarray(values, np.float64)), axis=1)
    # the place of each segment in its map's order
    ranks = np.argsort(order, axis=1)
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
    # fills, (deletion, insertion), maps, steps -> maps, fills, (deletion, insertion), steps
    return by_fill.reshape(len(fills), 2, len(values), steps + 1).transpose(2, 0, 1, 3)


def edge_map(image: Pixels) -> Float64:
    """Compute the Sobel energy of the luma, float64 (height, width): large on edges and texture for any detector."""
    luma = image.astype(np.float64) @ LUMA.astype(np.float64)
    return ndimage.sobel(luma, axis=0) ** 2 + ndimage.sobel(luma, axis=1) ** 2


def centre_map(height: int, width: int) -> Float64:
    """Make a Gaussian blob in the middle, float64 (height, width), 1 at its top."""
    down = (np.arange(height) - (height - 1) / 2) / height
    right = (np.arange(width) - (width - 1) / 2) / width
    return np.exp(-4 * np.add.outer(down**2, right**2))
