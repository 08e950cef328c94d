"""The detector of patches: the margin is the mean of the scores of its patches and of nothing else."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from core.detectors.patch import PATCH_SIDES
from core.explainers.exact import EXACT
from tests.conftest import make_patch, textured

PIXELS = textured(3, fine=True, seed=5)


@pytest.mark.parametrize("field", PATCH_SIDES)
def test_the_margin_is_the_mean_score_of_patches_cut_out_one_by_one(field):
    detector = make_patch(field)
    corners = [(y, x) for y in range(0, 32 - field + 1, 2) for x in range(0, 32 - field + 1, 2)]
    for image, margin, scores in zip(PIXELS, detector.margins(PIXELS), detector.local_scores(PIXELS), strict=True):
        patches = np.stack([image[y : y + field, x : x + field] for y, x in corners])
        with torch.no_grad():
            alone = detector.network(detector.inputs(patches))
        alone = (alone[:, 1] - alone[:, 0]).numpy()
        assert np.ptp(alone) > 0.1
        assert_allclose(scores.ravel(), alone, atol=1e-5)
        assert margin == pytest.approx(alone.mean(), abs=1e-5)
    computed = detector.full_pass(PIXELS)
    assert computed.features.shape == (3, 128)
    assert_allclose(computed.needed_maps.mean((1, 2)) + detector.bias, computed.margins, atol=1e-5)


@pytest.mark.parametrize("field", PATCH_SIDES)
def test_the_exact_map_is_the_scores_spread_over_their_patches(field):
    detector = make_patch(field)
    scores = detector.local_scores(PIXELS)
    for number, found in enumerate(EXACT.explain_batch(detector, PIXELS, EXACT.settings())):
        expected = np.zeros((32, 32))
        for (row, column), score in np.ndenumerate(scores[number]):
            expected[2 * row : 2 * row + field, 2 * column : 2 * column + field] += (
                score / scores[number].size / field**2
            )
        assert_allclose(found.values, expected, atol=1e-6)
