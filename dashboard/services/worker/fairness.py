"""Fair scheduling: visitors who have used little come before those who have used much."""

import math
from collections.abc import Callable, Iterable

from core.storage import Bounded

# seconds after which usage counts half, so that heavy users do not wait forever
HALF_LIFE = 30.0
# seconds of the thread that a visitor may use before falling back a level; each doubling costs another level
QUANTUM = 1.0
MAX_VISITORS = 4000


class Usage:
    """The seconds that each visitor has used of a shared resource, decaying over time.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # seconds used, and when they were updated
        self._had: Bounded[str, tuple[float, float]] = Bounded(MAX_VISITORS)

    def charge(self, visitors: Iterable[str], seconds: float) -> None:
        """Charge some seconds to the visitors for whom they were spent, in equal parts."""
        among = set(visitors)
        for visitor in among:
            self._had[visitor] = self.of(visitor) + seconds / len(among), self._clock()

    def of(self, visitor: str) -> float:
        """Return a visitor's decayed usage in seconds."""
        seconds, when = self._had.get(visitor, (0.0, 0.0))
        return seconds * 0.5 ** ((self._clock() - when) / HALF_LIFE) if seconds else 0.0

    def level(self, visitors: Iterable[str]) -> int:
        """Return how many levels the lightest user among some visitors falls back: 0 below `QUANTUM`, then one, and
        one more each time usage doubles."""
        least = min(map(self.of, visitors), default=0.0)
        return 0 if least < QUANTUM else 1 + int(math.log2(least / QUANTUM))
