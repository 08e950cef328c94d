"""Differences between groups by scipy's and textbooks' numbers, and errors that margins do or do not explain."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.studies.cluster_cards import expected_errors
from core.studies.differences import Column, compare_groups

SIZE = 900
GROUP, OTHERS = (np.arange(SIZE) % 3 == number for number in (0, 1))
ONES = np.ones(SIZE)


@pytest.mark.parametrize("shift", [0.6, -0.6])
def test_means_are_compared_by_cohens_d(shift: float) -> None:
    generator = np.random.default_rng(0)
    # the third group is in neither
    values = generator.normal(size=SIZE) + shift * GROUP + 50 * (~GROUP & ~OTHERS)
    values[generator.permutation(SIZE)[:50]] = np.nan
    weights = generator.uniform(1, 3, SIZE)
    difference = compare_groups(Column("c", "c", values, weights), GROUP, OTHERS)
    known = np.isfinite(values)
    own, rest = ((values[side & known], weights[side & known]) for side in (GROUP, OTHERS))
    assert (difference.own, difference.rest) == pytest.approx(
        (np.average(*own[:1], weights=own[1]), np.average(rest[0], weights=rest[1]))
    )
    assert difference.effect == pytest.approx(
        abs(difference.own - difference.rest) / values[(GROUP & known)].std(), rel=0.08
    )


def test_shares_are_compared_by_cohens_h_where_the_group_has_more() -> None:
    hits = (GROUP & (np.arange(SIZE) % 4 == 0)).astype(float)
    more = compare_groups(Column("c", "c", hits, ONES, share=True, text="bird"), GROUP, OTHERS)
    assert (more.effect, more.own, more.rest) == pytest.approx(
        (2 * np.arcsin(np.sqrt(more.own)), hits[GROUP].mean(), 0)
    )
    assert compare_groups(Column("c", "c", hits, ONES, share=True, text="bird"), OTHERS, GROUP).effect == 0
    assert compare_groups(Column("c", "c", hits, ONES, share=True), OTHERS, GROUP).effect == more.effect


def test_chance_hardly_ever_makes_a_difference() -> None:
    generator = np.random.default_rng(1)
    few = np.arange(SIZE) < 20
    for values in generator.normal(size=(200, SIZE)):
        assert compare_groups(Column("c", "c", values, ONES), few, ~few).effect == 0
    # nor does a group of one image
    values = np.where(np.arange(SIZE) == 0, 99.0, 0.0)
    assert compare_groups(Column("c", "c", values, ONES), values > 0, values == 0).effect == 0


def made(seed: int, *, more: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Margins, errors and a group of unsure images; `more` of its images go wrong beyond what their margins say."""
    generator = np.random.default_rng(seed)
    margins = generator.exponential(2, 6000)
    inside = generator.random(6000) < 1 / (1 + margins)
    odds = 0.5 * np.exp(-margins) + more * inside
    return margins, generator.random(6000) < odds, inside


def test_a_group_that_is_only_unsure_errs_as_its_margins_predict() -> None:
    """The interval contains 0 about as often as it claims, though the group errs far more than the rest."""
    covered = 0
    for seed in range(40):
        margins, wrong, inside = made(seed)
        beyond = expected_errors(margins, wrong, inside, np.ones(6000)).beyond
        assert wrong[inside].mean() > 1.3 * wrong[~inside].mean()
        covered += beyond.low <= 0 <= beyond.high
    assert covered >= 35


def test_errors_beyond_the_margins_are_found() -> None:
    margins, wrong, inside = made(1, more=0.1)
    expected = expected_errors(-margins, wrong, inside, np.ones(6000))
    assert expected.beyond.low > 0
    # the group is among those that it is compared with, so part of the 0.1 is expected of it
    assert 0.03 < expected.beyond.value < 0.1
    assert expected.rate.value + expected.beyond.value == pytest.approx(wrong[inside].mean())
    strict = expected_errors(-margins, wrong, inside, np.ones(6000), confidence=0.999)
    assert strict.beyond.low < expected.beyond.low
    assert strict.rate == expected.rate


def test_expected_errors_are_a_mean_over_images_of_equal_margins() -> None:
    """Two margins, by hand: 25 of 70 unsure images err and 20 of 110 sure ones; the group has 30 and 10 of them."""
    margins = np.repeat([1.0, 5.0, 1.0, 5.0], [40, 100, 30, 10])
    inside = np.repeat([False, True], [140, 40])
    wrong = np.zeros(180, bool)
    wrong[:10] = wrong[40:60] = wrong[140:155] = True
    expected = expected_errors(margins, wrong, inside, np.ones(180))
    assert expected.rate.value == pytest.approx(0.75 * 25 / 70 + 0.25 * 20 / 110)
    assert expected.beyond.value == pytest.approx(15 / 40 - expected.rate.value)
    # an image that stands for three counts like three
    weighted = expected_errors(margins, wrong, inside, np.where(margins == 5, 3.0, 1.0))
    assert weighted.rate.value == pytest.approx(0.5 * 25 / 70 + 0.5 * 20 / 110)
