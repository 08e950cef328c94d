"""Paired comparisons against statsmodels, scikit-learn and simulation."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import DescrStatsW

from core.findings.intervals import weighted_mean
from core.findings.paired import (
    Outcomes,
    area,
    count_outcomes,
    difference_of_aurocs,
    difference_of_shares,
    mcnemar,
    rank_correlation,
)

TABLES = ((19045, 204, 464, 287), (40, 3, 9, 8), (12, 0, 5, 0), (0, 7, 7, 0), (5, 0, 0, 0))


def drawn(counts: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Verdicts with these outcomes."""
    first = np.repeat([True, False, True, False], counts)
    second = np.repeat([True, True, False, False], counts)
    return first, second


@pytest.mark.parametrize("table", TABLES)
def test_mcnemar_is_that_of_statsmodels(table: tuple[int, int, int, int]) -> None:
    counts = Outcomes(*table)
    square = [[counts.both_right, counts.only_second_wrong], [counts.only_first_wrong, counts.both_wrong]]
    assert mcnemar(counts) == pytest.approx(min(1.0, reference_mcnemar(square, exact=True).pvalue), abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_outcomes_are_counted(table: tuple[int, int, int, int]) -> None:
    assert count_outcomes(*drawn(Outcomes(*table))) == Outcomes(*table)


def test_the_interval_of_many_images_is_that_of_the_paired_mean_of_statsmodels() -> None:
    counts = Outcomes(*TABLES[0])
    first, second = drawn(counts)
    low, high = DescrStatsW(first.astype(float) - second).tconfint_mean()
    found = difference_of_shares(counts)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)
    # the paired interval that every other difference of the comparison has
    assert weighted_mean(first.astype(float) - second)[1:3] == pytest.approx((low, high), abs=1e-9)


def test_without_correlation_it_is_made_of_the_score_intervals_of_statsmodels() -> None:
    # one of the four margins is empty, so the correlation is 0 (Newcombe 1998)
    found = difference_of_shares(Outcomes(12, 0, 5, 0))
    (low_1, high_1), (low_2, high_2) = (proportion_confint(hits, 17, method="wilson") for hits in (17, 12))
    one, other = 1.0, 12 / 17
    assert found.low == pytest.approx(one - other - np.hypot(one - low_1, high_2 - other))
    assert found.high == pytest.approx(min(1.0, one - other + np.hypot(high_1 - one, other - low_2)))


def test_the_published_example() -> None:
    # Newcombe 1998, Table II, method 10: 36, 12, 2 and 0 of 50 pairs
    found = difference_of_shares(Outcomes(36, 2, 12, 0))
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=2e-4)


def test_a_positive_correlation_is_corrected_for_continuity() -> None:
    """Newcombe 1998, method 10: n / 2 off the numerator of phi, computed here from the formula in the paper."""
    # the first is right on 40 + 9 images, the second on 40 + 3
    one, other, images = 49 / 60, 43 / 60, 60
    phi = (40 * 8 - 3 * 9 - images / 2) / np.sqrt(49.0 * 11 * 43 * 17)
    (low_1, high_1), (low_2, high_2) = (proportion_confint(hits, images, method="wilson") for hits in (49, 43))
    below, above = (one - low_1, high_2 - other), (high_1 - one, other - low_2)
    widths = [np.sqrt(left**2 - 2 * phi * left * right + right**2) for left, right in (below, above)]
    found = difference_of_shares(Outcomes(40, 3, 9, 8))
    assert found[:3] == pytest.approx((one - other, one - other - widths[0], one - other + widths[1]))


@pytest.mark.parametrize("images", [20, 200])
def test_it_contains_the_truth_as_often_as_it_says(images: int) -> None:
    generator = np.random.default_rng(0)
    shares = np.array([0.8, 0.02, 0.1, 0.08])
    truth = shares[2] - shares[1]
    found = [difference_of_shares(Outcomes(*map(int, row))) for row in generator.multinomial(images, shares, 2000)]
    # of few images it is a little too wide
    most = 0.975 if images > 100 else 1
    assert 0.935 < np.mean([one.low <= truth <= one.high for one in found]) <= most


def test_difference_of_aurocs() -> None:
    generator = np.random.default_rng(1)
    is_real = generator.random(400) < 0.4
    shared = generator.normal(0, 1, 400) + is_real
    first, second = (np.round(shared + generator.normal(0, spread, 400), 1) for spread in (0.4, 1.5))
    found = difference_of_aurocs(first, second, is_real)
    assert found.value == pytest.approx(roc_auc_score(is_real, first) - roc_auc_score(is_real, second))
    assert area(first, is_real) == pytest.approx(roc_auc_score(is_real, first))
    # the spread over resampled images is what the interval's width says
    again = []
    for _ in range(400):
        rows = np.concatenate(
            [generator.choice(np.flatnonzero(is_real == real), (is_real == real).sum()) for real in (0, 1)]
        )
        again.append(area(first[rows], is_real[rows]) - area(second[rows], is_real[rows]))
    assert (found.high - found.low) / 3.92 == pytest.approx(np.std(again), rel=0.12)
    assert np.isnan(difference_of_aurocs(first, second, np.ones(400, bool)).value)
    # of few images that are all alike the variance says nothing
    few = difference_of_aurocs(np.arange(6.0), np.zeros(6), np.arange(6) > 2)
    assert few.value == 0.5
    assert np.isnan(few[1:3]).all()


def test_rank_correlation() -> None:
    generator = np.random.default_rng(2)
    first = np.round(generator.normal(size=300), 1)
    second = first + generator.normal(size=300)
    found = rank_correlation(first, second)
    assert found.value == pytest.approx(spearmanr(first, second).statistic)
    assert found.low < found.value < found.high
    assert np.isnan(rank_correlation(first, np.zeros(300)).value)


def test_nothing_to_compare() -> None:
    assert np.isnan(difference_of_shares(Outcomes(0, 0, 0, 0)).value)
    assert mcnemar(Outcomes(0, 0, 0, 0)) == 1


def test_a_perfect_order_of_few_images_has_no_interval() -> None:
    found = rank_correlation(np.arange(4.0), np.arange(4.0) ** 3)
    assert found.value == pytest.approx(1)
    assert np.isnan([found.low, found.high]).all()
