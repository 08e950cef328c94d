"""The time that is left, against work whose end is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from dashboard.services.worker.pace import Pace

EVEN = [0.25] * 60
# as LIME judges its samples: each answer is of twice as many as the one before
DOUBLED = [0.5, 0.5, 1.0, 2.0, 4.0, 8.0]
RNG = np.random.default_rng(3)
WORK = {
    "even": (0.0, EVEN),
    "after the detector was read": (4.0, EVEN),
    "a slow first step": (0.0, [1.5, *EVEN]),
    "uneven": (0.0, RNG.uniform(0.15, 0.35, 60).tolist()),
    "few steps": (1.0, [1.5] * 8),
    "doubled": (1.0, DOUBLED),
    "a little slower towards its end": (0.0, np.linspace(0.2, 0.3, 60).tolist()),
}


def told(before: float, steps: Sequence[float], *, every: float = 0.1) -> list[tuple[float, float, float]]:
    """(seconds since the work began, what is said to be left, what is left), as a page that looks again and again."""
    pace, ends = Pace(), before + np.cumsum(steps)
    pace.begin(before)
    found, done = [], 0
    for now in np.arange(before, ends[-1], every):
        while ends[done] <= now:
            done += 1
            pace.note(float(ends[done - 1]), done / len(steps) if steps is not DOUBLED else sum(steps[:done]) / 16)
        left = pace.left(float(now))
        if left is not None:
            found.append((float(now - before), left, float(ends[-1] - now)))
    return found


@pytest.mark.parametrize("name", WORK)
def test_it_is_right_within_a_third_from_the_second_second_on(name: str) -> None:
    late = [(left, true) for now, left, true in told(*WORK[name]) if now >= 2]
    assert len(late) > 50
    for left, true in late:
        # at the very end a tick of the clock is more than a third
        assert abs(left - true) <= max(true / 3, 0.5), (left, true)


@pytest.mark.parametrize("name", ["even", "few steps"])
def test_it_runs_down_with_the_clock(name: str) -> None:
    lefts = [left for _, left, _ in told(*WORK[name])]
    assert (np.diff(lefts) <= 1e-9).all()
    assert lefts[0] - lefts[-1] == pytest.approx(sum(WORK[name][1]) - WORK[name][1][0], rel=0.1)


def test_when_it_becomes_slower_that_is_seen_before_the_next_step_is_done() -> None:
    pace = Pace()
    pace.begin(0)
    for step in range(1, 6):
        pace.note(float(step), step / 10)
    assert pace.left(5.0) == pytest.approx(5)
    # the sixth step is not done after five times as long: even if it were two steps at once, what is left would be half
    # as much again
    assert pace.left(9.9) == pytest.approx(4.9 * 3 / 2)


def test_before_the_first_step_only_others_of_its_kind_are_known() -> None:
    pace = Pace()
    assert pace.left(3.0) is None
    assert pace.left(3.0, typical=10) == 7
    pace.begin(2.0)
    assert pace.left(3.0, typical=10) == 9
    assert pace.left(30.0, typical=10) == 0
    assert pace.whole is None
    pace.note(4.0, 0.5)
    assert pace.whole == 4
