"""Intervals over seeds and images against statsmodels and simulation."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from core.metrics.intervals import Estimate
from core.metrics.seeds import difference_of_independent, share_over_seeds


def test_of_countless_images_it_is_student_s_over_seeds() -> None:
    shares = np.array([0.71, 0.74, 0.69])
    found = share_over_seeds(np.rint(shares * 10**9).astype(np.int64), 10**9)
    assert (found.low, found.high) == pytest.approx(DescrStatsW(shares).tconfint_mean(), abs=1e-4)


def test_of_equal_seeds_and_of_one_it_is_wilson_s_over_images() -> None:
    ends = proportion_confint(150, 200, method="wilson")
    for right in ([150], [150, 150, 150]):
        found = share_over_seeds(np.array(right), 200)
        assert (found.low, found.high) == pytest.approx(ends)


def test_it_contains_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        hard = generator.normal(1, 1, 300)
        luck = generator.normal(0, 0.2, 3)
        right = np.array([(generator.random(300) < 1 / (1 + np.exp(-(hard + one)))).sum() for one in luck])
        found = share_over_seeds(right, 300)
        # over new images and new seeds
        hits += found.low <= TRUTH <= found.high
    assert hits / 400 > 0.94


TRUTH = float(np.mean(1 / (1 + np.exp(-np.random.default_rng(9).normal(1, np.hypot(1, 0.2), 400_000)))))


def test_differences_of_independent_estimates_widen() -> None:
    one, other = Estimate(0.8, 0.77, 0.83, 100), Estimate(0.5, 0.46, 0.54, 100)
    found = difference_of_independent(one, other)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.25, 0.35))


def test_nothing_is_nothing() -> None:
    assert np.isnan(share_over_seeds(np.array([], int), 10).value)
