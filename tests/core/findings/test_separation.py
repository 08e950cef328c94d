"""AUROC and its interval against scikit-learn and against counting; rules, strata and leaning on made numbers."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from core.findings.separation import (
    auroc,
    best_rule,
    carried_rule,
    difference_of_aurocs,
    leaning,
    within_strata,
)


def two_classes(n: int = 400, shift: float = 0.7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of two classes, `shift` standard deviations apart, with ties."""
    generator = np.random.default_rng(seed)
    is_real = np.arange(n) % 2 == 0
    return np.round(generator.normal(0, 1, n) + shift * is_real, 1), is_real


def test_the_interval_is_delongs_computed_pair_by_pair() -> None:
    scores, is_real = two_classes(120)
    real, fake = scores[is_real], scores[~is_real]
    wins = (real[:, None] > fake) + 0.5 * (real[:, None] == fake)
    variance = wins.mean(axis=1).var(ddof=1) / len(real) + wins.mean(axis=0).var(ddof=1) / len(fake)
    found = auroc(scores, is_real)
    assert found.value == pytest.approx(wins.mean())
    assert found.high - found.value == pytest.approx(1.959964 * np.sqrt(variance), rel=1e-5)
    assert found.images == 120


def test_perfect_and_missing_classes() -> None:
    perfect = auroc(np.arange(20), np.arange(20) >= 10)
    assert perfect.value == 1
    assert 0.6 < perfect.low < 0.9
    assert np.isnan(auroc(np.arange(5), np.ones(5, bool)).value)


def test_a_rule_uses_a_fact_whose_middle_means_one_class() -> None:
    generator = np.random.default_rng(0)
    is_real = np.arange(1000) % 2 == 0
    values = np.where(is_real, generator.normal(0, 0.3, 1000), generator.choice([-2, 2], 1000))
    assert abs(roc_auc_score(is_real, values) - 0.5) < 0.1
    assert roc_auc_score(is_real, best_rule(values, is_real)) > 0.97
    there = carried_rule(values[:500], is_real[:500], values[500:])
    assert roc_auc_score(is_real[500:], there) > 0.97


def test_a_rule_never_knows_the_image_that_it_judges() -> None:
    """Every value occurs once: whoever had seen the label would be right everywhere."""
    is_real = np.random.default_rng(0).random(400) < 0.5
    values = np.array([f"file {number}" for number in range(400)])
    assert (best_rule(values, is_real) == best_rule(values, ~is_real) * -1).all()
    assert abs(roc_auc_score(is_real, best_rule(values, is_real)) - 0.5) < 0.06


def test_inside_strata_a_detector_of_the_fact_alone_is_blind() -> None:
    generator = np.random.default_rng(0)
    is_real = np.arange(4000) % 2 == 0
    fact = generator.integers(0, 10, 4000) / 10 + 0.3 * is_real
    noise = generator.normal(0, 1, 4000)
    strata = np.asarray(np.round(fact * 10), np.intp)
    # it sees the fact and noise: outside of strata it is good, inside it guesses
    leaner = within_strata(5 * (fact - 0.6) + 0.1 * noise, is_real, strata)
    assert roc_auc_score(is_real, fact) > 0.7
    assert leaner.auroc.low < 0.5 < leaner.auroc.high
    assert leaner.accuracy.low < 0.5 < leaner.accuracy.high
    # it sees something else: strata change nothing
    margins = noise + 2 * is_real - 1
    other = within_strata(margins, is_real, strata)
    assert other.auroc.low < roc_auc_score(is_real, margins) < other.auroc.high
    assert other.accuracy.low < balanced_accuracy_score(is_real, margins > 0) < other.accuracy.high


def test_strata_are_weighted_by_what_they_say_of_a_difference() -> None:
    """Two strata of other sizes: weights n m / (n + m), and the variance of the weighted mean."""
    generator = np.random.default_rng(3)
    strata = np.repeat([0, 1], [60, 300])
    is_real = np.concatenate([np.arange(60) < 12, np.arange(300) < 150])
    margins = generator.normal(0, 1, 360) + np.where(strata == 0, 3.0, 0.7) * (is_real - 0.5)
    found, weights = within_strata(margins, is_real, strata), np.array([12 * 48 / 60, 150 * 150 / 300])
    weights /= weights.sum()
    parts = [(margins[strata == k], is_real[strata == k]) for k in (0, 1)]
    accuracies = [balanced_accuracy_score(real, values > 0) for values, real in parts]
    assert found.accuracy.value == pytest.approx(weights @ accuracies)
    variances = [
        sum((right := (values > 0)[real == side] == side).mean() * (1 - right.mean()) / len(right) for side in (0, 1))
        / 4
        for values, real in parts
    ]
    assert found.accuracy.high - found.accuracy.value == pytest.approx(1.959964 * np.sqrt(weights**2 @ variances))
    areas = [auroc(values, real) for values, real in parts]
    assert found.auroc.value == pytest.approx(weights @ [area.value for area in areas])
    halves = np.array([area.value - area.low for area in areas])
    assert found.auroc.value - found.auroc.low == pytest.approx(np.sqrt(weights**2 @ halves**2), rel=1e-6)


def test_leaning_is_spearmans_within_each_class() -> None:
    generator = np.random.default_rng(0)
    is_real = np.arange(1000) % 2 == 0
    fact = generator.normal(0, 1, 1000) + 3 * is_real
    margins = fact - 3 * is_real + generator.normal(0, 1, 1000) + 9 * is_real
    rhos = [spearmanr(fact[chosen], margins[chosen]).statistic for chosen in (is_real, ~is_real)]
    found = leaning(fact, margins, is_real)
    assert found.value == pytest.approx(np.tanh(np.mean(np.arctanh(rhos))))
    assert found.low < 0.69 < found.high
    # between classes alone nothing counts
    apart = leaning(fact, generator.normal(0, 1, 1000) + 9 * is_real, is_real)
    assert apart.low < 0 < apart.high
    assert np.isnan(leaning(np.zeros(1000), margins, is_real).value)
    # a class in which nothing varies is not among the images either
    assert (found.images, leaning(np.where(is_real, 0.0, fact), margins, is_real).images) == (1000, 500)


def test_difference_of_aurocs() -> None:
    generator = np.random.default_rng(1)
    is_real = generator.random(400) < 0.4
    shared = generator.normal(0, 1, 400) + is_real
    first, second = (np.round(shared + generator.normal(0, spread, 400), 1) for spread in (0.4, 1.5))
    found = difference_of_aurocs(first, second, is_real)
    assert found.value == pytest.approx(roc_auc_score(is_real, first) - roc_auc_score(is_real, second))
    # the spread over resampled images is what the interval's width says
    again = []
    for _ in range(400):
        rows = np.concatenate(
            [generator.choice(np.flatnonzero(is_real == real), (is_real == real).sum()) for real in (0, 1)]
        )
        again.append(roc_auc_score(is_real[rows], first[rows]) - roc_auc_score(is_real[rows], second[rows]))
    assert (found.high - found.low) / 3.92 == pytest.approx(np.std(again), rel=0.12)
    assert np.isnan(difference_of_aurocs(first, second, np.ones(400, bool)).value)
    # of few images that are all alike the variance says nothing
    few = difference_of_aurocs(np.arange(6.0), np.zeros(6), np.arange(6) > 2)
    assert few.value == 0.5
    assert np.isnan(few[1:3]).all()
