"""Segments, numbered without gaps and the package's own, and samples of them, against counting."""

import numpy as np
import pytest
from lime.wrappers.scikit_image import SegmentationAlgorithm
from numpy.random import RandomState
from numpy.testing import assert_array_equal

from core.explainers.segmentation import balanced_samples, distinct_rows, random_samples, segment
from core.explainers.settings import ExplanationError
from tests.conftest import noise, textured

IMAGE = textured(1, fine=False, seed=3)[0]


@pytest.mark.parametrize(
    "method, options",
    [
        ("quickshift", {"kernel_size": 4, "max_dist": 200, "ratio": 0.2}),
        ("slic", {"n_segments": 30, "compactness": 10, "start_label": 0}),
    ],
)
def test_they_are_the_packages(method, options):
    for image in (IMAGE, noise(64, 48)):
        theirs = np.asarray(SegmentationAlgorithm(method, **options)(image))
        found = segment(image, method=method, n_segments=30)
        # without the gaps in their numbers
        assert_array_equal(found, np.unique(theirs, return_inverse=True)[1].reshape(theirs.shape))
        assert found.dtype == np.int32


@pytest.mark.parametrize("count", [0, 1025])
def test_what_cannot_be_cut_is_refused(count):
    with pytest.raises(ExplanationError, match="segment"):
        segment(IMAGE, n_segments=count)
    assert segment(IMAGE, method="grid", n_segments=1024).max() == 1023


@pytest.mark.parametrize("n_samples, segments", [(16, 4), (15, 4), (2, 1), (40, 4), (200, 40), (7, 5), (300, 33)])
def test_balanced_samples_are_complement_pairs_and_every_combination_where_there_is_room(n_samples, segments):
    samples = balanced_samples(n_samples, segments, RandomState(n_samples))
    is_exhaustive = 2**segments <= n_samples
    assert samples.exhaustive == is_exhaustive
    assert len(samples) == (2**segments if is_exhaustive else n_samples)
    assert samples.keep.shape[1] == segments
    assert samples.keep[0].all()
    pairs = len(samples) // 2 * 2
    assert_array_equal(samples.keep[1:pairs:2], ~samples.keep[:pairs:2])
    assert_array_equal(samples.clusters, np.arange(len(samples)) // 2)
    different = {row.tobytes() for row in samples.keep}
    assert len(different) == len(samples) or not is_exhaustive
    # each draw has its own order
    again = balanced_samples(n_samples, segments, RandomState(1)).keep
    assert (again != samples.keep).any() or segments < 2


def test_in_a_block_segments_and_pairs_of_segments_are_kept_equally_often():
    blocks = balanced_samples(2 + 4 * 64, 40, RandomState(3)).keep[2:]
    for keep in (blocks[:128], blocks[128:]):
        signs = 2.0 * keep - 1
        assert_array_equal(keep.mean(axis=0), 0.5)
        assert_array_equal(signs.T @ signs, 128 * np.eye(40))
        # no segment's own effect can be taken for an interaction of two others
        pairs = np.einsum("ni,nj->nij", signs, signs).reshape(len(signs), -1)
        assert_array_equal(signs.T @ pairs, 0)
    # a block of its own: other columns, signs and order
    assert len({row.tobytes() for row in blocks}) > 200


@pytest.mark.parametrize("segments", [1, 3, 8, 9, 20])
def test_distinct_rows_are_numbered_in_the_order_in_which_they_first_occur(segments):
    keep = random_samples(60, segments, RandomState(segments)).keep
    assert keep[0].all()
    seen = {}
    order = [seen.setdefault(row.tobytes(), len(seen)) for row in keep]
    first, inverse = distinct_rows(keep)
    assert_array_equal(inverse, order)
    assert_array_equal(first, [order.index(number) for number in range(len(seen))])


# 12 would be 2.4 rows of 4.9 squares, 60 would be 5.5 rows of 11
@pytest.mark.parametrize("asked, rows, columns", [(1, 1, 1), (12, 2, 6), (60, 5, 12), (3, 1, 3), (800, 20, 40)])
def test_a_grid_has_nearly_square_cells_in_rows(asked, rows, columns):
    labels = segment(np.zeros((20, 40, 3), np.uint8), method="grid", n_segments=asked)
    assert (labels.dtype, labels.shape) == (np.int32, (20, 40))
    expected = [[y * rows // 20 * columns + x * columns // 40 for x in range(40)] for y in range(20)]
    assert_array_equal(labels, expected)
