"""Intervals by the formulas of the books, with scipy and statsmodels, and by simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from core.findings.intervals import (
    clustered_share,
    weighted_lead,
    weighted_mean,
    weighted_ratio,
    weighted_share,
)
from core.findings.paired import difference_of_intervals
from tests.core.findings.planted import close


def wilson(share, size, confidence=0.95):
    return proportion_confint(share * size, size, alpha=1 - confidence, method="wilson")


def clopper(size, confidence=0.95):
    """The lower end of a difference that is 1 on all images: Clopper and Pearson's, of as many successes as trials."""
    return float(2 * stats.beta.ppf((1 - confidence) / 2, size, 1) - 1)


def half_width(parts, weights=None, confidence=0.95):
    """Half of Student's interval of a sum of independent parts, with Satterthwaite's degrees of freedom by stratum."""
    n = len(parts)
    if n == 1:
        return np.nan
    freedom = n - 1.0
    if weights is not None and np.ptp(weights) and parts.any():
        strata = [parts[weights == weight] for weight in set(weights)]
        freedom = (parts @ parts) ** 2 / sum((part @ part) ** 2 / max(1, len(part) - 1) for part in strata)
    return float(n * stats.sem(parts) * stats.t.ppf((1 + confidence) / 2, freedom))


def size_of(weights):
    return float(weights.sum() ** 2 / (weights**2).sum())


