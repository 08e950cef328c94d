"""Intervals against scipy, statsmodels, published numbers and simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from core.findings.intervals import (
    clustered_share,
    difference_of_intervals,
    weighted_lead,
    weighted_mean,
    weighted_ratio,
    weighted_share,
)
from core.runs.metrics import wilson_interval


def test_weighted_shares_and_means_cover_the_truth_in_stratified_samples() -> None:
    generator = np.random.default_rng(1)
    sizes, shares = np.array([9000, 400]), np.array([0.05, 0.6])
    truth = float((sizes * shares).sum() / sizes.sum())
    covered = {"share": 0, "mean": 0}
    for _ in range(1500):
        drawn = [generator.random(count) < share for count, share in zip((300, 200), shares, strict=True)]
        weights = np.repeat(sizes / (300, 200), (300, 200))
        hits = np.concatenate(drawn)
        for name, found in (("share", weighted_share(hits, weights)), ("mean", weighted_mean(hits, weights))):
            covered[name] += found.low <= truth <= found.high
            assert found.value == pytest.approx(np.average(hits, weights=weights))
            assert found.images == 500
    # strata reduce the variance; the intervals do not use that, so they may cover a little too often
    assert covered["share"] > 0.92 * 1500
    assert 0.92 < covered["mean"] / 1500 < 0.99


def test_without_weights_they_are_what_everybody_knows() -> None:
    values = np.random.default_rng(2).normal(size=40)
    found = weighted_mean(values)
    low, high = stats.t.interval(0.95, 39, loc=values.mean(), scale=stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert weighted_mean(np.append(values, np.nan)) == found
    share = weighted_share(values > 0)
    assert [share.low, share.high] == pytest.approx(
        [float(end) for end in wilson_interval(int((values > 0).sum()), 40)]
    )
    assert weighted_share(np.ones(5, bool), np.array([0.1, 0.2, 0.3, 0.7, 1.1])).high == 1
    assert np.isnan(weighted_share(np.zeros(0, bool)).value)
    assert np.isnan(weighted_mean(np.zeros(0)).value)


def test_what_was_drawn_in_clusters_is_counted_in_clusters() -> None:
    generator = np.random.default_rng(0)
    clusters = generator.permutation(np.arange(60) % 6)
    luck = generator.normal(size=6)
    values = luck[clusters] + generator.normal(0, 0.1, 60)
    found = weighted_mean(values, clusters=clusters)
    # clusters of one size: Student's interval of their means
    own = [values[clusters == one].mean() for one in range(6)]
    low, high = stats.t.interval(0.95, 5, np.mean(own), stats.sem(own))
    assert found.value == pytest.approx(np.mean(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    # clusters that happen to agree promise no more than rows that have nothing in common
    even = generator.normal(size=60)
    for one in range(6):
        even[clusters == one] -= even[clusters == one].mean()
    plain = weighted_mean(even)
    assert weighted_mean(even, clusters=clusters) == plain
    # one cluster gives no interval, and NaN rows do not count
    assert np.isnan(weighted_mean(values, clusters=np.zeros(60, int)).low)
    gap = np.append(values, np.nan)
    assert weighted_mean(gap, clusters=np.append(clusters, 99)) == found


@pytest.mark.parametrize("count", [3, 8, 10])
@pytest.mark.parametrize("spread", [(1, 4), (4, 16), (9, 1), (4, 4)])
def test_the_interval_of_few_clusters_holds_the_truth_as_often_as_it_says(count: int, spread: tuple[int, int]) -> None:
    """Clusters whose own shares vary; drawing clusters with replacement would hold it in 73 to 90 % only."""
    generator = np.random.default_rng(count)
    truth, clusters = spread[0] / sum(spread), np.repeat(np.arange(count), 100)
    held = []
    for _ in range(1000):
        hits = generator.random(100 * count) < generator.beta(*spread, count)[clusters]
        found = clustered_share(hits, clusters)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) > 0.92 - 2 * np.sqrt(0.05 * 0.95 / 1000)


def test_the_share_of_clusters_is_wilsons_on_as_many_images_as_vary_so_much() -> None:
    clusters = np.repeat(np.arange(6), 50)
    hits = np.random.default_rng(0).random(300) < np.linspace(0.2, 0.7, 6)[clusters]
    found, own = clustered_share(hits, clusters), hits.reshape(6, 50).mean(axis=1)
    # the variance of the mean of six shares, and Student's quantile beside the normal one
    p, error = hits.mean(), stats.sem(own) * stats.t.ppf(0.975, 5) / stats.norm.ppf(0.975)
    size = p * (1 - p) / error**2
    z2 = stats.norm.ppf(0.975) ** 2
    middle, half = (p + z2 / 2 / size) / (1 + z2 / size), np.sqrt(z2 * p * (1 - p) / size + z2**2 / 4 / size**2)
    assert found.value == p
    assert found.low == pytest.approx(middle - half / (1 + z2 / size))
    assert found.high == pytest.approx(middle + half / (1 + z2 / size))
    # clusters that happen to agree promise no more than images that have nothing in common
    even = np.tile([True, False], 150)
    assert clustered_share(even, clusters)[1:3] == pytest.approx([float(end) for end in wilson_interval(150, 300)])
    # and where all is alike, clusters are what was counted
    assert clustered_share(np.ones(300, bool), clusters)[1:3] == pytest.approx(
        [float(end) for end in wilson_interval(6, 6)]
    )


@pytest.mark.parametrize("count", [1, 2, 5, 6, 7, 40])
def test_few_leads_that_all_agree_are_as_certain_as_the_exact_test_says(count: int) -> None:
    found = weighted_lead(np.ones(count))
    exact = stats.binomtest(count, count).pvalue
    assert (found.low > 0) == (exact < 0.05)
    assert (found.value, found.high) == (1, 1)
    # the share of leads that are 1, as scipy has it
    assert found.low == pytest.approx(2 * stats.binomtest(count, count).proportion_ci().low - 1)
    mirrored = weighted_lead(-np.ones(count))
    assert mirrored[:3] == pytest.approx((-found.value, -found.high, -found.low))


@pytest.mark.parametrize(("more", "fewer", "none"), [(5, 0, 20), (6, 0, 20), (9, 1, 50), (8, 2, 50), (60, 20, 200)])
def test_a_lead_is_certain_only_where_mcnemars_test_says_so(more: int, fewer: int, none: int) -> None:
    leads = np.r_[np.ones(more), -np.ones(fewer), np.zeros(none), np.nan]
    found, wide = weighted_lead(leads), weighted_mean(leads)
    assert found.value == wide.value
    assert (found.low > 0) == (wide.low > 0 and stats.binomtest(fewer, more + fewer).pvalue < 0.05)
    assert found.high == wide.high
    assert weighted_lead(np.zeros(9)) == weighted_mean(np.zeros(9))


def test_a_ratio_of_sums_resamples_images_and_not_their_trials() -> None:
    generator = np.random.default_rng(0)
    trials = generator.integers(1, 20, 300).astype(float)
    # an image's trials all go one way
    hits, other = (trials * (generator.random(300) < share) for share in (0.3, 0.2))
    weights = generator.uniform(1, 3, 300)
    found = weighted_ratio(hits, trials, weights)
    assert found.value == pytest.approx((weights * hits).sum() / (weights * trials).sum())
    drawn = generator.integers(0, 300, (4000, 300))
    ratios = (weights * hits)[drawn].sum(axis=1) / (weights * trials)[drawn].sum(axis=1)
    np.testing.assert_allclose([found.low, found.high], np.percentile(ratios, [2.5, 97.5]), atol=0.01)
    paired = weighted_ratio(hits, trials, weights, less=(other, trials))
    differences = ratios - (weights * other)[drawn].sum(axis=1) / (weights * trials)[drawn].sum(axis=1)
    assert paired.value == pytest.approx(found.value - weighted_ratio(other, trials, weights).value)
    np.testing.assert_allclose([paired.low, paired.high], np.percentile(differences, [2.5, 97.5]), atol=0.012)
    same = weighted_ratio(hits, trials, weights, less=(hits, trials))
    assert same[:3] == (0, 0, 0)


def test_light_rows_alone_do_not_claim_a_lead() -> None:
    # right verdicts stand for 77 images each, and errors for one or two
    weights = np.repeat([77.0, 1.4], 125)
    errors = np.arange(250) >= 125
    generator = np.random.default_rng(0)
    leads = np.where(errors & (generator.random(250) < 0.3), 1.0, 0.0)
    found = weighted_lead(leads, weights)
    # a change that flips 1% of the right ones and that this sample has missed would outweigh them
    assert found.low < -0.01
    assert found.high > found.value > 0
    # as many in rows that weigh alike are a lead
    assert weighted_lead(leads[125:], weights[125:]).low > 0


@pytest.mark.parametrize("counts", [(3, 40, 9, 50), (0, 10, 4, 10), (10, 10, 10, 12)])
def test_a_difference_of_independent_shares_is_that_of_statsmodels(counts: tuple[int, int, int, int]) -> None:
    hits, images, other, others = counts
    shares = [weighted_share(np.arange(n) < k) for k, n in ((hits, images), (other, others))]
    found = difference_of_intervals(*shares)
    low, high = confint_proportions_2indep(hits, images, other, others, method="newcomb")
    assert found.value == pytest.approx(hits / images - other / others)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (73, 333), (1, 1), (9_999, 10_000)])
def test_ends_solve_the_score_equation(k: int, n: int) -> None:
    z = 1.959963984540054
    for end in wilson_interval(k, n):
        # the test of the share `end` rejects k of n with exactly this z; at 0 and 1 it has no spread
        spread = np.sqrt(end * (1 - end) / n)
        assert abs(k / n - end) == pytest.approx(z * spread, abs=1e-9) or (k in (0, n) and end in (0, 1))
