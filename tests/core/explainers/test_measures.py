"""Agreement of maps by scipy and sets, and deletion and insertion curves against torchcam's."""

from itertools import product
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.stats import spearmanr
from torchcam.metrics import DeletionInsertionMetric

from core.explainers.measures import agreement, agreement_of, areas, deletion_curves, segment_values
from core.images.labels import FAKE, REAL
from core.perturbations.masking import fill_image

SEGMENTS = np.add.outer(np.arange(32) // 4 * 8, np.arange(32) // 4)


def smooth_maps(n, *, seed):
    """float32 (n, 4, 4), each leaning to the middle."""
    middle = 1 - np.hypot(*(np.indices((4, 4)) - 1.5)) / 3
    return (middle + np.random.default_rng(seed).normal(0, 0.4, (n, 4, 4))).astype(np.float32)


def explained(values, verdict):
    """What is compared of an explanation."""
    image = np.zeros((32, 32, 3), np.uint8)
    return SimpleNamespace(image=image, values=values, regions=None, one_sided=None, verdict=verdict)


def test_rank_and_overlap_are_what_scipy_and_sets_say():
    first, second = smooth_maps(2, seed=1)
    found = agreement(first, second, segments=SEGMENTS)
    one, two = segment_values(np.stack([first, second]), SEGMENTS)
    assert found.rank == pytest.approx(spearmanr(one, two)[0])
    top = [set(np.argsort(-values)[:16]) for values in (one, two)]
    assert found.overlap == len(top[0] & top[1]) / 16


@pytest.mark.parametrize("verdict, overlap", [("FAKE", 1), ("REAL", 0)])
def test_the_overlap_is_of_the_places_first_for_the_verdict(verdict, overlap):
    # the same quarter speaks for FAKE in both, another in each for REAL
    first, second = np.zeros((32, 32)), np.zeros((32, 32))
    first[:8] = second[:8] = -1
    first[8:16] = second[24:] = 1
    one, two = (explained(values, verdict) for values in (first, second))
    found = agreement_of(one, two, others=second[None])
    assert found.overlap == overlap
    assert found.rank == pytest.approx(spearmanr(*segment_values(np.stack([first, second]), SEGMENTS))[0])


def test_maps_that_agree_exactly_as_well_count_against_the_agreement():
    first, second, worse = smooth_maps(3, seed=3)
    # 19 other images, 5 of which have this image's own map: ties are at least as good
    others = np.stack([second] * 5 + [-first] * 14)
    found = agreement(first, second, segments=SEGMENTS, others=others)
    assert found.rank_share == 6 / 20
    assert found.as_well == 5
    assert agreement(first, first, segments=SEGMENTS, others=np.stack([worse] * 19)).rank_share == 1 / 20


def test_chance_is_ruled_out_only_by_enough_other_images():
    """Of 18 others not one may fit as well and it is still more than one in twenty, this image counted."""
    own, others = smooth_maps(1, seed=1)[0], smooth_maps(30, seed=2)
    told = {count: agreement(own, own, segments=SEGMENTS, others=others[:count]) for count in (0, 18, 19, 30)}
    assert [found.beyond_chance for found in told.values()] == [None, None, True, True]
    assert {found.as_well for found in told.values()} == {0}
    ranks = [agreement(own, one, segments=SEGMENTS).rank for one in others]
    middle = int(np.argsort(ranks)[15])
    middling = agreement(own, others[middle], segments=SEGMENTS, others=np.delete(others, middle, axis=0))
    assert middling.as_well == sum(rank >= ranks[middle] for rank in ranks) - 1 == 14
    assert middling.beyond_chance is False


def test_areas_are_those_of_torchcams_metric(tiny_detector, pixels):
    """With a segment a pixel, as torchcam ranks pixels; two maps under two fills at once."""
    fills = ["blur", "black"]
    each = np.arange(1024).reshape(32, 32)
    for number, image in enumerate(pixels[::8]):
        maps = np.random.default_rng(number).normal(size=(2, 32, 32))
        ours = deletion_curves(tiny_detector.margins, image, each, values=maps.reshape(2, -1), fills=fills, steps=8)
        for (at, values), (of, fill) in product(enumerate(maps), enumerate(fills)):
            # an extractor whose map is given
            extractor = MagicMock(return_value=[torch.from_numpy(values)[None]], model=tiny_detector.network)
            extractor.fuse_cams = lambda cams: cams[0]
            baseline = tiny_detector.inputs(fill_image(image, each, fill=fill)[None])
            metric = DeletionInsertionMetric(extractor, steps=8, baseline=baseline)
            metric.update(tiny_detector.inputs(image[None]), targets=lambda logits: logits[REAL] - logits[FAKE])
            found = metric.summary()
            assert_allclose(areas(ours)[at, of, 0], found["deletion_auc"], rtol=1e-3, atol=1e-4)
            assert_allclose(areas(ours)[at, of, 1], found["insertion_auc"], rtol=1e-3, atol=1e-4)
