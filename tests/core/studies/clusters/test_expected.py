"""What a cluster's margins let expect: where they are all there is, and where something else is planted."""

import numpy as np
import pytest

from core.studies.clusters.expected import expected_errors

SIZE = 6000


def made(seed: int, *, more: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins, errors and a cluster of unsure images; `more` of its images go wrong beyond what their margins say."""
    generator = np.random.default_rng(seed)
    margins = generator.exponential(2, SIZE)
    inside = generator.random(SIZE) < 1 / (1 + margins)
    odds = 0.5 * np.exp(-margins) + more * inside
    return margins, generator.random(SIZE) < odds, inside


def test_a_cluster_that_is_only_unsure_restates_confidence() -> None:
    """The interval contains 0 about as often as it claims, though the cluster errs far more than the rest."""
    held = 0
    for seed in range(40):
        margins, wrong, inside = made(seed)
        found = expected_errors(margins, wrong, inside, np.ones(SIZE))
        assert wrong[inside].mean() > 1.3 * wrong[~inside].mean()
        held += found.beyond.low <= 0 <= found.beyond.high
    assert held >= 35


def test_what_is_beyond_the_margins_is_found() -> None:
    margins, wrong, inside = made(1, more=0.1)
    found = expected_errors(-margins, wrong, inside, np.ones(SIZE))
    assert found.beyond.low > 0
    # the cluster is among those that it is compared with, so part of the 0.1 is expected of it
    assert 0.03 < found.beyond.value < 0.1
    assert found.rate.value + found.beyond.value == pytest.approx(wrong[inside].mean())
    strict = expected_errors(-margins, wrong, inside, np.ones(SIZE), confidence=0.999)
    assert strict.beyond.low < found.beyond.low
    assert strict.rate == found.rate


def test_it_is_a_mean_over_images_of_equal_margins() -> None:
    """Two margins, by hand: 25 of 70 unsure images err and 20 of 110 sure ones; the cluster has 30 and 10 of them."""
    margins = np.repeat([1.0, 5.0, 1.0, 5.0], [40, 100, 30, 10])
    inside = np.repeat([False, True], [140, 40])
    wrong = np.zeros(180, bool)
    wrong[:10] = wrong[40:60] = wrong[140:155] = True
    found = expected_errors(margins, wrong, inside, np.ones(180))
    assert found.rate.value == pytest.approx(0.75 * 25 / 70 + 0.25 * 20 / 110)
    assert found.beyond.value == pytest.approx(15 / 40 - found.rate.value)
    # an image that stands for three counts like three
    weighted = expected_errors(margins, wrong, inside, np.where(margins == 5, 3.0, 1.0))
    assert weighted.rate.value == pytest.approx(0.5 * 25 / 70 + 0.5 * 20 / 110)


def test_rounding_is_no_difference() -> None:
    """The three least sure images lie in the cluster with its one error, so of their margins there are no others."""
    margins = np.arange(1.0, 41.0)
    found = expected_errors(margins, margins == 3, margins <= 5, np.ones(40))
    assert found.rate.value == pytest.approx(1 / 5)
    assert found.beyond[:3] == (0, 0, 0)


def test_what_no_other_image_has_is_no_difference() -> None:
    """All images of one margin are in the cluster: nobody can tell its errors from those of that margin."""
    margins = np.repeat([1.0, 5.0], 100)
    inside = margins == 1
    wrong = inside & (np.arange(200) % 3 == 0)
    found = expected_errors(margins, wrong, inside, np.ones(200))
    assert found.beyond[:3] == pytest.approx((0, 0, 0))
    assert found.rate.value == pytest.approx(wrong[inside].mean())
    none = expected_errors(margins, np.zeros(200, bool), inside, np.ones(200))
    assert (none.rate.value, none.beyond.value) == (0, 0)
