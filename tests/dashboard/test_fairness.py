"""Whose turn it is: time used is split among those who wait for it, decays, and is turned into levels."""

import pytest

from dashboard.services.worker import fairness
from dashboard.services.worker.fairness import HALF_LIFE, QUANTUM, Usage


class Clock:
    """Time that moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_had_adds_up_is_shared_and_is_forgotten_with_time() -> None:
    clock = Clock()
    usage = Usage(clock)
    usage.charge(["a"], 2.0)
    usage.charge(["a", "b"], 4.0)
    assert (usage.of("a"), usage.of("b"), usage.of("c")) == (4.0, 2.0, 0.0)
    clock.now = HALF_LIFE
    assert usage.of("a") == pytest.approx(2.0)
    usage.charge(["a"], 1.0)
    clock.now = 2 * HALF_LIFE
    assert usage.of("a") == pytest.approx(1.5)
    # nobody waits: nobody pays
    usage.charge([], 9.0)
    assert usage.of("a") == pytest.approx(1.5)


@pytest.mark.parametrize(("had", "level"), [(0.0, 0), (0.99, 0), (1.0, 1), (1.99, 1), (2.0, 2), (8.5, 4)])
def test_levels_double(had: float, level: int) -> None:
    usage = Usage(Clock())
    usage.charge(["a"], had * QUANTUM)
    assert usage.level(["a"]) == level
    # who waits together with somebody who had nothing is served as soon
    assert usage.level(["a", "new"]) == 0
    assert usage.level([]) == 0


def test_those_who_left_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "MAX_VISITORS", 3)
    usage = Usage(Clock())
    for visitor in "abacd":
        usage.charge([visitor], 1.0)
    assert [usage.of(visitor) for visitor in "abcd"] == [2.0, 0.0, 1.0, 1.0]
