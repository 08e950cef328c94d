"""AUROC and its interval against scikit-learn and against counting; rules, strata and leaning on made numbers."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm, spearmanr
from sklearn.model_selection import StratifiedKFold
from statsmodels.stats.proportion import proportion_confint

from core.findings.contrast import UNKNOWN
from core.findings.separation import (
    auroc,
    bin_log_odds,
    cross_fit,
    difference_of_aurocs,
    rank_correlation,
    strata_of,
    within_strata,
)
from tests.core.findings.planted import close

NORMAL = norm.ppf(0.975)
NOTHING = (np.nan, np.nan, np.nan, 0)


def two_classes(n=400, shift=0.7, seed=0):
    """Numbers of two classes, `shift` standard deviations apart, with ties."""
    generator = np.random.default_rng(seed)
    is_real = np.arange(n) % 2 == 0
    return np.round(generator.normal(0, 1, n) + shift * is_real, 1), is_real


def pairs(scores, is_real):
    """1 where a REAL image (rows) scores higher than a FAKE one (columns), a half where they tie."""
    real = scores[is_real][:, None]
    fake = scores[~is_real]
    return (real > fake) + 0.5 * (real == fake)


def delong(wins):
    """DeLong's variance of the mean of pairs; the largest that a share can have where a class has one image."""
    own = [wins.mean(axis=axis) for axis in (1, 0)]
    return sum(side.var(ddof=1) / len(side) if len(side) > 1 else 0.25 for side in own)


@pytest.mark.parametrize("n, shift", [(120, 0.7), (12, 1.0), (12, -1.0), (7, 0.0), (2, 0.0), (3, 0.0)])
def test_the_interval_is_delongs_computed_pair_by_pair(n, shift):
    scores, is_real = two_classes(n, shift, seed=n)
    wins = pairs(scores, is_real)
    half = NORMAL * np.sqrt(delong(wins))
    close(auroc(scores, is_real), wins.mean(), max(0, wins.mean() - half), min(1, wins.mean() + half), n)


@pytest.mark.parametrize("real", [10, 3])
def test_where_no_pair_is_out_of_order_the_interval_is_wilsons(real):
    for order, hits in ((1, min(real, 10)), (-1, 0)):
        found = auroc(order * np.arange(10 + real), np.arange(10 + real) >= 10)
        ends = proportion_confint(hits, min(real, 10), method="wilson")
        close(found, (1 + order) / 2, *ends, 10 + real)
    # of ties alone the variance is 0 too, but a half is no end
    close(auroc(np.zeros(20), np.arange(20) >= 10), 0.5, 0.5, 0.5, 20)
    for label in (True, False):
        close(auroc(np.arange(5), np.full(5, label)), *NOTHING)


def test_a_rule_is_the_log_odds_of_its_bin_among_other_images():
    generator = np.random.default_rng(2)
    values = generator.integers(0, 60, 300) * 1.0
    is_real = generator.random(300) < 0.4
    # twenty bins of equal counts; a value on an edge belongs to the bin above it
    edges = np.unique(np.percentile(values, np.arange(5, 100, 5)))
    bins = np.array([(edges <= value).sum() for value in values])
    assert_array_equal(strata_of(pd.Series(values)), bins)
    assert strata_of(pd.Series(["a", "b", "a", "c"])).tolist() == [0, 1, 0, 2]

    def odds(learned, own):
        inside = learned & (bins == own)
        return np.log((inside & is_real).sum() + 0.5) - np.log((inside & ~is_real).sum() + 0.5)

    among = np.arange(300) < 200
    given = cross_fit(bin_log_odds, bins[~among], is_real[~among], bins[among], is_real[among])
    assert_allclose(given, [odds(among, own) for own in bins[~among]])
    # cross-fitted where the training images are of one class, or none
    for training in (np.flatnonzero(is_real)[:9], np.flatnonzero(~is_real)[:9], np.zeros(0, int)):
        rule_of = cross_fit(bin_log_odds, bins, is_real, bins[training], is_real[training], seed=7)
        for learned, scored in StratifiedKFold(5, shuffle=True, random_state=7).split(values, is_real):
            among = np.isin(np.arange(300), learned)
            assert_allclose(rule_of[scored], [odds(among, bins[row]) for row in scored])
    # two images of a class make two folds
    halves = np.array([0, 0, 0, 0, 1, 1])
    found = cross_fit(bin_log_odds, halves, halves > 0, halves[:0], halves[:0] > 0)
    assert_allclose(found, np.log([0.5 / 2.5] * 4 + [1.5 / 0.5] * 2))
    # nothing is known of a bin without images
    assert bin_log_odds(halves, halves > 0, np.array([3])) == 0


