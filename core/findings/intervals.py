"""Confidence intervals of shares, means and ratios, and of their differences on the same images."""

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from core.findings.contrast import UNKNOWN, Measure
from core.runs.metrics import wilson_interval

Values = NDArray[np.floating]
Hits = NDArray[np.bool_]
# of each row the number of the independent source that it comes from
Clusters = NDArray[np.integer]
# standard deviations on each side of its mean that hold 95% of a normal distribution
NORMAL = NormalDist().inv_cdf(0.975)
# images of the effective size that a lead must stand for before its variance is believed
FEWEST = 4


def difference_of_intervals(first: Measure, second: Measure) -> Measure:
    """Measure the difference of two independent numbers from their intervals (Zou and Donner 2008).

    d = a - b lies between d - sqrt((a - a_low)^2 + (b_high - b)^2) and d + sqrt((a_high - a)^2 + (b - b_low)^2);
    https://doi.org/10.1002/sim.3095.

    Of numbers that are positively correlated, such as shares of the same images, the interval is wider than need be.
    """
    value = first.value - second.value
    low = np.hypot(first.value - first.low, second.high - second.value)
    high = np.hypot(first.high - first.value, second.value - second.low)
    return Measure(value, value - float(low), value + float(high), first.n + second.n)


def effective_size(weights: Values) -> float:
    """Count the rows of equal weight that say as much as these (Kish 1965): (sum w)^2 / sum w^2.

    Args:
        weights: (N,) above 0, N at least 1.

    >>> effective_size(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    """
    return float(weights.sum() ** 2 / (weights**2).sum())


def weighted_share(hits: Hits, weights: Values | None = None, *, confidence: float = 0.95) -> Measure:
    """Measure a share from a stratified sample, with Wilson's interval on Kish's effective size.

    Args:
        hits: bool (N,).
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        confidence: see `wilson_interval`.
    """
    counted = np.ones(len(hits)) if weights is None else np.asarray(weights, np.float64)
    if not len(hits):
        return Measure(np.nan, 0.0, 1.0, 0)
    size = effective_size(counted)
    share = float(np.average(np.asarray(hits, np.float64), weights=counted))
    # rounding must not make a share of 1 miss the end
    successes = size if np.all(hits) else min(share * size, size)
    low, high = wilson_interval(successes, size, confidence=confidence)  # type: ignore[arg-type]
    return Measure(share, float(low), float(high), len(hits))


def weighted_mean(
    values: Values, weights: Values | None = None, *, clusters: Clusters | None = None, confidence: float = 0.95
) -> Measure:
    """Measure a mean from a stratified sample, with the interval of its linearised variance; NaN is left out.

    Args:
        values: (N,).
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        clusters: integers (N,), the unit that another draw would have redrawn. Few clusters may agree by chance, so the
            interval is never narrower than that of as many independent rows.
        confidence: between 0 and 1.
    """
    numbers = np.asarray(values, np.float64)
    counted = np.ones(len(numbers)) if weights is None else np.asarray(weights, np.float64)
    finite = np.isfinite(numbers)
    numbers = numbers[finite]
    counted = counted[finite]
    count = len(numbers)
    if not count:
        return UNKNOWN
    mean = float(np.average(numbers, weights=counted))
    if count == 1:
        return Measure(mean, n=1)
    pulls = np.asarray(counted * (numbers - mean) / counted.sum(), np.float64)
    half = _half_width(pulls, confidence)
    sources = None
    if clusters is not None:
        found, codes = np.unique(np.asarray(clusters)[finite], return_inverse=True)
        half = np.maximum(half, _half_width(np.bincount(codes, pulls).astype(np.float64), confidence))
        sources = len(found)
    return Measure(mean, float(mean - half), float(mean + half), count, sources)


def weighted_lead(leads: Values, weights: Values | None = None, *, confidence: float = 0.95) -> Measure:
    """Measure the paired difference between the rates of two outcomes on the same images.

    The interval is that of `weighted_mean` within the range of the leads, at least -1 to 1. It is widened to include 0
    where McNemar's exact test is not significant: if few images all agree, their variance says nothing. If all leads
    are 1, or all -1, the end nearer 0 is exact.

    Args:
        leads: (N,), usually 1 where only the first outcome occurs, -1 where only the second does, and 0; any positive
            or negative number is allowed; NaN is left out.
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        confidence: between 0 and 1.
    """
    estimate = weighted_mean(leads, weights, confidence=confidence)
    finite = np.isfinite(np.asarray(leads, np.float64))
    numbers = np.asarray(leads, np.float64)[finite]
    first = int((numbers > 0).sum())
    second = int((numbers < 0).sum())
    if not first + second:
        return estimate
    low = np.fmin(estimate.low, estimate.value)
    high = np.fmax(estimate.high, estimate.value)
    if max(first, second) == len(numbers) and (np.abs(numbers) == 1).all():
        counted = np.ones(len(numbers)) if weights is None else np.asarray(weights, np.float64)[finite]
        inner = _certain(effective_size(counted), confidence)
        low, high = (inner, high) if first else (low, -inner)
    if exact_sign_test(first, second) >= 1 - confidence:
        low = min(low, 0.0)
        high = max(high, 0.0)
    if weights is not None:
        low, high = _at_least(numbers, np.asarray(weights, np.float64)[finite], low, high, confidence)
    most = max(1.0, float(np.abs(numbers).max()))
    return Measure(estimate.value, max(float(low), -most), min(float(high), most), estimate.n)


