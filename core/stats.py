"""Intervals for what is counted."""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Interval(NamedTuple):
    """The ends of an interval, floats or arrays of them, 0 to 1."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def wilson_interval(
    successes: NDArray[np.integer] | int, trials: NDArray[np.integer] | int, *, confidence: float = 0.95
) -> Interval:
    """The score interval of a share (Wilson 1927), honest for few trials and for shares near 0 and 1.

    Args:
        successes: counts, 0 to `trials`.
        trials: counts; where 0, nothing is known and the interval is 0 to 1.
        confidence: how often such intervals hold the true share, between 0 and 1.

    Returns:
        float64 ends of the broadcast shape of the counts.

    Raises:
        ValueError: a count below 0, more successes than trials, or a confidence outside (0, 1).
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    if (k < 0).any() or (k > n).any():
        raise ValueError("successes must be from 0 to trials")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence}")
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    some = np.maximum(n, 1)
    middle = (k + z2 / 2) / (some + z2)
    half = np.sqrt(z2 * k * (some - k) / some + z2**2 / 4) / (some + z2)
    # the algebra gives exactly 0 and 1 at the ends; rounding does not
    low = np.where(k == 0, 0.0, np.clip(middle - half, 0, 1))
    high = np.where(k == n, 1.0, np.clip(middle + half, 0, 1))
    return Interval(low, high)
