"""Two classifiers on the same images: tests and intervals that use the pairing. Needs no torch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.findings.intervals import NORMAL, Estimate, exact_sign_test
from core.runs.metrics import wilson_interval


class Outcomes(NamedTuple):
    """Counts of images by which of two classifiers is right on them."""

    both_right: int
    only_first_wrong: int
    only_second_wrong: int
    both_wrong: int

    @property
    def images(self) -> int:
        """All of them."""
        return sum(self)


def count_outcomes(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> Outcomes:
    """Count images by which classifier is right, from two bool (N,) arrays."""
    cells = np.bincount(2 * (~second_right).astype(np.int8) + ~first_right, minlength=4)
    return Outcomes(*map(int, cells))


def mcnemar(counts: Outcomes) -> float:
    """Run McNemar's exact test (1947) of equal accuracy, on the images that only one classifier gets right.

    Returns:
        The two-sided binomial p-value, 0 to 1; 1 where they are right on the same images.
    """
    return exact_sign_test(counts.only_first_wrong, counts.only_second_wrong)


def difference_of_shares(counts: Outcomes, *, confidence: float = 0.95) -> Estimate:
    """Estimate the first classifier's accuracy less the second's (Newcombe 1998, method 10 for paired data).

    It combines the score intervals of both shares and their correlation, so that it is right for few images and where
    one classifier is hardly ever wrong.

    Args:
        counts: from `count_outcomes`.
        confidence: between 0 and 1.

    Returns:
        -1 to 1; NaN without an image.
    """
    images = counts.images
    if not images:
        return Estimate(np.nan, np.nan, np.nan, 0)
    a, b, c, d = counts.both_right, counts.only_second_wrong, counts.only_first_wrong, counts.both_wrong
    first, second = (a + b) / images, (a + c) / images
    low_first, high_first = map(float, wilson_interval(a + b, images, confidence=confidence))
    low_second, high_second = map(float, wilson_interval(a + c, images, confidence=confidence))
    phi = _correlation(a, b, c, d)

    def width(left: float, right: float) -> float:
        return float(np.sqrt(max(left**2 - 2 * phi * left * right + right**2, 0.0)))

    low = first - second - width(first - low_first, high_second - second)
    high = first - second + width(high_first - first, second - low_second)
    return Estimate(first - second, max(low, -1.0), min(high, 1.0), images)


def _correlation(a: int, b: int, c: int, d: int) -> float:
    """The phi coefficient of a 2 x 2 table, with Newcombe's correction for continuity."""
    margins = float(a + b) * (c + d) * (a + c) * (b + d)
    if not margins:
        return 0.0
    product = float(a) * d - float(b) * c
    # only a positive correlation narrows the interval
    corrected = max(product - (a + b + c + d) / 2, 0.0) if product > 0 else product
    return float(corrected / np.sqrt(margins))


def difference_of_aurocs(
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    is_real: NDArray[np.bool_],
) -> Estimate:
    """Estimate the first score's AUROC less the second's on the same images (DeLong et al. 1988).

    Args:
        first, second: (N,) scores, higher where more REAL.
        is_real: bool (N,).

    Returns:
        -1 to 1; NaN where a class is missing; without an interval where a class has one image, or all images of a
        class are alike.
    """
    real, fake = int(is_real.sum()), int((~is_real).sum())
    if not real or not fake:
        return Estimate(np.nan, np.nan, np.nan, 0)
    above = _placements(first[is_real], first[~is_real]) - _placements(second[is_real], second[~is_real])
    below = _placements(second[~is_real], second[is_real]) - _placements(first[~is_real], first[is_real])
    value = float(above.mean())
    if min(real, fake) < 2:
        return Estimate(value, np.nan, np.nan, real + fake)
    spread = np.sqrt(above.var(ddof=1) / real + below.var(ddof=1) / fake)
    if spread < 1e-12 and value:
        # the variance of what is always so says nothing
        return Estimate(value, np.nan, np.nan, real + fake)
    half = NORMAL * float(spread)
    return Estimate(value, max(value - half, -1.0), min(value + half, 1.0), real + fake)


def area(scores: NDArray[np.floating], is_real: NDArray[np.bool_]) -> float:
    """Compute the AUROC: how often a REAL image scores above a FAKE one, ties counting half; NaN without a class."""
    if is_real.all() or not is_real.any():
        return float("nan")
    return float(_placements(scores[is_real], scores[~is_real]).mean())


def _placements(scores: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64 (N,): the share of `others` that each score is above, ties counting half."""
    ordered = np.sort(others)
    places = np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")
    return np.asarray(places / (2 * len(others)), np.float64)


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> Estimate:
    """Correlate two scores by rank, with the interval of Bonett & Wright (2000).

    Returns:
        Spearman's correlation, -1 to 1, without an interval at its ends; NaN for fewer than four images or a constant
        score.
    """
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    rho = float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])
    if abs(rho) > 0.999999:
        # one order of few images is likely by chance, and the formula knows no chance at 1
        return Estimate(rho, np.nan, np.nan, n)
    half = NORMAL * np.sqrt((1 + rho**2 / 2) / (n - 3))
    middle = np.arctanh(rho)
    return Estimate(rho, float(np.tanh(middle - half)), float(np.tanh(middle + half)), n)


def _ranks(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Ranks from 1, ties sharing their mean rank."""
    ordered = np.sort(values)
    places = np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    return np.asarray((places + 1) / 2, np.float64)