def _at_least(
    leads: NDArray[np.float64], weights: NDArray[np.float64], low: float, high: float, confidence: float
) -> tuple[float, float]:
    """Widen an interval where weighted rows with a lead stand for fewer than `FEWEST` images.

    Heavy rows without a lead have no variance, and the sign test counts light ones as if they were as heavy.
    """
    if np.ptp(weights) == 0:
        return low, high
    size = effective_size(weights)
    ups, downs = (size * float(np.average(side, weights=weights)) for side in (leads > 0, leads < 0))
    if ups + downs >= FEWEST:
        return low, high
    # leads are usually 1 or -1
    scale = float(np.abs(leads).max())
    most, least = (scale * float(wilson_interval(min(n, size), size, confidence=confidence)[1]) for n in (ups, downs))  # type: ignore[arg-type]
    return min(low, -least), max(high, most)


def exact_sign_test(first: int, second: int) -> float:
    """Test that two outcomes are equally likely: the two-sided binomial p-value, 0 to 1."""
    # imported here, and not from the slower scipy.stats: most pages need neither
    from scipy.special import bdtr  # noqa: PLC0415

    fewer, more = sorted((first, second))
    return min(1.0, 2 * float(bdtr(fewer, fewer + more, 0.5)))


def weighted_ratio(
    hits: Values,
    trials: Values,
    weights: Values | None = None,
    *,
    less: tuple[Values, Values] | None = None,
    confidence: float = 0.95,
) -> Measure:
    """Measure a ratio of sums over images with several trials each; its interval treats images, not trials, as drawn.

    Args:
        hits, trials: (N,), of each image; images without a trial are left out.
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        less: hits and trials of a second ratio on the same images, subtracted from the first with a paired interval.
        confidence: between 0 and 1.
    """
    counted = np.ones(len(hits)) if weights is None else np.asarray(weights, np.float64)
    value, pulls, tried = _ratio(hits, trials, counted)
    images = int(tried.sum())
    if less is not None:
        other, more, also = _ratio(*less, counted)
        value = value - other
        pulls = pulls - more
        images = min(images, int(also.sum()))
        tried = tried | also
    if images < 2 or not np.isfinite(value):
        return Measure(value, np.nan, np.nan, images)
    half = _half_width(pulls[tried], confidence)
    low = value - half
    high = value + half
    size = effective_size(counted[tried])
    if less is None:
        low = max(low, 0.0)
        high = min(high, 1.0)
        if value * size < 1 or (1 - value) * size < 1:
            # the variance of what nearly always happens, or of one light image, says nothing
            hits_ = min(value * size, size)
            ends = wilson_interval(hits_, size, confidence=confidence)  # type: ignore[arg-type]
            low = min(low, float(ends.low))
            high = max(high, float(ends.high))
    elif abs(value) == 1:
        inner = _certain(size, confidence)
        low, high = (inner, 1.0) if value > 0 else (-1.0, -inner)
    return Measure(value, low, high, images)


def _certain(size: float, confidence: float) -> float:
    """The end nearer 0 of an interval for a difference that is 1 on all images: the inversion of McNemar's exact test.

    Clopper and Pearson's limit of the share (1 + lead) / 2 (1934, https://doi.org/10.1093/biomet/26.4.404).
    """
    return float(2 * ((1 - confidence) / 2) ** (1 / size) - 1)


def _ratio(hits: Values, trials: Values, counted: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], Hits]:
    """The ratio, each image's pull on it, and whether an image has a trial."""
    hit = np.asarray(hits, np.float64)
    tried = np.asarray(trials, np.float64)
    total = float((counted * tried).sum())
    if not total:
        return float("nan"), np.zeros(len(hit)), tried > 0
    value = float((counted * hit).sum() / total)
    return value, counted * (hit - value * tried) / total, tried > 0


def _half_width(pulls: NDArray[np.float64], confidence: float) -> float:
    """Compute half the interval of a mean from the contributions of its independent parts; NaN for one part."""
    count = len(pulls)
    if count == 1:
        return float("nan")
    # imported here, and not from the slower scipy.stats: most pages need neither
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(count - 1, 0.5 + confidence / 2) * np.sqrt((pulls**2).sum() * count / (count - 1)))


def clustered_share(hits: Hits, clusters: Clusters) -> Measure:
    """Measure a share where images of one cluster resemble each other.

    Wilson's interval on the effective number of images: the number of independent images whose share would vary as
    much as the clusters' does, reduced by the ratio of Student's to the normal quantile (Korn and Graubard 1998). It is
    at most the number of images, since few clusters may agree by chance, and the number of clusters where all images
    agree.

    Args:
        hits: bool (N,).
        clusters: integers (N,), the photograph or generator that each image comes from; a single one says nothing about
            others, and the interval is 0 to 1.
    """
    if not len(hits):
        return Measure(np.nan, 0.0, 1.0, 0)
    _, codes = np.unique(clusters, return_inverse=True)
    share = float(np.mean(hits))
    count = int(codes.max()) + 1
    if count == 1:
        return Measure(share, 0.0, 1.0, len(hits))
    half = _half_width(np.bincount(codes, (np.asarray(hits) - share) / len(hits)).astype(np.float64), 0.95)
    size: float = count
    if 0 < share < 1:
        normal = NORMAL * np.sqrt(share * (1 - share))
        size = min(len(hits), (normal / half) ** 2) if half > 0 else len(hits)
    low, high = wilson_interval(size if share == 1 else share * size, size)  # type: ignore[arg-type]
    return Measure(share, float(low), float(high), len(hits))