def drawn(seed):
    """A generator, a number of images, their weights (none, equal, or unequal), and a confidence."""
    generator = np.random.default_rng(seed)
    n = (1, 2, 3, 7, 30, 200)[seed % 6]
    weights = (None, np.full(n, 3.0), generator.uniform(0.5, 2, n), np.where(generator.random(n) < 0.5, 50.0, 1.0))
    return generator, n, weights[seed // 6 % 4], (0.95, 0.9, 0.99)[seed // 24]


every_draw = pytest.mark.parametrize("seed", range(72))


@every_draw
def test_shares_and_means_have_wilsons_and_students_intervals(seed):
    generator, n, weights, confidence = drawn(seed)
    w = np.ones(n) if weights is None else weights
    clusters = generator.integers(4, 11, n)
    for hits in (generator.random(n) < 0.3, np.ones(n, bool), np.zeros(n, bool), clusters < 7):
        share = np.average(hits, weights=w)
        found = weighted_share(hits, weights, confidence=confidence)
        close(found, share, *wilson(share, size_of(w), confidence), n)
        assert found.high == 1 or not hits.all()
        # of clusters: as many images as would vary so much, and where all are alike as many as there are clusters
        share = hits.mean()
        own = [(hits - hits.mean())[clusters == one].sum() / n for one in np.unique(clusters)]
        size = float(len(own))
        half = half_width(np.array(own))
        if 0 < share < 1:
            size = min(n, share * (1 - share) * (stats.norm.ppf(0.975) / half) ** 2) if half > 1e-9 else n
        close(clustered_share(hits, clusters), share, *(wilson(share, size) if len(own) > 1 else (0, 1)), n)
    values = generator.normal(1, 2, n)
    mean = np.average(values, weights=w)
    parts = w * (values - mean) / w.sum()
    half = half_width(parts, w, confidence)
    own = [parts[clusters == one].sum() for one in np.unique(clusters)]
    # a row without a number does not count
    values = np.append(values, np.nan)
    more = None if weights is None else np.append(weights, 9.0)
    close(weighted_mean(values, more, confidence=confidence), mean, mean - half, mean + half, n)
    # clusters that happen to agree promise no more than rows that have nothing in common
    half = float(np.maximum(half, half_width(np.array(own), confidence=confidence)))
    found = weighted_mean(values, more, clusters=np.append(clusters, 99), confidence=confidence)
    # fewer than five have no interval
    half = half if len(own) >= 5 else np.nan
    close(found, mean, mean - half, mean + half, n)


def test_of_nothing_nothing_is_known():
    nothing = np.zeros(0)
    for found in (weighted_mean(nothing), weighted_lead(nothing), weighted_ratio(nothing, nothing)):
        close(found, np.nan, np.nan, np.nan, 0)
    for found in (weighted_share(nothing > 0), clustered_share(nothing > 0, nothing.astype(int))):
        close(found, np.nan, 0, 1, 0)


def lead_by_the_book(leads, weights, confidence):
    """The paired difference as `weighted_lead` describes it."""
    x = leads
    w = np.ones(len(leads)) if weights is None else weights
    mean = float(np.average(x, weights=w))
    ups = int((x > 0).sum())
    downs = int((x < 0).sum())
    half = half_width(w * (x - mean) / w.sum(), w, confidence)
    if not ups + downs:
        return mean, mean - half, mean + half
    low, high = (mean, mean) if np.isnan(half) else (mean - half, mean + half)
    if (x == 1).all():
        low = clopper(size_of(w), confidence)
    if (x == -1).all():
        high = -clopper(size_of(w), confidence)
    if stats.binomtest(ups, ups + downs).pvalue >= 1 - confidence:
        low = min(low, 0)
        high = max(high, 0)
    shares = [float(w[side].sum() / w.sum()) for side in (x > 0, x < 0)]
    largest = float(abs(x).max())
    if np.ptp(w) and sum(shares) * size_of(w) < 4:
        most, least = (largest * wilson(share, size_of(w), confidence)[1] for share in shares)
        low = min(low, -least)
        high = max(high, most)
    return mean, max(low, -max(1, largest)), min(high, max(1, largest))


@every_draw
def test_a_lead_has_students_interval_unless_few_or_light_images_decide_it(seed):
    generator, n, weights, confidence = drawn(seed)
    for leads in (
        generator.choice([-1.0, 0.0, 1.0], n, p=generator.dirichlet([1, 2, 1])),
        np.full(n, generator.choice([-1.0, 0.0, 1.0])),
        np.where(generator.random(n) < 0.1, generator.choice([1.0, 1.0, -1.0], n), 0),
        generator.normal(0.5, 1.5, n).round(1),
    ):
        expected = lead_by_the_book(leads, weights, confidence)
        more = None if weights is None else np.append(weights, 9.0)
        close(weighted_lead(np.append(leads, np.nan), more, confidence=confidence), *expected, n)


@every_draw
def test_a_ratio_of_sums_treats_images_as_drawn_and_not_their_trials(seed):
    generator, n, weights, _ = drawn(seed)
    w = np.ones(n) if weights is None else weights

    def parts(hits, trials):
        ratio = (w * hits).sum() / (w * trials).sum()
        return ratio, w * (hits - ratio * trials) / (w * trials).sum()

    trials = generator.integers(0, 20, n).astype(float)
    trials[0] = 5
    # an image's trials may all go one way
    mixed = generator.binomial(trials.astype(int), 0.3).astype(float)
    certain = trials * (generator.random(n) < 0.5)
    tried = trials > 0
    for hits in (mixed, certain, trials, 0 * trials, np.where(np.arange(n) == 0, 5.0, 0.0)):
        value, own = parts(hits, trials)
        half = half_width(own[tried], w[tried])
        size = size_of(w[tried])
        low = max(value - half, 0)
        high = min(value + half, 1)
        if min(value, 1 - value) * size < 1:
            ends = wilson(value, size)
            low = min(low, ends[0])
            high = max(high, ends[1])
        found = weighted_ratio(hits, trials, weights)
        close(found, value, *((low, high) if tried.sum() > 1 else (np.nan, np.nan)), tried.sum())
    other = generator.integers(0, 3, n).astype(float)
    other[0], both = 1, tried | (other > 0)
    for hits, others in ((mixed, other), (certain, 0 * other), (trials, 0 * other), (0 * trials, other)):
        (value, own), (less, theirs) = parts(hits, trials), parts(others, other)
        half = half_width((own - theirs)[both], w[both])
        low = value - less - half
        high = value - less + half
        end = clopper(size_of(w[both]))
        low, high = {1: (end, 1), -1: (-1, -end)}.get(value - less, (low, high))
        images = min(tried.sum(), (other > 0).sum())
        found = weighted_ratio(hits, trials, weights, less=(others, other))
        close(found, value - less, *((low, high) if images > 1 else (np.nan, np.nan)), images)


@pytest.mark.parametrize("counts", [(3, 40, 9, 50), (0, 10, 4, 10), (10, 10, 10, 12)])
def test_a_difference_of_independent_shares_is_that_of_statsmodels(counts):
    hits, images, other, others = counts
    shares = [weighted_share(np.arange(n) < k) for k, n in ((hits, images), (other, others))]
    found = difference_of_intervals(*shares)
    low, high = confint_proportions_2indep(hits, images, other, others, method="newcomb")
    assert found.value == pytest.approx(hits / images - other / others)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)
