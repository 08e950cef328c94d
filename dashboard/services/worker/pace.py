"""How fast a job goes, and from that how long it still takes."""

from dataclasses import dataclass, field


@dataclass
class Pace:
    """The progress of one job.

    Attributes:
        marks: (seconds that were spent, share that was done by then, 0 to 1), both rising; the first when the work
            itself began, with a share of 0.
    """

    marks: list[tuple[float, float]] = field(default_factory=list)

    def begin(self, spent: float) -> None:
        """Note that what comes before the work, as the reading of the detector, is over."""
        self.marks = [(spent, 0.0)]

    def note(self, spent: float, share: float) -> None:
        """Note the share of the work that is done, 0 to 1; ignored unless it has grown."""
        if not self.marks:
            self.begin(0.0)
        if share > self.marks[-1][1]:
            self.marks.append((spent, share))

    @property
    def whole(self) -> float | None:
        """Seconds that all of the work takes; None before the first step is done."""
        if len(self.marks) < 2:
            return None
        last = self.marks[-1]
        return last[0] - self.marks[0][0] + self._from_last()

    def left(self, spent: float, typical: float | None = None) -> float | None:
        """Estimate the seconds that are left; between two steps they run down with the clock.

        Args:
            spent: seconds so far.
            typical: that such a job takes in all, where one is known: what counts until a step is done.

        Returns:
            At least 0; None where nothing is known.
        """
        if len(self.marks) < 2:
            begun = self.marks[0][0] if self.marks else 0.0
            return None if typical is None else max(0.0, typical - (spent - begun))
        (_, before), (at, share) = self.marks[-2:]
        since = spent - at
        # lower bound: what would be left if the next step, at most twice the last (LIME doubles its samples), ended now
        step = min(1 - share, 2 * (share - before))
        slower = since * (1 - share) / step - since if step > 0 else 0.0
        return max(0.0, self._from_last() - since, slower)

    def _from_last(self) -> float:
        """Seconds from the last mark to the end, by the pace of the later half: the first steps are often slower."""
        at, share = self.marks[-1]
        earlier = max(mark for mark in self.marks[:-1] if mark[1] <= share / 2)
        return (at - earlier[0]) / (share - earlier[1]) * (1 - share)
