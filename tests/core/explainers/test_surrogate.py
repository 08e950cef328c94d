"""The surrogate, its samples and its intervals, on functions of which every combination can be computed."""

from itertools import product

import numpy as np
import pytest
from numpy.random import RandomState
from numpy.testing import assert_allclose
from scipy import stats
from scipy.spatial.distance import cdist

from core.explainers.segmentation import balanced_samples, random_samples
from core.explainers.surrogate import (
    MAIN_EFFECT,
    NOISES,
    PAIRS,
    POPULATION,
    REACHES,
    TUNED_ON,
    Fit,
    Jackknife,
    Process,
    fit_imputed,
    fit_samples,
    in_pairs,
    proximity_of,
    tune,
)

SEGMENTS = 13


def rough(keep):
    """Effects of single segments, of pairs, of threes, and a saturating whole: what a detector might do."""
    generator = np.random.default_rng(11)
    signs = 2.0 * keep - 1
    value = signs @ generator.normal(0, 0.3, SEGMENTS)
    for order, size in ((2, 0.2), (3, 0.05)):
        for _ in range(25):
            chosen = generator.choice(SEGMENTS, order, replace=False)
            value = value + generator.normal(0, size) * signs[:, chosen].prod(axis=1)
    return value + 0.5 * np.tanh(value)


def textbook(samples, values):
    """The fit of guesses by the formulas as they stand in books: every matrix whole, every solution by `solve`."""
    keep = samples.keep
    count = keep.shape[1]
    enough = min(len(keep), max(TUNED_ON, 2 * (count + 1)))
    process = tune(keep[:enough], values[:enough] - values.mean())

    def covariance(first, second):
        alike = (2.0 * first - 1) @ (2.0 * second - 1).T
        several = np.exp((alike - count) / (2 * process.reach * count))
        pairs = (alike / count) ** 2
        return MAIN_EFFECT * (1 + alike) + process.pairs * pairs + (1 - process.pairs) * several

    known = covariance(keep, keep) + process.noise * np.eye(len(keep))
    population = balanced_samples(max(POPULATION, 4 * count), count, RandomState(0))
    across = covariance(population.keep, keep)
    guesses = values.mean() + across @ np.linalg.solve(known, values - values.mean())
    surrogate = fit_samples(population, guesses)
    weights_of = Jackknife.of(population, proximity_of(population.keep)).weights_of[1:]
    left = covariance(population.keep, population.keep) - across @ np.linalg.solve(known, across.T)
    freedom = len(keep) - count - 1
    scale = (values - values.mean()) @ np.linalg.solve(known, values - values.mean()) / freedom
    error = stats.t.ppf(0.975, freedom) * np.sqrt(scale * np.diag(weights_of @ left @ weights_of.T))
    return Fit(surrogate.weights, np.hypot(error, surrogate.error), surrogate.intercept, np.nan)


# 75 has one sample without its complement, so nothing can be taken apart
@pytest.mark.parametrize("count", [64, 75, 128, 301])
def test_the_fast_fit_is_the_textbooks(count):
    samples = balanced_samples(count, SEGMENTS, RandomState(count))
    values = rough(samples.keep)
    fit = fit_imputed(samples, values)
    expected = textbook(samples, values)
    assert_allclose(fit.weights, expected.weights, rtol=1e-8, atol=1e-9)
    assert_allclose(fit.error, expected.error, rtol=1e-7)
    assert fit.intercept == pytest.approx(expected.intercept, abs=1e-9)


@pytest.mark.parametrize("count", [64, 75])
def test_the_tuned_process_is_the_likeliest(count):
    keep = balanced_samples(count, SEGMENTS, RandomState(2)).keep
    values = rough(keep) - rough(keep).mean()
    found = tune(keep, values)
    distances = cdist(keep, keep, "cityblock").astype(int)
    assert in_pairs(keep) == (count % 2 == 0)

    def likelihood(process):
        covariance = process.kernel(SEGMENTS)[distances] + process.noise * np.eye(count)
        scale = values @ np.linalg.solve(covariance, values) / count
        return stats.multivariate_normal.logpdf(values, cov=scale * covariance)

    choices = [Process(*choice) for choice in product(REACHES, PAIRS, NOISES)]
    assert likelihood(found) == pytest.approx(max(map(likelihood, choices)), abs=1e-6)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_error_is_the_jackknife_over_clusters(balanced):
    """Each cluster is left out and the ridge solved anew with the same penalty (Bell and McCaffrey's CR3)."""
    samples = (balanced_samples if balanced else random_samples)(60, 6, RandomState(2))
    values = np.random.default_rng(0).normal(size=len(samples)) + samples.keep @ np.arange(6.0)
    proximity = proximity_of(samples.keep)
    design = np.column_stack([np.ones(len(samples)), samples.keep])
    penalty = np.diag([0.0] + [len(samples) / 1000] * 6)

    def solved(rows):
        weighted = design[rows] * proximity[rows, None]
        return np.linalg.solve(weighted.T @ design[rows] + penalty, weighted.T @ values[rows])

    whole, clusters = solved(np.ones(len(samples), bool)), np.unique(samples.clusters[samples.clusters > 0])
    moved = np.array([solved(samples.clusters != cluster) - whole for cluster in clusters])
    expected = stats.t.ppf(0.975, len(clusters) - 6) * np.sqrt((moved**2).sum(axis=0))[1:]
    assert not samples.exhaustive
    found = Jackknife.of(samples, proximity_of(samples.keep)).error(values)
    assert_allclose(found, expected, rtol=1e-6)
