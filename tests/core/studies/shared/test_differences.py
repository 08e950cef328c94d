"""Differences between groups by scipy's and textbooks' numbers."""

import numpy as np
import pytest

from core.studies.shared.differences import Column, compare_groups

SIZE = 900
GROUP, OTHERS = (np.arange(SIZE) % 3 == number for number in (0, 1))
ONES = np.ones(SIZE)


@pytest.mark.parametrize("shift", [0.6, -0.6])
def test_means_are_compared_by_cohens_d(shift):
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


def test_shares_are_compared_by_cohens_h_where_the_group_has_more():
    hits = (GROUP & (np.arange(SIZE) % 4 == 0)).astype(float)
    birds = Column("c", "c", hits, ONES, share=True, text="bird")
    more = compare_groups(birds, GROUP, OTHERS)
    assert (more.effect, more.own, more.rest) == pytest.approx(
        (2 * np.arcsin(np.sqrt(more.own)), hits[GROUP].mean(), 0)
    )
    assert compare_groups(birds, OTHERS, GROUP).effect == 0
    assert compare_groups(Column("c", "c", hits, ONES, share=True), OTHERS, GROUP).effect == more.effect
