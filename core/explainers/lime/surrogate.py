"""LIME's surrogate: the lime package's own kernel and ridge, and what the draw of the samples does to its weights."""

from dataclasses import dataclass

import numpy as np
from lime.lime_image import LimeImageExplainer
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

from core.explainers.lime.sampling import Samples, balanced_samples, random_samples


@dataclass(frozen=True, eq=False)
class Fit:
    """A surrogate of S segments.

    Attributes:
        weights: float64 (S,).
        error: float64 (S,), half width of each weight's confidence interval; infinite where the samples are too few.
        intercept: what it says where no segment is kept.
        r2: weighted R squared on the samples that were run.
    """

    weights: NDArray[np.float64]
    error: NDArray[np.float64]
    intercept: float
    r2: float


class SampledExplainer(LimeImageExplainer):  # type: ignore[misc]
    """`LimeImageExplainer` that draws all samples before any is run; kernel and surrogate are the package's."""

    def draw(self, n_samples: int, n_segments: int, *, balanced: bool) -> Samples:
        """Draw samples in running order; without `balanced`, exactly those that the package draws for this seed."""
        if balanced:
            return balanced_samples(n_samples, n_segments, self.random_state)
        # explain_instance draws a seed for the segmentation before data_labels draws the samples
        self.random_state.randint(0, high=1000)
        return random_samples(n_samples, n_segments, self.random_state)

    def distances(self, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
        """float (n,), cosine distance of each sample from the first, which keeps every segment."""
        data = keep.astype(np.int64)
        return np.asarray(pairwise_distances(data, data[:1], metric="cosine").ravel())

    def proximity(self, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
        """float (n,), the weight of each sample in the surrogate."""
        return np.asarray(self.base.kernel_fn(self.distances(keep)))

    def surrogate(
        self, keep: NDArray[np.bool_], values: NDArray[np.float64], *, distances: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.float64], float, float]:
        """Weights (S,), intercept and weighted R squared of the package's ridge on n samples.

        The package's alpha of 1 suits its default of 1,000 samples; here alpha is proportional to n, so that the
        shrinkage of the weights does not depend on n. Pass the `distances` of `keep` if they are known already.
        """
        data = keep.astype(np.int64)
        intercept, pairs, score, _ = self.base.explain_instance_with_data(
            data,
            values[:, None],
            self.distances(keep) if distances is None else distances,
            0,
            data.shape[1],
            feature_selection="none",
            model_regressor=Ridge(alpha=shrinkage(len(data)), fit_intercept=True, random_state=self.random_state),
        )
        weights = np.zeros(data.shape[1])
        for number, weight in pairs:
            weights[number] = weight
        return weights, float(intercept), float(score)

    def fit(self, samples: Samples, values: NDArray[np.float64], *, confidence: float) -> Fit:
        """The surrogate of the samples as they are, with the interval of `sampling_error`."""
        distances = self.distances(samples.keep)
        weights, intercept, r2 = self.surrogate(samples.keep, values, distances=distances)
        proximity = np.asarray(self.base.kernel_fn(distances))
        error = sampling_error(samples, values, proximity=proximity, confidence=confidence)
        return Fit(weights, error, intercept, r2)


def shrinkage(n_samples: int) -> float:
    """The ridge's alpha for so many samples."""
    return n_samples / 1000


def ridge(
    keep: NDArray[np.bool_], proximity: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The package's ridge as linear algebra.

    Returns:
        Weighted design (n, 1 + S), the square roots of the samples' weights (n,), and the inverse (1 + S, 1 + S) that
        maps design.T @ (root * values) to the intercept and the weights.
    """
    root = np.sqrt(proximity)
    design = np.column_stack([np.ones(len(keep)), keep]) * root[:, None]
    penalty = shrinkage(len(keep)) * np.eye(design.shape[1])
    penalty[0, 0] = 0
    return design, root, np.linalg.inv(design.T @ design + penalty)


@dataclass(frozen=True, eq=False)
class Jackknife:
    """The part of `sampling_error` that does not depend on the values, shared by images judged on the same samples.

    Attributes:
        root: float (n,), the square roots of the samples' weights.
        design: float (n, 1 + S), see `ridge`.
        weights_of: float (1 + S, n), maps the samples' values to the intercept and the weights.
        pulls: for each cluster size, the clusters' rows, int (C, size), and float (C, 1 + S, size), how far leaving a
            cluster out moves the coefficients per unit of each of its residuals.
        freedom: degrees of freedom, the number of clusters minus that of segments.
        exhaustive: see `Samples`.
    """

    root: NDArray[np.float64]
    design: NDArray[np.float64]
    weights_of: NDArray[np.float64]
    pulls: list[tuple[NDArray[np.intp], NDArray[np.float64]]]
    freedom: int
    exhaustive: bool

    def error(self, values: NDArray[np.float64], *, confidence: float) -> NDArray[np.float64]:
        """float64 (S,), half widths of the weights' intervals."""
        count = self.design.shape[1] - 1
        if self.exhaustive:
            return np.zeros(count)
        if self.freedom < 1:
            return np.full(count, np.inf)
        residuals = values * self.root - self.design @ (self.weights_of @ values)
        variance = np.zeros(count + 1)
        for chosen, pull in self.pulls:
            variance += ((pull @ residuals[chosen][..., None]) ** 2).sum(axis=(0, 2))
        return np.asarray(stats.t.ppf(0.5 + confidence / 2, self.freedom) * np.sqrt(variance[1:]))


def jackknife(samples: Samples, *, proximity: NDArray[np.float64]) -> Jackknife:
    """Compute the part of `sampling_error` that depends on the samples only.

    Args:
        samples: n rows.
        proximity: float (n,), the weight of each sample.
    """
    drawn = np.flatnonzero(samples.clusters)
    sizes = np.bincount(samples.clusters[drawn], minlength=1)
    freedom = int(np.count_nonzero(sizes)) - samples.keep.shape[1]
    design, root, solve = ridge(samples.keep, proximity)
    pulls = []
    for size in np.unique(sizes[sizes > 0]) if freedom > 0 and not samples.exhaustive else ():
        chosen = drawn[sizes[samples.clusters[drawn]] == size].reshape(-1, size)
        block = design[chosen]
        spread, axes = np.linalg.eigh(np.eye(size) - block @ solve @ block.transpose(0, 2, 1))
        # a direction that the fit passes through exactly (spread 0) has no residual to correct
        factor = np.where(spread > 1e-6, 1 / np.maximum(spread, 1e-6), 0)
        corrected = axes @ (factor[..., None] * axes.transpose(0, 2, 1))
        pulls.append((chosen, solve @ block.transpose(0, 2, 1) @ corrected))
    return Jackknife(root, design, solve @ (design * root[:, None]).T, pulls, freedom, samples.exhaustive)


def sampling_error(
    samples: Samples, values: NDArray[np.float64], *, proximity: NDArray[np.float64], confidence: float
) -> NDArray[np.float64]:
    """Half width of each weight's confidence interval over repeated sampling, in closed form.

    It uses the cluster-robust variance of weighted ridge regression with the small-sample correction CR3 (Bell and
    McCaffrey 2002, equal to the jackknife over clusters); samples drawn together form a cluster. It is 0 where every
    combination was run and infinite where there are no more clusters than segments.

    Args:
        samples: n rows.
        values: float (n,), the target in each sample.
        proximity: float (n,), the weight of each sample.
        confidence: for instance 0.95.

    Returns:
        float64 (S,).
    """
    return jackknife(samples, proximity=proximity).error(values, confidence=confidence)
