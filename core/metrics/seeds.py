"""Shares of images measured with several networks, whose intervals hold over images and over seeds."""

import numpy as np
from numpy.typing import NDArray

from core.metrics.intervals import Estimate
from core.runs.metrics import wilson_interval


def share_over_seeds(right: NDArray[np.integer], images: int) -> Estimate:
    """Estimate a share of images from networks that differ by their seed and were tested on the same images.

    The interval combines two independent errors, whose half-widths add in quadrature: over images, Wilson's interval of
    the mean share, as wide as for a single network, since all are tested on the same images; over seeds, Student's
    interval of the networks' shares. The interval of a single network covers images only.

    Args:
        right: (S,) counts, one for each network.
        images: that each was tested on.
    """
    counts = np.asarray(right, np.float64)
    if not len(counts) or not images:
        return Estimate(np.nan, np.nan, np.nan, 0)
    shares = counts / images
    value = float(shares.mean())
    low, high = map(float, wilson_interval(value * images, images))  # type: ignore[arg-type]
    among = _among(shares)
    below, above = np.hypot(value - low, among), np.hypot(high - value, among)
    return Estimate(value, max(0.0, float(value - below)), min(1.0, float(value + above)), images)


def _among(shares: NDArray[np.float64]) -> float:
    """Half of Student's interval of the mean of independent networks, 0 for a single one."""
    count = len(shares)
    if count < 2:
        return 0.0
    # imported here, and not from the slower scipy.stats: pages import this module
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(count - 1, 0.975) * shares.std(ddof=1) / np.sqrt(count))


def difference_of_independent(one: Estimate, other: Estimate) -> Estimate:
    """Estimate a difference of two independent estimates from their intervals (Zou and Donner 2008)."""
    value = one.value - other.value
    below = np.hypot(one.value - one.low, other.high - other.value)
    above = np.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, float(value - below), float(value + above), min(one.images, other.images))
