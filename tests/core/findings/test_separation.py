"""AUROC and its interval against scikit-learn and against counting; rules and strata on made numbers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from core.findings.separation import auroc, bin_log_odds, cross_fit, difference_of_aurocs, strata_of, within_strata


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


def rule(values: np.ndarray, is_real: np.ndarray, training: int = 0) -> np.ndarray:
    """Scores of all images but the first `training`, to which the rule is fitted; cross-fitted without."""
    bins = strata_of(pd.Series(values))
    return cross_fit(bin_log_odds, bins[training:], is_real[training:], bins[:training], is_real[:training])


def test_a_rule_uses_a_fact_whose_middle_means_one_class() -> None:
    generator = np.random.default_rng(0)
    is_real = np.arange(1000) % 2 == 0
    values = np.where(is_real, generator.normal(0, 0.3, 1000), generator.choice([-2, 2], 1000))
    assert abs(roc_auc_score(is_real, values) - 0.5) < 0.1
    for training in (0, 500):
        assert roc_auc_score(is_real[training:], rule(values, is_real, training)) > 0.97


def test_a_rule_never_knows_the_image_that_it_judges() -> None:
    """Every value occurs once: whoever had seen the label would be right everywhere."""
    is_real = np.random.default_rng(0).random(400) < 0.5
    values = np.array([f"file {number}" for number in range(400)])
    assert (rule(values, is_real) == -rule(values, ~is_real)).all()
    assert abs(roc_auc_score(is_real, rule(values, is_real)) - 0.5) < 0.06


def test_inside_strata_a_detector_of_the_fact_alone_is_blind() -> None:
    generator = np.random.default_rng(0)
    is_real = np.arange(4000) % 2 == 0
    fact = generator.integers(0, 10, 4000) / 10 + 0.3 * is_real
    noise = generator.normal(0, 1, 4000)
    strata = np.asarray(np.round(fact * 10), np.intp)
    # it sees the fact and noise: outside of strata it is good, inside it guesses
    leaner = within_strata(5 * (fact - 0.6) + 0.1 * noise, is_real, strata)
    assert roc_auc_score(is_real, fact) > 0.7
    assert leaner.low < 0.5 < leaner.high
    # it sees something else: strata change nothing
    margins = noise + 2 * is_real - 1
    other = within_strata(margins, is_real, strata)
    assert other.low < roc_auc_score(is_real, margins) < other.high


def test_strata_are_weighted_by_what_they_say_of_a_difference() -> None:
    """Two strata of other sizes: weights n m / (n + m), and the variance of the weighted mean."""
    generator = np.random.default_rng(3)
    strata = np.repeat([0, 1], [60, 300])
    is_real = np.concatenate([np.arange(60) < 12, np.arange(300) < 150])
    margins = generator.normal(0, 1, 360) + np.where(strata == 0, 3.0, 0.7) * (is_real - 0.5)
    found, weights = within_strata(margins, is_real, strata), np.array([12 * 48 / 60, 150 * 150 / 300])
    weights /= weights.sum()
    areas = [auroc(margins[strata == k], is_real[strata == k]) for k in (0, 1)]
    assert found.value == pytest.approx(weights @ [area.value for area in areas])
    halves = np.array([area.value - area.low for area in areas])
    assert found.value - found.low == pytest.approx(np.sqrt(weights**2 @ halves**2), rel=1e-6)


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
