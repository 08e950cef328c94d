"""Separation of two classes, with intervals: AUROC, rank correlation, rules on one statistic, and matched strata."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from core.findings.intervals import NORMAL, Estimate
from core.runs.metrics import wilson_interval

FOLDS = 5
STRATA = 20
# equal-count bins of a rule on one statistic
RULE_BINS = 20
# images of each class that a stratum needs
MIN_IN_STRATUM = 5
UNKNOWN = Estimate(np.nan, np.nan, np.nan, 0)


def auroc(scores: NDArray[Any], is_real: NDArray[np.bool_]) -> Estimate:
    """Estimate how often a REAL image scores higher than a FAKE one, ties counting half, with DeLong's interval (1988).

    Args:
        scores: (N,) numbers, higher where more REAL.
        is_real: bool (N,).

    Returns:
        0 to 1; NaN where a class is missing. Where no pair is out of order DeLong's variance is 0, and the interval is
        Wilson's with as many trials as the smaller class has images.
    """
    value, variance = _delong(np.asarray(scores, np.float64), np.asarray(is_real, bool))
    smaller = min(int(np.sum(is_real)), int(np.sum(~is_real)))
    return _estimate(value, variance, smaller, len(is_real))


def _estimate(value: float, variance: float, smaller: int, images: int) -> Estimate:
    if not np.isfinite(value):
        return UNKNOWN
    half = NORMAL * np.sqrt(variance)
    low, high = max(0.0, value - half), min(1.0, value + half)
    if variance <= 0 and np.isclose(value, [0, 1]).any():
        low, high = map(float, wilson_interval(round(value * smaller), smaller))
    return Estimate(float(value), float(low), float(high), images)


def _delong(scores: NDArray[np.float64], is_real: NDArray[np.bool_]) -> tuple[float, float]:
    """Compute AUROC and its variance; NaN where a class is missing."""
    if is_real.all() or not is_real.any():
        return np.nan, np.nan
    # for each image, the share of the other class on its right side
    above, below = _placements(scores[is_real], scores[~is_real]), 1 - _placements(scores[~is_real], scores[is_real])
    spread = [values.var(ddof=1) / len(values) if len(values) > 1 else 0.25 for values in (above, below)]
    return float(above.mean()), float(sum(spread))


def _placements(scores: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """float64 (N,): the share of `others` that each score is above, ties counting half."""
    ordered = np.sort(others)
    places = np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")
    return np.asarray(places / (2 * len(others)), np.float64)


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


def rank_correlation(first: NDArray[np.floating], second: NDArray[np.floating]) -> Estimate:
    """Correlate two scores by rank, with the interval of Bonett & Wright (2000).

    Returns:
        Spearman's correlation, -1 to 1, without an interval at its ends; NaN for fewer than four images or a constant
        score.
    """
    n = len(first)
    if n < 4 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Estimate(np.nan, np.nan, np.nan, n)
    rho = float(spearmanr(first, second).statistic)
    if abs(rho) > 0.999999:
        # one order of few images is likely by chance, and the formula knows no chance at 1
        return Estimate(rho, np.nan, np.nan, n)
    half = NORMAL * np.sqrt((1 + rho**2 / 2) / (n - 3))
    middle = np.arctanh(rho)
    return Estimate(rho, float(np.tanh(middle - half)), float(np.tanh(middle + half)), n)


def best_rule(values: NDArray[Any], is_real: NDArray[np.bool_], *, seed: int = 0) -> NDArray[np.float64]:
    """Score images by a cross-fitted rule on one statistic: the log odds of REAL among other images of its bin.

    Numbers are first sorted into equal-count bins, so that the rule may also separate the middle of the range from its
    ends; each text value is a bin of its own. An uninformative statistic may score slightly below guessing, because a
    class that is rarer in one fold is commoner in the folds that the rule is fitted to.

    Args:
        values: (N,) numbers or text, none missing.
        is_real: bool (N,), both classes.
        seed: of the parts, each of which is scored by the rule of the others.

    Returns:
        float64 (N,), log odds of REAL, cross-fitted: above 0 the rule says REAL.
    """
    bins = strata_of(values, count=RULE_BINS)
    scores = np.zeros(len(bins))
    count = int(bins.max()) + 1
    folds = min(FOLDS, int(np.sum(is_real)), int(np.sum(~is_real)))
    if folds < 2:
        return scores
    # imported here: pages that compare two runs need no rule
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    for fitted, scored in StratifiedKFold(folds, shuffle=True, random_state=seed).split(bins, is_real):
        chosen = (is_real[fitted], ~is_real[fitted])
        real, fake = (np.bincount(bins[fitted][rows], minlength=count) for rows in chosen)
        scores[scored] = np.log((real + 0.5) / (fake + 0.5))[bins[scored]]
    return scores


def strata_of(values: NDArray[Any], *, count: int = STRATA) -> NDArray[np.intp]:
    """Group images by a statistic: bins of equal counts for numbers, one group per value for text."""
    if values.dtype.kind in "OUS":
        return np.asarray(pd.factorize(values)[0], np.intp)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right")


def carried_rule(learned: NDArray[Any], learned_real: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[np.float64]:
    """Score images by a rule as in `best_rule` that is fitted to other images: float64 (N,) log odds of REAL.

    Args:
        learned: (M,) values of the images that the rule is fitted to.
        learned_real: bool (M,), their labels.
        values: (N,) values of the images to score; an unseen value gives 0.
    """
    codes = strata_of(np.concatenate([learned, values]), count=RULE_BINS)
    fitted, scored = codes[: len(learned)], codes[len(learned) :]
    real, fake = (np.bincount(fitted[chosen], minlength=codes.max() + 1) for chosen in (learned_real, ~learned_real))
    return np.asarray(np.log((real + 0.5) / (fake + 0.5))[scored])


class Matched(NamedTuple):
    """A detector's performance among images that are matched on a statistic.

    Attributes:
        auroc: mean AUROC of the margin within strata; a stratum of n REAL and m FAKE images has weight n m / (n + m).
        accuracy: mean balanced accuracy within strata, with the same weights.
    """

    auroc: Estimate
    accuracy: Estimate


def within_strata(margins: NDArray[Any], is_real: NDArray[np.bool_], strata: NDArray[np.intp]) -> Matched:
    """Estimate a detector's AUROC and balanced accuracy within strata that match both classes on a statistic.

    Args:
        margins: (N,), above 0 the verdict is REAL.
        is_real: bool (N,).
        strata: intp (N,), from `strata_of`.

    Returns:
        NaN where no stratum holds `MIN_IN_STRATUM` images of each class.
    """
    margins = np.asarray(margins, np.float64)
    rows, sizes, smaller = [], 0, 0
    for number in np.unique(strata):
        chosen = strata == number
        real = is_real[chosen]
        n, m = int(real.sum()), int((~real).sum())
        if min(n, m) < MIN_IN_STRATUM:
            continue
        right = (margins[chosen] > 0) == real
        recalls = right[real].mean(), right[~real].mean()
        spread = sum(share * (1 - share) / many for share, many in zip(recalls, (n, m), strict=True)) / 4
        rows.append((n * m / (n + m), *_delong(margins[chosen], real), sum(recalls) / 2, spread))
        sizes += n + m
        smaller += min(n, m)
    if not rows:
        return Matched(UNKNOWN, UNKNOWN)
    weight, area, area_variance, accuracy, spread = np.array(rows).T
    weight = weight / weight.sum()
    return Matched(
        _estimate(float(weight @ area), float(weight**2 @ area_variance), smaller, sizes),
        _estimate(float(weight @ accuracy), float(weight**2 @ spread), smaller, sizes),
    )


def leaning(scores: NDArray[np.float64], margins: NDArray[Any], is_real: NDArray[np.bool_]) -> Estimate:
    """Correlate a detector's margin with a rule's score within each class, and average both classes.

    Within a class the score cannot stand in for the class, so a correlation means that the detector uses the statistic,
    or something correlated with it. A class with fewer than ten images, a constant score or a constant margin is left
    out.

    Returns:
        Spearman's rank correlation, -1 to 1, with a 95% interval (Bonett & Wright 2000); NaN if both are left out.
    """
    classes = []
    for chosen in (is_real, ~is_real):
        if chosen.sum() < 10 or np.ptp(scores[chosen]) == 0 or np.ptp(margins[chosen]) == 0:
            continue
        rho = float(spearmanr(scores[chosen], margins[chosen]).statistic)
        count = int(chosen.sum())
        classes.append((np.arctanh(np.clip(rho, -0.999999, 0.999999)), (1 + rho**2 / 2) / (count - 3), count))
    if not classes:
        return UNKNOWN
    middle = sum(z for z, _, _ in classes) / len(classes)
    half = NORMAL * np.sqrt(sum(variance for _, variance, _ in classes)) / len(classes)
    value, low, high = (float(np.tanh(z)) for z in (middle, middle - half, middle + half))
    return Estimate(value, low, high, sum(count for _, _, count in classes))
