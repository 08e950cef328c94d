"""Wilson's interval against its defining equation, and at the ends."""

import numpy as np
import pytest

from core.stats import wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (73, 333), (1, 1), (9_999, 10_000)])
def test_ends_solve_the_score_equation(k: int, n: int) -> None:
    z = 1.959963984540054
    for end in wilson_interval(k, n):
        # the test of the share `end` rejects k of n with exactly this z; at 0 and 1 it has no spread
        spread = np.sqrt(end * (1 - end) / n)
        assert abs(k / n - end) == pytest.approx(z * spread, abs=1e-9) or (k in (0, n) and end in (0, 1))


def test_covers_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    for share in (0.02, 0.2, 0.5):
        low, high = wilson_interval(generator.binomial(200, share, 4000), 200)
        assert 0.93 < np.mean((low <= share) & (share <= high)) < 0.98


def test_nothing_is_known_of_no_trials() -> None:
    low, high = wilson_interval(np.array([0, 3]), np.array([0, 4]))
    assert (low[0], high[0]) == (0, 1)
    assert 0 < low[1] < 0.75 < high[1] < 1


@pytest.mark.parametrize(("k", "n"), [(-1, 3), (4, 3)])
def test_refuses_impossible_counts(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(k, n)


def test_refuses_a_confidence_that_is_none() -> None:
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, confidence=1)
