"""Confidence intervals of shares, means and ratios, and of their differences on the same images."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np

from core.arrays import Array, Float64, Floats, Integers, Mask
from core.findings.contrast import UNKNOWN, Measure
from core.runs.metrics import wilson_interval

# standard deviations on each side of the mean between which 95% of a normal distribution lies
NORMAL = NormalDist().inv_cdf(0.975)
# effective number of images with a lead from which on their variance is trusted
FEWEST = 4


def effective_size(weights: Floats) -> float:
    """Count the rows of equal weight that say as much as these: (sum w)^2 / sum w^2.

    Kish (1965), *Survey Sampling*; `weights` (N,) above 0, N at least 1.

    Example:
        >>> round(effective_size(np.array([1.0, 1.0, 4.0])), 6)
        2.0
    """
    return float(weights.sum() ** 2 / (weights**2).sum())


def weighted_share(hits: Mask, weights: Floats | None = None, *, confidence: float = 0.95) -> Measure:
    """Measure a share from a stratified sample, with Wilson's interval on Kish's effective size.

    See `wilson_interval` and `effective_size` for both formulas.

    Args:
        hits: bool (N,).
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        confidence: see `wilson_interval`.

    Example:
        >>> share = weighted_share(np.arange(10) < 9)
        >>> share.value, round(share.low, 3), round(share.high, 3), share.n
        (0.9, 0.596, 0.982, 10)
    """
    if not len(hits):
        return Measure(np.nan, 0.0, 1.0, 0)
    row_weights = _weights(weights, len(hits))
    share = float(np.average(np.asarray(hits, bool), weights=row_weights))
    return replace(_wilson(share, effective_size(row_weights), confidence), n=len(hits))


def weighted_mean(
    values: Floats, weights: Floats | None = None, *, clusters: Integers | None = None, confidence: float = 0.95
) -> Measure:
    """Measure a mean from a stratified sample, with the interval of its linearised variance; NaN is left out.

    With weights w, the mean m of n rows has the variance n / (n - 1) sum (w (x - m) / sum w)^2; of clusters, their sums
    take the place of the rows (Binder 1983, https://doi.org/10.2307/1402588). The interval has Student's quantile with
    the degrees of freedom of `degrees_of_freedom`, n - 1 where all weights are alike.

    Args:
        values: (N,).
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        clusters: integers (N,), the unit that another draw would have redrawn. Few clusters may agree by chance, so the
            interval is never narrower than that of as many independent rows.
        confidence: between 0 and 1.

    Example:
        >>> mean = weighted_mean(np.array([1.0, 2.0, 3.0, 4.0]))
        >>> mean.value, round(mean.low, 3), round(mean.high, 3)
        (2.5, 0.446, 4.554)
    """
    numbers, row_weights, is_finite = _finite(values, weights)
    count = len(numbers)
    if not count:
        return UNKNOWN
    mean = float(np.average(numbers, weights=row_weights))
    if count == 1:
        return Measure(mean, n=1)
    pulls = row_weights * (numbers - mean) / row_weights.sum()
    half = _half_width(pulls, row_weights, confidence)
    sources = None
    if clusters is not None:
        distinct, codes = np.unique(np.asarray(clusters)[is_finite], return_inverse=True)
        cluster_pulls = np.bincount(codes, pulls)
        half = np.maximum(half, _half_width(cluster_pulls, np.ones(len(distinct)), confidence))
        sources = len(distinct)
    return Measure(mean, float(mean - half), float(mean + half), count, sources)


def weighted_lead(leads: Floats, weights: Floats | None = None, *, confidence: float = 0.95) -> Measure:
    """Measure the paired difference between the rates of two outcomes on the same images.

    The interval is that of `weighted_mean` within the range of the leads, at least -1 to 1. It is widened to include 0
    where McNemar's exact test (1947, https://doi.org/10.1007/BF02295996) is not significant: if few images all agree,
    their variance says nothing. If all leads are 1, or all -1, the end nearer 0 is exact.

    Args:
        leads: (N,), usually 1 where only the first outcome occurs, -1 where only the second does, and 0; any positive
            or negative number is allowed; NaN is left out.
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        confidence: between 0 and 1.

    Example:
        >>> few = weighted_lead(np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
        >>> few.value, round(few.low, 3)
        (0.5, -0.075)
    """
    estimate = weighted_mean(leads, weights, confidence=confidence)
    numbers, row_weights, _ = _finite(leads, weights)
    first = int((numbers > 0).sum())
    second = int((numbers < 0).sum())
    if not first + second:
        return estimate
    low = float(np.fmin(estimate.low, estimate.value))
    high = float(np.fmax(estimate.high, estimate.value))
    if max(first, second) == len(numbers) and (np.abs(numbers) == 1).all():
        inner = _end_of_unanimous(effective_size(row_weights), confidence)
        if first:
            low = inner
        else:
            high = -inner
    if exact_sign_test(first, second) >= 1 - confidence:
        low = min(low, 0.0)
        high = max(high, 0.0)
    if np.ptp(row_weights):
        low_of_few, high_of_few = _ends_of_few(numbers, row_weights, confidence)
        low = min(low, low_of_few)
        high = max(high, high_of_few)
    furthest = max(1.0, float(np.abs(numbers).max()))
    return Measure(estimate.value, max(low, -furthest), min(high, furthest), estimate.n)


def _ends_of_few(leads: Floats, weights: Floats, confidence: float) -> tuple[float, float]:
    """Return ends that an interval must reach where rows with a lead stand for fewer than `FEWEST` images; else 0.

    Rows without a lead add no variance, however heavy they are, and the sign test counts every row alike.
    """
    size = effective_size(weights)
    ups = size * float(np.average(leads > 0, weights=weights))
    downs = size * float(np.average(leads < 0, weights=weights))
    if ups + downs >= FEWEST:
        return np.inf, -np.inf
    # leads are usually 1 or -1
    scale = float(np.abs(leads).max())
    most_ups = _wilson(ups / size, size, confidence).high
    most_downs = _wilson(downs / size, size, confidence).high
    return -scale * most_downs, scale * most_ups


def exact_sign_test(first: int, second: int) -> float:
    """Test that two outcomes are equally likely: the two-sided binomial p-value, 0 to 1.

    Example:
        >>> exact_sign_test(0, 5), exact_sign_test(4, 4)
        (0.0625, 1.0)
    """
    # imported here, and not from the slower scipy.stats: most pages need neither
    from scipy.special import bdtr  # noqa: PLC0415

    return min(1.0, 2 * float(bdtr(min(first, second), first + second, 0.5)))


def weighted_ratio(
    hits: Floats,
    trials: Floats,
    weights: Floats | None = None,
    *,
    less: tuple[Floats, Floats] | None = None,
) -> Measure:
    """Measure a ratio of sums over images with several trials each; its interval treats images, not trials, as drawn.

    With h hits of t trials in an image, the ratio r = sum w h / sum w t has the interval of `weighted_mean` for the
    sum of w (h - r t) / sum w t (Woodruff 1971, https://doi.org/10.1080/01621459.1971.10482279).

    Args:
        hits, trials: (N,), of each image; images without a trial are left out.
        weights: (N,) above 0, how many images each row stands for; all alike when None.
        less: hits and trials of a second ratio on the same images, subtracted from the first with a paired interval.

    Example:
        >>> ratio = weighted_ratio(np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0]))
        >>> ratio.value, round(ratio.low, 3), round(ratio.high, 3)
        (0.5, 0.0, 1.0)
    """
    row_weights = _weights(weights, len(hits))
    value, pulls, has_trial = _ratio(hits, trials, row_weights)
    images = int(has_trial.sum())
    if less is not None:
        other, other_pulls, other_has_trial = _ratio(*less, row_weights)
        value -= other
        pulls -= other_pulls
        images = min(images, int(other_has_trial.sum()))
        has_trial |= other_has_trial
    if images < 2 or not np.isfinite(value):
        return Measure(value, np.nan, np.nan, images)
    half = _half_width(pulls[has_trial], row_weights[has_trial])
    low = value - half
    high = value + half
    size = effective_size(row_weights[has_trial])
    if less is None:
        low = max(low, 0.0)
        high = min(high, 1.0)
        if value * size < 1 or (1 - value) * size < 1:
            # the variance of what nearly always happens, or of one light image, says nothing
            ends = _wilson(value, size)
            low = min(low, ends.low)
            high = max(high, ends.high)
    elif value == 1:
        low = _end_of_unanimous(size)
        high = 1.0
    elif value == -1:
        low = -1.0
        high = -_end_of_unanimous(size)
    return Measure(value, low, high, images)


def clustered_share(hits: Mask, clusters: Integers) -> Measure:
    """Measure a share where images of one cluster resemble each other.

    Wilson's interval on the effective number of images: the number of independent images whose share would vary as
    much as the clusters' does, reduced by the ratio of Student's to the normal quantile
    (Korn and Graubard 1998, *Survey Methodology* 24, 193). It is at most the number of images, since few clusters may
    agree by chance, and the number of clusters where all images agree.

    Args:
        hits: bool (N,).
        clusters: integers (N,), the photograph or generator that each image comes from; a single one says nothing about
            others, and the interval is 0 to 1.

    Example:
        >>> share = clustered_share(np.ones(100, bool), np.arange(100) % 5)
        >>> share.value, round(share.low, 3), share.high
        (1.0, 0.566, 1.0)
    """
    if not len(hits):
        return Measure(np.nan, 0.0, 1.0, 0)
    distinct, codes = np.unique(clusters, return_inverse=True)
    images = len(hits)
    share = float(np.mean(hits))
    if len(distinct) == 1:
        return Measure(share, 0.0, 1.0, images)
    size: float = len(distinct)
    if 0 < share < 1:
        half = _half_width(np.bincount(codes, (hits - share) / images), np.ones(len(distinct)))
        variance = share * (1 - share)
        size = images
        if half > 0:
            size = min(images, NORMAL**2 * variance / half**2)
    return replace(_wilson(share, size), n=images)


def _weights(weights: Floats | None, count: int) -> Float64:
    if weights is None:
        return np.ones(count)
    return np.asarray(weights, np.float64)


def _finite(values: Floats, weights: Floats | None) -> tuple[Float64, Float64, Mask]:
    """Return the finite values, float64 (n,), their weights, and bool (N,), which they are."""
    numbers = np.asarray(values, np.float64)
    is_finite = np.isfinite(numbers)
    return numbers[is_finite], _weights(weights, len(numbers))[is_finite], is_finite


def _wilson(share: float, size: float, confidence: float = 0.95) -> Measure:
    """Return Wilson's interval of a share of an effective number of images."""
    low, high = wilson_interval(min(share * size, size), size, confidence=confidence)  # type: ignore[arg-type]
    return Measure(share, float(low), float(high))


def _end_of_unanimous(size: float, confidence: float = 0.95) -> float:
    """The end nearer 0 of an interval for a difference that is 1 on all images: the inversion of McNemar's exact test.

    Clopper and Pearson's limit of the share (1 + lead) / 2 (1934, https://doi.org/10.1093/biomet/26.4.404).
    """
    return float(2 * ((1 - confidence) / 2) ** (1 / size) - 1)


def _ratio(hits: Floats, trials: Floats, row_weights: Float64) -> tuple[float, Float64, Mask]:
    """The ratio, each image's pull on it, and whether an image has a trial."""
    hit_counts = np.asarray(hits, np.float64)
    trial_counts = np.asarray(trials, np.float64)
    has_trial = trial_counts > 0
    total = float((row_weights * trial_counts).sum())
    if not total:
        return float("nan"), np.zeros(len(hit_counts)), has_trial
    value = float((row_weights * hit_counts).sum() / total)
    return value, row_weights * (hit_counts - value * trial_counts) / total, has_trial


def degrees_of_freedom(pulls: Array, weights: Floats) -> float:
    """Approximate the degrees of freedom of a sum over strata: (sum V_h)^2 / sum (V_h^2 / (n_h - 1)).

    Satterthwaite (1946, https://doi.org/10.2307/3002019). V_h is the sum of the squared pulls of stratum h, and n_h its
    rows: few rows that stand for many images carry the variance, however many light ones there are beside them.

    Args:
        pulls: (N,), what each row adds to a mean, less what it would add if it were the mean.
        weights: (N,) above 0; rows of one weight are a stratum, and a stratum of one row counts as one of two.

    Example:
        >>> round(degrees_of_freedom(np.array([3.0, -3.0, 0.1, -0.1, 0.1, -0.1]), np.array([9, 9, 1, 1, 1, 1])), 2)
        1.0
    """
    _, strata, sizes = np.unique(weights, return_inverse=True, return_counts=True)
    if len(sizes) == 1 or not pulls.any():
        return len(pulls) - 1
    variances = np.bincount(strata, pulls**2)
    return float(variances.sum() ** 2 / (variances**2 / np.maximum(sizes - 1, 1)).sum())


def _half_width(pulls: Array, weights: Floats, confidence: float = 0.95) -> float:
    """Compute half the interval of a mean from the contributions of its independent parts; NaN for one part."""
    count = len(pulls)
    if count == 1:
        return float("nan")
    # imported here, and not from the slower scipy.stats: most pages need neither
    from scipy.special import stdtrit  # noqa: PLC0415

    quantile = stdtrit(degrees_of_freedom(pulls, weights), 0.5 + confidence / 2)
    return float(quantile * np.sqrt((pulls**2).sum() * count / (count - 1)))