def test_strata_are_weighted_by_what_they_say_of_a_difference():
    """Weights n m / (n + m), and the variance of the weighted mean; four images of a class are too few."""
    generator = np.random.default_rng(3)
    sizes = [(12, 48), (150, 150), (5, 9), (4, 30), (30, 4)]
    strata = np.repeat(np.arange(5), [sum(pair) for pair in sizes])
    is_real = np.concatenate([np.arange(real + fake) < real for real, fake in sizes])
    margins = generator.normal(0, 1, len(strata)) + np.where(strata == 0, 3.0, 0.7) * (is_real - 0.5)
    found = within_strata(margins, is_real, strata)
    weights = np.array([n * m / (n + m) for n, m in sizes[:3]])
    weights /= weights.sum()
    parts = [(margins[strata == k], is_real[strata == k]) for k in range(3)]
    areas = [pairs(values, real) for values, real in parts]
    half = NORMAL * np.sqrt(weights**2 @ [delong(wins) for wins in areas])
    mean = weights @ [wins.mean() for wins in areas]
    close(found, mean, mean - half, mean + half, 374)
    # all right in every stratum: as many trials as the smaller classes have images
    close(within_strata(is_real - 0.5, is_real, strata), 1, *proportion_confint(167, 167, method="wilson"), 374)
    close(within_strata(margins[strata == 3], is_real[strata == 3], strata[strata == 3]), *NOTHING)


def test_a_rank_correlation_has_bonett_and_wrights_interval():
    generator = np.random.default_rng(0)
    first = generator.normal(0, 1, 40).round(1)
    for second, n in ((first + generator.normal(0, 1, 40), 40), (-first + generator.normal(0, 0.5, 40), 4)):
        rho = float(spearmanr(first[:n], second[:n]).statistic)
        assert -1 < rho < 1
        ends = np.tanh(np.arctanh(rho) + NORMAL * np.sqrt((1 + rho**2 / 2) / (n - 3)) * np.array([-1, 1]))
        close(rank_correlation(first[:n], second[:n]), rho, *ends, n)
    for sign in (1, -1):
        close(rank_correlation(first, sign * first), sign, np.nan, np.nan, 40)
    for one, other in ((first, 0 * first), (0 * first, first), (first[:3], first[3:6])):
        close(rank_correlation(one, other), np.nan, np.nan, np.nan, len(one))


def test_a_difference_of_aurocs_is_delongs_on_the_same_images():
    generator = np.random.default_rng(1)
    is_real = generator.random(300) < 0.4
    shared = generator.normal(0, 1, 300) + is_real
    first, second = (np.round(shared + generator.normal(0, spread, 300), 1) for spread in (0.4, 1.5))
    wins = pairs(first, is_real) - pairs(second, is_real)
    half = NORMAL * np.sqrt(delong(wins))
    found = difference_of_aurocs(first, second, is_real)
    close(found, wins.mean(), wins.mean() - half, wins.mean() + half, 300)
    # never beyond the ends
    few = np.array([0.0, 1, 2, 3, 4, 9])
    real = np.array([False, False, False, True, True, True])
    for order in (1, -1):
        found = difference_of_aurocs(order * few, -order * np.array([0.0, 1, 3, 2, 4, 9]), real)
        assert found.value == pytest.approx(order * 8 / 9)
        assert (found.high if order > 0 else found.low) == order
    for label in (True, False):
        assert difference_of_aurocs(first, second, np.full(300, label)) == UNKNOWN
    # of few images that are all alike the variance says nothing, nor does that of one image of a class
    for rows, is_one in ((np.arange(6.0), real), (np.arange(4.0), real[2:]), (np.arange(4.0), real[:4])):
        close(difference_of_aurocs(rows, 0 * rows, is_one), 0.5, np.nan, np.nan, len(rows))
    close(difference_of_aurocs(few, few, real), 0, 0, 0, 6)
