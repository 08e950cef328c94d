"""LIME's surrogate: the lime package's kernel and ridge, and what the draw of the samples does to its weights."""

from dataclasses import dataclass

import numpy as np
from lime.lime_base import LimeBase
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from core.arrays import Float64, Mask, Positions
from core.explainers.lime.segmentation import Samples

# of the package's exponential kernel
KERNEL_WIDTH = 0.25


@dataclass(frozen=True, eq=False)
class Fit:
    """A surrogate of S segments.

    Attributes:
        weights: float64 (S,).
        error: float64 (S,), half width of each weight's confidence interval; infinite where the samples are too few.
        intercept: what it says where no segment is kept.
        r2: weighted R squared on the samples that were run.
    """

    weights: Float64
    error: Float64
    intercept: float
    r2: float


def distances_of(keep: Mask) -> Float64:
    """Return each sample's cosine distance from the first, which keeps every segment, float64 (n,)."""
    data = keep.astype(np.int64)
    return pairwise_distances(data, data[:1], metric="cosine").ravel()


def kernel(distances: Float64) -> Float64:
    """Return the weight of each sample by its distance; the default of `LimeImageExplainer`."""
    return np.sqrt(np.exp(-(distances**2) / KERNEL_WIDTH**2))


def proximity_of(keep: Mask) -> Float64:
    """Return the weight of each sample in the surrogate, float64 (n,)."""
    return kernel(distances_of(keep))


def fit_samples(samples: Samples, values: Float64, *, confidence: float) -> Fit:
    """Fit the package's ridge to n samples.

    Its alpha of 1 suits its default of 1,000 samples; here alpha is proportional to n, so that the shrinkage of the
    weights does not depend on n.

    Args:
        samples: n rows.
        values: float (n,), the target in each sample.
        confidence: of the intervals, see `Jackknife`.
    """
    data = samples.keep.astype(np.int64)
    distances = distances_of(samples.keep)
    intercept, pairs, r2, _ = LimeBase(kernel).explain_instance_with_data(
        data,
        values[:, None],
        distances,
        0,
        data.shape[1],
        feature_selection="none",
        model_regressor=Ridge(alpha=len(data) / 1000),
    )
    weights = np.array([weight for _, weight in sorted(pairs)])
    error = Jackknife.of(samples, kernel(distances)).error(values, confidence=confidence)
    return Fit(weights, error, float(intercept), float(r2))


@dataclass(frozen=True, eq=False)
class Jackknife:
    """The ridge as linear algebra, and half widths of its weights' confidence intervals over repeated sampling.

    The variance is the cluster-robust one of weighted ridge regression with the small-sample correction CR3 (Bell and
    McCaffrey 2002, equal to the jackknife over clusters); samples drawn together form a cluster. All of it depends on
    the samples only, so images judged on the same samples share it.

    Attributes:
        root: float (n,), the square roots of the samples' weights.
        design: float (n, 1 + S), the samples, weighted.
        weights_of: float (1 + S, n), maps the samples' values to the intercept and the weights.
        pulls: for each cluster size, the clusters' rows, int (C, size), and float (C, 1 + S, size), how far leaving a
            cluster out moves the coefficients per unit of each of its residuals.
        freedom: degrees of freedom, the number of clusters minus that of segments.
        exhaustive: see `Samples`.
    """

    root: Float64
    design: Float64
    weights_of: Float64
    pulls: list[tuple[Positions, Float64]]
    freedom: int
    exhaustive: bool

    @classmethod
    def of(cls, samples: Samples, proximity: Float64) -> "Jackknife":
        """Compute it for n samples and their weights, float (n,)."""
        drawn = np.flatnonzero(samples.clusters)
        sizes = np.bincount(samples.clusters[drawn], minlength=1)
        freedom = int(np.count_nonzero(sizes)) - samples.keep.shape[1]
        root = np.sqrt(proximity)
        design = np.column_stack([np.ones(len(samples)), samples.keep]) * root[:, None]
        penalty = len(samples) / 1000 * np.eye(design.shape[1])
        penalty[0, 0] = 0
        solve = np.linalg.inv(design.T @ design + penalty)
        pulls = []
        if freedom < 1 or samples.exhaustive:
            # there is no error to compute
            drawn = drawn[:0]
        for size in np.unique(sizes[samples.clusters[drawn]]):
            chosen = drawn[sizes[samples.clusters[drawn]] == size].reshape(-1, size)
            block = design[chosen]
            spread, axes = np.linalg.eigh(np.eye(size) - block @ solve @ block.transpose(0, 2, 1))
            # a direction that the fit passes through exactly (spread 0) has no residual to correct
            factor = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0)
            corrected = axes @ (factor[..., None] * axes.transpose(0, 2, 1))
            pulls.append((chosen, solve @ block.transpose(0, 2, 1) @ corrected))
        return cls(root, design, solve @ (design * root[:, None]).T, pulls, freedom, samples.exhaustive)

    def error(self, values: Float64, *, confidence: float) -> Float64:
        """float64 (S,): 0 where every combination was run, infinite where there are no more clusters than segments."""
        count = self.design.shape[1] - 1
        if self.exhaustive:
            return np.zeros(count)
        if self.freedom < 1:
            return np.full(count, np.inf)
        residuals = values * self.root - self.design @ (self.weights_of @ values)
        variance = np.zeros(count + 1)
        for chosen, pull in self.pulls:
            variance += ((pull @ residuals[chosen][..., None]) ** 2).sum(axis=(0, 2))
        return stats.t.ppf(0.5 + confidence / 2, self.freedom) * np.sqrt(variance[1:])
