"""The error rate that a cluster's margins alone predict. Needs no torch."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.findings.intervals import Estimate


class Expected(NamedTuple):
    """A cluster's errors beside those of all images of its verdict that have equal margins.

    Attributes:
        rate: the error rate that its margins predict, 0 to 1.
        beyond: its own error rate less that.
    """

    rate: Estimate
    beyond: Estimate


def expected_errors(
    margins: NDArray[np.floating],
    wrong: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    weights: NDArray[np.floating],
    *,
    confidence: float = 0.95,
) -> Expected:
    """Predict a cluster's error rate from its margins, by isotonic regression over all images of its verdict.

    The fitted error rate never rises with the size of the margin. The cluster's own images are part of the fit: where
    only they have certain margins, the prediction is their own error rate, and nothing sets them apart.

    Args:
        margins: (N,), of the images of one verdict.
        wrong: bool (N,), the verdict is wrong.
        inside: bool (N,), the images of the cluster, at least one.
        weights: (N,) above 0, how many images each stands for.
        confidence: of the interval of `beyond`, between 0 and 1.
    """
    # not needed by the pages that read `core.studies.clusters.summary` for other things
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    # equal margins first become one point
    point = np.unique(np.abs(np.asarray(margins, np.float64)), return_inverse=True)[1]
    there = np.bincount(point, weights)
    fitted = isotonic_regression(np.bincount(point, weights * wrong) / there, weights=there, increasing=False)
    # where the fit is flat it is the mean over a bin
    bins = np.searchsorted(fitted.blocks, point, side="right") - 1

    def sums(chosen: NDArray[np.bool_], values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(bins[chosen], values[chosen], len(fitted.blocks) - 1), np.float64)

    everyone = np.ones(len(bins), bool)
    total, mine = sums(everyone, weights), sums(inside, weights)
    rates = _divided(sums(everyone, weights * wrong), total)
    share, others = mine / mine.sum(), 1 - _divided(mine, total)
    # of a bin's rate, with Kish's effective sizes
    varies = rates * (1 - rates)
    own, rest = (varies * _divided(sums(part, weights**2), sums(part, weights) ** 2) for part in (inside, ~inside))
    rate, observed = float(share @ rates), float(np.average(wrong[inside], weights=weights[inside]))
    # two ways of adding up the same numbers differ in the last digit
    beyond = 0.0 if np.isclose(observed, rate, rtol=0, atol=1e-12) else observed - rate
    whole = varies * _divided(sums(everyone, weights**2), total**2)
    expected = _estimate(rate, float(share**2 @ whole), len(bins), 0.95)
    return Expected(
        expected._replace(low=max(0.0, expected.low), high=min(1.0, expected.high)),
        # the cluster's rate less the verdict's is that to the rest, times the share of the rest
        _estimate(beyond, float((share * others) ** 2 @ (own + rest)), int(inside.sum()), confidence),
    )


def _divided(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)


def _estimate(value: float, variance: float, images: int, confidence: float) -> Estimate:
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * float(np.sqrt(variance))
    return Estimate(value, value - half, value + half, images)
