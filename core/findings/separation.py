"""Separation of two classes, with intervals: AUROC, rank correlation, rules on one statistic, and matched strata."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from core.arrays import Array, Float64, Floats, Mask, Positions
from core.findings.contrast import UNKNOWN, Measure
from core.findings.intervals import NORMAL
from core.runs.metrics import wilson_interval

FOLDS = 5
# strata of equal counts that a number is sorted into
BINS = 20
# images of each class that a stratum needs
MIN_IN_STRATUM = 5
# (features or bins, labels, those of the images to score) -> scores, higher where more REAL
Classifier = Callable[[Array, Mask, Array], Float64]


def auroc(scores: Array, is_real: Mask) -> Measure:
    """Estimate how often a REAL image scores higher than a FAKE one, ties counting half, with DeLong's interval.

    An image's placement is the share of the other class on its right side. The AUROC is their mean over either class,
    and its variance the sum over both classes of the variance of their placements divided by their number
    (DeLong et al. 1988, https://doi.org/10.2307/2531595).

    Args:
        scores: (N,) numbers, higher where more REAL.
        is_real: bool (N,).

    Returns:
        0 to 1; NaN where a class is missing. Where no pair is out of order DeLong's variance is 0, and the interval is
        Wilson's with as many trials as the smaller class has images.

    Example:
        >>> area = auroc(np.array([1, 2, 4, 3, 5, 6]), np.arange(6) > 2)
        >>> round(area.value, 3), round(area.low, 3), area.high
        (0.889, 0.581, 1.0)
    """
    if is_real.all() or not is_real.any():
        return UNKNOWN
    placements = _placements(scores, is_real)
    return _estimate(float(placements[0].mean()), _variance(placements), min(map(len, placements)), len(is_real))


def _estimate(value: float, variance: float, smaller: int, images: int) -> Measure:
    half = NORMAL * np.sqrt(variance)
    low = max(0.0, value - half)
    high = min(1.0, value + half)
    if variance <= 0 and np.isclose(value, [0, 1]).any():
        low, high = wilson_interval(round(value * smaller), smaller)
    return Measure(value, float(low), float(high), images)


def _placements(scores: Array, is_real: Mask) -> list[Float64]:
    """Compute for each REAL image the share of FAKE ones that it is above, and for each FAKE one that of REAL above it.

    Ties count half.
    """
    placements = []
    numbers = np.asarray(scores, np.float64)
    for own, signed in ((is_real, numbers), (~is_real, -numbers)):
        above = rankdata(signed)[own] - rankdata(signed[own])
        placements.append(above / np.count_nonzero(~own))
    return placements


def _variance(placements: Sequence[Float64]) -> float:
    """Compute the variance of the mean of placements; a class of one image takes the largest possible, 1/4."""
    variance = 0.0
    for own in placements:
        if len(own) > 1:
            variance += own.var(ddof=1) / len(own)
        else:
            variance += 0.25
    return float(variance)


def difference_of_aurocs(first: Floats, second: Floats, is_real: Mask) -> Measure:
    """Estimate the first score's AUROC less the second's on the same images.

    As for `auroc`, from the differences of the placements (DeLong et al. 1988, https://doi.org/10.2307/2531595).

    Args:
        first, second: (N,) scores, higher where more REAL.
        is_real: bool (N,).

    Returns:
        -1 to 1; NaN where a class is missing; without an interval where a class has one image, or all images of a
        class are alike.

    Example:
        >>> scores = np.array([1.0, 2, 4, 3, 5, 6])
        >>> difference_of_aurocs(scores, scores, np.arange(6) > 2).value
        0.0
    """
    if is_real.all() or not is_real.any():
        return UNKNOWN
    images = len(is_real)
    pairs = zip(_placements(first, is_real), _placements(second, is_real), strict=True)
    leads = [placement - other for placement, other in pairs]
    value = float(leads[0].mean())
    spread = np.sqrt(_variance(leads))
    # no variance among leads that are all alike does not mean certainty
    if min(map(len, leads)) < 2 or (spread < 1e-12 and value):
        return Measure(value, n=images)
    half = NORMAL * float(spread)
    return Measure(value, max(value - half, -1.0), min(value + half, 1.0), images)


def rank_correlation(first: Floats, second: Floats) -> Measure:
    """Correlate two scores by rank.

    With Spearman's correlation r of n images, the interval is tanh(artanh r -+ z sqrt((1 + r^2 / 2) / (n - 3)))
    (Bonett and Wright 2000, https://doi.org/10.1007/BF02294183).

    Returns:
        -1 to 1, without an interval at its ends; NaN for fewer than four images or a constant score.

    Example:
        >>> rho = rank_correlation(np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 3, 2, 5, 4]))
        >>> round(rho.value, 3), round(rho.low, 3), round(rho.high, 3)
        (0.8, -0.457, 0.991)
    """
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Measure(np.nan, n=n)
    rho = float(spearmanr(first, second).statistic)
    if abs(rho) > 0.999999:
        # few images may have one order by chance, but at 1 the formula gives an interval without width
        return Measure(rho, n=n)
    half = NORMAL * np.sqrt((1 + rho**2 / 2) / (n - 3))
    middle = np.arctanh(rho)
    return Measure(rho, float(np.tanh(middle - half)), float(np.tanh(middle + half)), n)


def cross_fit(
    classifier: Classifier,
    features: Array,
    is_real: Mask,
    training: Array,
    training_real: Mask,
    *,
    seed: int = 0,
) -> Float64:
    """Score images by a classifier that is fitted to training images; without both classes there, by cross-fitting.

    A cross-fitted classifier without information may score slightly below guessing, because a class that is rarer in
    one fold is commoner in the folds that it is fitted to.

    Args:
        classifier: such as `bin_log_odds`.
        features: (N, ...) of the images to score.
        is_real: bool (N,), with at least two images of each class.
        training: (M, ...) of the training images; M may be 0.
        training_real: bool (M,).
        seed: of the folds, each of which is scored by the classifier of the others.

    Returns:
        float64 (N,), higher where more REAL.
    """
    if training_real.any() and not training_real.all():
        return classifier(training, training_real, features)
    # imported here: pages that compare two runs need no rule
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    scores = np.zeros(len(is_real))
    folds = min(FOLDS, int(is_real.sum()), int((~is_real).sum()))
    for fitted, scored in StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, is_real):
        scores[scored] = classifier(features[fitted], is_real[fitted], features[scored])
    return scores


def bin_log_odds(bins: Positions, is_real: Mask, scored: Positions) -> Float64:
    """Return the log odds of REAL in each image's bin, a rule on one statistic that may use it in any way.

    Args:
        bins: intp (M,), from `strata_of`, of the images that the rule is fitted to.
        is_real: bool (M,).
        scored: intp (N,), bins of the images to score; a bin without fitted images gives 0.
    """
    count = 1 + max(bins.max(), scored.max())
    real = np.bincount(bins[is_real], minlength=count)
    fake = np.bincount(bins[~is_real], minlength=count)
    return np.log((real + 0.5) / (fake + 0.5))[scored]


def strata_of(values: "pd.Series[Any]") -> Positions:
    """Group images by a statistic: `BINS` bins of equal counts for numbers, one group per value for text."""
    if not pd.api.types.is_numeric_dtype(values):
        return np.asarray(pd.factorize(values)[0], np.intp)
    numbers = values.to_numpy(np.float64)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.asarray(np.searchsorted(edges, numbers, side="right"), np.intp)


def within_strata(margins: Array, is_real: Mask, strata: Positions) -> Measure:
    """Estimate a detector's AUROC within strata that match both classes on a statistic.

    Args:
        margins: (N,), above 0 the verdict is REAL.
        is_real: bool (N,).
        strata: intp (N,), from `strata_of`.

    Returns:
        The mean within strata, in which one of n REAL and m FAKE images has weight n m / (n + m); NaN where none holds
        `MIN_IN_STRATUM` images of each class.
    """
    rows = []
    for number in np.unique(strata):
        chosen = strata == number
        counts = np.bincount(is_real[chosen], minlength=2)
        if counts.min() >= MIN_IN_STRATUM:
            placements = _placements(margins[chosen], is_real[chosen])
            weight = counts.prod() / counts.sum()
            rows.append((weight, placements[0].mean(), _variance(placements), counts.min(), counts.sum()))
    if not rows:
        return UNKNOWN
    weight, area, variance, smaller, images = np.array(rows).T
    weight /= weight.sum()
    return _estimate(float(weight @ area), float(weight**2 @ variance), int(smaller.sum()), int(images.sum()))
