"""Agreement of two maps of one image, compared with maps of other images.

Any two such maps agree a little, because both are smooth and centre-weighted. Shuffled values are neither, so the null
distribution is the second method's maps of other images in the same cell of the confusion matrix.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.stats import rankdata

from core.arrays import Float64, Floats, Integers
from core.explainers.explanation import Explanation
from core.explainers.lime.segmentation import grid

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
    rank_share: float
    others: int
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
    regions: Integers = grid(*first.image.shape[:2], rows=CELLS, columns=CELLS)
    for explanation in (second, first):
        if explanation.regions is not None:
            regions = explanation.regions
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
        ValueError: a map that is not finite, or segments that are not numbered from 0 without gaps.
    """
    own = segment_values(first[None], segments)
    other = segment_values(second[None], segments)
    rank = float(_rank(own, other)[0])
    overlap = float(_overlap(own, other)[0])
    expected = _top_size(own.shape[1]) / own.shape[1]
    if others is None or len(others) == 0:
        return Agreement(rank, overlap, expected, np.nan, 0)
    ranks = _rank(own, segment_values(others, segments))
    rank_share = np.nan
    mean_rank = np.nan
    if np.isfinite(rank):
        # a map that is the same everywhere agrees with nothing
        as_high = int((np.nan_to_num(ranks, nan=-1.0) >= rank).sum())
        rank_share = (1 + as_high) / (1 + len(others))
    if np.isfinite(ranks).any():
        mean_rank = float(np.nanmean(ranks))
    return Agreement(rank, overlap, expected, rank_share, len(others), mean_rank)


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
    if segments.min() < 0 or not counts.all():
        raise ValueError("segments must be numbered from 0 without gaps; renumber them with numpy.unique")
    bilinear = Image.Resampling.BILINEAR
    sized = [np.asarray(Image.fromarray(own.astype(np.float32)).resize((width, height), bilinear)) for own in maps]
    return np.stack([np.bincount(segments.ravel(), own.ravel()) for own in sized]) / counts


def _top_size(count: int) -> int:
    return max(1, round(TOP * count))


def _rank(row: Float64, rows: Float64) -> Float64:
    """Spearman's correlation of one row (1, S) with each of M rows, NaN where a row is constant."""
    ranks = [rankdata(part, axis=1) - (part.shape[1] + 1) / 2 for part in (row, rows)]
    size = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    product = (ranks[0] * ranks[1]).sum(axis=1)
    return np.divide(product, size, out=np.full(len(rows), np.nan), where=size > 0)


def _overlap(row: Float64, rows: Float64) -> Float64:
    """Share of the top segments of one row (1, S) among those of each of M rows."""
    top = _top_size(row.shape[1])
    own = np.argsort(-row, axis=1, kind="stable")[:, :top]
    others = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    return (others[:, :, None] == own[:, None, :]).any(axis=2).mean(axis=1)
