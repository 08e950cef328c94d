"""Imputation of the detector's outputs for samples that were not run, with their uncertainty.

LIME's target is the surrogate of all 2^S combinations of S segments, but it runs only a few hundred. A Gaussian process
fitted to these imputes a thousand more; the surrogate is fitted to the imputed values, and the process's uncertainty
becomes that of the weights (Bayesian quadrature: O'Hagan 1991, Rasmussen and Ghahramani 2003).

On `swift` and 50 test images, 256 samples with it rank the segments like about 365 without (0.968 against 0.961 with a
reference of 4,096), for the same time; from 1,024 samples on the two are alike.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy import linalg, stats
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from core.explainers.lime.gaussian_process import TUNED_ON, Differences, Process, fold, in_pairs, tune, unfold
from core.explainers.lime.sampling import Samples, balanced_samples
from core.explainers.lime.surrogate import Fit, Jackknife, SampledExplainer, jackknife

# at least; and four for each segment
POPULATION = 1024
# idle threads of BLAS and of torch busy-wait and hold each other up, so BLAS is limited to one
_POOLS = ThreadpoolController()


@dataclass(frozen=True, eq=False)
class Population:
    """The samples whose values are imputed, for one number of segments.

    Attributes:
        samples: balanced, in complement pairs.
        jackknife: maps the samples' values to the surrogate's coefficients and their sampling error.
    """

    samples: Samples
    jackknife: Jackknife

    @property
    def weights_of(self) -> NDArray[np.float64]:
        """float (S, n), what makes the surrogate's weights of the samples' values."""
        return self.jackknife.weights_of[1:]


def population_of(n_segments: int) -> Population:
    """The population for so many segments: always the same, so that images share it."""
    # for 128 segments it takes 3 MB, for 1,024 a hundred
    return _small_population(n_segments) if n_segments <= 128 else _large_population(n_segments)


def _make_population(n_segments: int) -> Population:
    samples = balanced_samples(max(POPULATION, 4 * n_segments), n_segments, RandomState(0))
    with _POOLS.limit(limits=1, user_api="blas"):
        return Population(samples, jackknife(samples, proximity=SampledExplainer().proximity(samples.keep)))


_small_population = lru_cache(maxsize=64)(_make_population)
_large_population = lru_cache(maxsize=1)(_make_population)


@lru_cache(maxsize=256)
def prior_variance(n_segments: int, process: Process) -> NDArray[np.float64]:
    """Compute the prior variance of each weight, float (S,), before any sample is run."""
    population = population_of(n_segments)
    covariances = Differences(population.samples.keep, population.samples.keep, paired=True).covariances(process)
    parts = zip(fold(population.weights_of, paired=True), covariances, strict=True)
    return np.asarray(sum(((weights @ covariance) * weights).sum(axis=1) for weights, covariance in parts))


class UnseenFitter:
    """Fits the surrogate of one image to guesses.

    Args:
        explainer: whose surrogate it is.
        n_segments: of the image.
    """

    def __init__(self, explainer: SampledExplainer, n_segments: int) -> None:
        self._explainer = explainer
        self._population = population_of(n_segments)

    def fit(self, samples: Samples, values: NDArray[np.float64], *, confidence: float) -> Fit:
        """Fit the surrogate to the population's values, imputed from n samples.

        Args:
            samples: the n that were run; with fewer than S + 2, every interval is infinite.
            values: float (n,), the target in each.
            confidence: of the intervals.
        """
        with _POOLS.limit(limits=1, user_api="blas"):
            return self._fit(samples, values, confidence)

    def _fit(self, samples: Samples, values: NDArray[np.float64], confidence: float) -> Fit:
        keep, population = samples.keep, self._population
        centred = values - values.mean()
        # tuned at each step on the first samples only, so the last fit does not depend on earlier steps
        enough = max(TUNED_ON, 2 * (keep.shape[1] + 1))
        process = tune(keep[:enough], centred[:enough])
        posterior = _posterior(process, keep, centred, population)
        # the package's ridge of the guesses, its matrix inverted once for all images with so many segments
        intercept, *rest = population.jackknife.weights_of @ (values.mean() + posterior.guesses)
        weights = np.array(rest)
        r2 = self._r2(samples, values, weights, intercept)
        freedom = len(keep) - keep.shape[1] - 1
        if freedom < 1:
            return Fit(weights, np.full(len(weights), np.inf), float(intercept), r2)
        doubt = prior_variance(keep.shape[1], replace(process, noise=0.0)) - posterior.known
        scale = posterior.size / freedom
        error = stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(np.maximum(scale * doubt, 0))
        # the population is itself a draw from all combinations
        drawn = population.jackknife.error(posterior.guesses, confidence=confidence)
        return Fit(weights, np.hypot(error, drawn), float(intercept), r2)

    def _r2(
        self, samples: Samples, values: NDArray[np.float64], weights: NDArray[np.float64], intercept: float
    ) -> float:
        proximity = self._explainer.proximity(samples.keep)
        left = np.average((values - intercept - samples.keep @ weights) ** 2, weights=proximity)
        all_of_it = np.average((values - np.average(values, weights=proximity)) ** 2, weights=proximity)
        return float(1 - left / all_of_it) if all_of_it > 0 else 0.0


@dataclass(frozen=True, eq=False)
class _Posterior:
    """The process's posterior over the population, given n samples with their mean value subtracted.

    Attributes:
        guesses: float (P,), the posterior means of the population's P values.
        known: float (S,), how much the samples reduce each weight's prior variance.
        size: the samples' squared norm under the inverse covariance, on average n times the process's variance.
    """

    guesses: NDArray[np.float64]
    known: NDArray[np.float64]
    size: float


def _posterior(
    process: Process, keep: NDArray[np.bool_], values: NDArray[np.float64], population: Population
) -> _Posterior:
    paired = in_pairs(keep)
    within = Differences(keep, keep, paired=paired).covariances(process)
    between = Differences(population.samples.keep, keep, paired=paired).covariances(process)
    guesses, known, size = [], np.zeros(keep.shape[1]), 0.0
    for covariance, across, part, weights_of in zip(
        within, between, fold(values, paired=paired), fold(population.weights_of, paired=paired), strict=True
    ):
        covariance[np.diag_indices_from(covariance)] += process.noise
        # symmetric, and its transpose is in the order that LAPACK overwrites without a copy
        lower = linalg.cholesky(covariance.T, lower=True, overwrite_a=True, check_finite=False)
        solved = linalg.cho_solve((lower, True), part, check_finite=False)
        guesses.append(across @ solved)
        gone = linalg.solve_triangular(lower, (weights_of @ across).T, lower=True, check_finite=False)
        known += (gone**2).sum(axis=0)
        size += float(part @ solved)
    return _Posterior(unfold(guesses), known, size)
