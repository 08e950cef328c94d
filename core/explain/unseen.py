"""What the detector would say to samples that were not run, guessed from those that were, with the doubt that remains.

LIME wants the surrogate of all 2^S combinations of S segments and runs a few hundred. A Gaussian process through what
was run guesses a thousand more; the surrogate is fitted to the guesses, and the process's doubt becomes the weights'
(Bayesian quadrature: O'Hagan 1991, Rasmussen and Ghahramani 2003).
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from scipy import linalg, stats
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from core.explain.sampling import Samples, balanced_samples
from core.explain.surrogate import Fit, SampledExplainer, ridge, sampling_error

# at least; and four for each segment
POPULATION = 1024
# the samples that the process is tuned on, at least
TUNED_ON = 128
REACHES = (0.06, 0.25, 1.0)
PAIRS = (0.0, 0.5, 0.9)
NOISES = (0.01, 0.03, 0.1, 0.3, 1.0)
# prior variance of a segment's own effect, in units of the interactions': wide enough not to shrink it
MAIN_EFFECT = 10.0
# torch's threads still spin when they have just run the samples, and a second thread of BLAS would wait for them
_POOLS = ThreadpoolController()


@dataclass(frozen=True)
class Process:
    """A Gaussian process over samples: every segment's own effect, and interactions of two and of more segments.

    Attributes:
        reach: the covariance of interactions falls by e for each `reach` of all segments in which two samples differ;
            the smaller it is, the more room have interactions of many segments.
        pairs: share of the interactions' variance that is those of two segments and no more, 0 to 1.
        noise: variance of what it cannot explain, in units of the interactions'.
    """

    reach: float
    pairs: float
    noise: float

    def covariance(self, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> NDArray[np.float64]:
        """float (n, m), between samples, without the noise."""
        count = first.shape[1]
        alike = (2.0 * first - 1) @ (2.0 * second - 1).T
        total = alike - count
        total /= 2 * self.reach * count
        np.exp(total, out=total)
        total *= 1 - self.pairs
        # of the rest, pairs * (alike / count)**2 + MAIN_EFFECT * (1 + alike), in place: fresh memory is what costs here
        total += MAIN_EFFECT
        rest = alike * (self.pairs / count**2)
        rest += MAIN_EFFECT
        rest *= alike
        total += rest
        return np.asarray(total)


def tune(keep: NDArray[np.bool_], values: NDArray[np.float64]) -> Process:
    """The process under which the values of n samples, with a mean of 0, are likeliest."""
    best, found = -np.inf, Process(REACHES[-1], PAIRS[-1], NOISES[-1])
    for reach, pairs in product(REACHES, PAIRS):
        spectrum, axes = np.linalg.eigh(Process(reach, pairs, 0).covariance(keep, keep))
        turned = (axes.T @ values) ** 2
        for noise in NOISES:
            variances = np.maximum(spectrum, 0) + noise
            scale = np.mean(turned / variances)
            likelihood = -np.log(scale) - np.mean(np.log(variances)) if scale > 0 else -np.inf
            if likelihood > best:
                best, found = likelihood, Process(reach, pairs, noise)
    return found


@dataclass(frozen=True, eq=False)
class Population:
    """The samples that are guessed, for one number of segments.

    Attributes:
        samples: balanced.
        proximity: float (n,), their weights in the surrogate.
        weights_of: float (S, n), what makes the surrogate's weights of the samples' values.
    """

    samples: Samples
    proximity: NDArray[np.float64]
    weights_of: NDArray[np.float64]


@lru_cache(maxsize=64)
def population_of(n_segments: int) -> Population:
    """The population for so many segments: always the same, so that images share it."""
    samples = balanced_samples(max(POPULATION, 4 * n_segments), n_segments, RandomState(0))
    proximity = SampledExplainer().proximity(samples.keep)
    design, root, solve = ridge(samples.keep, proximity)
    return Population(samples, proximity, (solve @ (design * root[:, None]).T)[1:])


@lru_cache(maxsize=256)
def prior_variance(n_segments: int, process: Process) -> NDArray[np.float64]:
    """float (S,), how far each weight could lie from 0 before any sample was run."""
    population = population_of(n_segments)
    covariance = process.covariance(population.samples.keep, population.samples.keep)
    return np.asarray(((population.weights_of @ covariance) * population.weights_of).sum(axis=1))


class UnseenFitter:
    """Fits the surrogate of one image to guesses; tunes the process once and keeps it.

    Args:
        explainer: whose surrogate it is.
        n_segments: of the image.
    """

    def __init__(self, explainer: SampledExplainer, n_segments: int) -> None:
        self._explainer = explainer
        self._population = population_of(n_segments)
        self._tuned: tuple[int, Process] | None = None

    def fit(self, samples: Samples, values: NDArray[np.float64], *, confidence: float) -> Fit:
        """The surrogate of the population as guessed from n samples.

        Args:
            samples: that were run; more than segments, or every interval is infinite.
            values: float (n,), the target in each.
            confidence: of the intervals.
        """
        with _POOLS.limit(limits=1, user_api="blas"):
            return self._fit(samples, values, confidence)

    def _fit(self, samples: Samples, values: NDArray[np.float64], confidence: float) -> Fit:
        keep, population = samples.keep, self._population
        centred = values - values.mean()
        process = self._process(keep, centred)
        covariance = process.covariance(keep, keep)
        covariance[np.diag_indices_from(covariance)] += process.noise
        # symmetric, and its transpose is in the order that LAPACK overwrites without a copy
        lower = linalg.cholesky(covariance.T, lower=True, overwrite_a=True, check_finite=False)
        across = process.covariance(population.samples.keep, keep)
        solved = linalg.cho_solve((lower, True), centred, check_finite=False)
        guesses = values.mean() + across @ solved
        weights, intercept, _ = self._explainer.surrogate(population.samples.keep, guesses)
        r2 = self._r2(samples, values, weights, intercept)
        freedom = len(keep) - keep.shape[1] - 1
        if freedom < 1:
            return Fit(weights, np.full(len(weights), np.inf), intercept, r2)
        known = linalg.solve_triangular(lower, (population.weights_of @ across).T, lower=True, check_finite=False)
        doubt = prior_variance(keep.shape[1], replace(process, noise=0.0)) - (known**2).sum(axis=0)
        scale = centred @ solved / freedom
        error = stats.t.ppf(0.5 + confidence / 2, freedom) * np.sqrt(np.maximum(scale * doubt, 0))
        # the population is itself a draw from all combinations
        drawn = sampling_error(population.samples, guesses, proximity=population.proximity, confidence=confidence)
        return Fit(weights, np.hypot(error, drawn), intercept, r2)

    def _process(self, keep: NDArray[np.bool_], values: NDArray[np.float64]) -> Process:
        enough = min(len(keep), max(TUNED_ON, 2 * (keep.shape[1] + 1)))
        if self._tuned is None or self._tuned[0] < enough:
            self._tuned = enough, tune(keep[:enough], values[:enough])
        return self._tuned[1]

    def _r2(
        self, samples: Samples, values: NDArray[np.float64], weights: NDArray[np.float64], intercept: float
    ) -> float:
        proximity = self._explainer.proximity(samples.keep)
        left = np.average((values - intercept - samples.keep @ weights) ** 2, weights=proximity)
        all_of_it = np.average((values - np.average(values, weights=proximity)) ** 2, weights=proximity)
        return float(1 - left / all_of_it) if all_of_it > 0 else 0.0
