"""Segments of an image: numbered without gaps, as many as were asked for, and the package's own."""

import numpy as np
import pytest
from lime.wrappers.scikit_image import SegmentationAlgorithm
from numpy.testing import assert_array_equal

from core.explainers.lime.segmentation import SEGMENTATIONS, segment
from tests.conftest import noise, textured

IMAGE = textured(1, fine=False, seed=3)[0]


@pytest.mark.parametrize("method", SEGMENTATIONS)
@pytest.mark.parametrize("count", [1, 6, 40])
def test_segments_are_numbered_without_gaps(method, count):
    image = IMAGE[:, :24]
    regions = segment(image, method=method, n_segments=count)
    assert regions.shape == (32, 24)
    assert regions.dtype == np.int32
    assert_array_equal(np.unique(regions), np.arange(regions.max() + 1))
    if method != "quickshift":
        assert count / 2 <= regions.max() + 1 <= 2 * count


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
        assert_array_equal(
            segment(image, method=method, n_segments=30),
            np.unique(theirs, return_inverse=True)[1].reshape(theirs.shape),
        )


@pytest.mark.parametrize("settings", [{"method": "felzenszwalb"}, {"n_segments": 0}, {"n_segments": 1025}])
def test_what_cannot_be_cut_is_refused(settings):
    with pytest.raises(ValueError, match="segment"):
        segment(IMAGE, **settings)
    assert segment(IMAGE, method="grid", n_segments=1024).max() == 1023
