"""Whose turn it is: who has had little goes before who has had much, and a first answer before a better one."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable

# what a visitor has had counts half after so many seconds, so that nobody who asks for much waits for ever
HALF_LIFE = 30.0
# seconds of the thread that everybody may have before anybody is put behind others; twice as much, one place more
QUANTUM = 1.0
MAX_VISITORS = 4000


class Usage:
    """The seconds that each visitor has had of something that all share, forgotten with time.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # seconds, and when they were right
        self._had: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def charge(self, visitors: Iterable[str], seconds: float) -> None:
        """Count some seconds, shared by those for whom they were spent."""
        among = set(visitors)
        for visitor in among:
            self._had[visitor] = self.of(visitor) + seconds / len(among), self._clock()
            self._had.move_to_end(visitor)
        while len(self._had) > MAX_VISITORS:
            self._had.popitem(last=False)

    def of(self, visitor: str) -> float:
        """What counts as had by a visitor, in seconds."""
        seconds, when = self._had.get(visitor, (0.0, 0.0))
        return seconds * 0.5 ** ((self._clock() - when) / HALF_LIFE) if seconds else 0.0

    def level(self, visitors: Iterable[str]) -> int:
        """How far somebody is put behind others, who had the least of these visitors: 0 up to `QUANTUM`, then 1, and
        one more each time it has doubled."""
        least = min(map(self.of, visitors), default=0.0)
        return 0 if least < QUANTUM else 1 + int(math.log2(least / QUANTUM))
