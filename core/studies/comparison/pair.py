"""A pair of runs on the same image set, their rows brought into one order. Needs no torch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.paired import Outcomes, count_outcomes
from core.runs.metrics import is_right
from core.runs.run import Run, same_images, told_apart
from core.studies.study import StudyError

# what the two verdicts on an image can come to, in the order of `Outcomes`
OUTCOMES = ("both right", "only first wrong", "only second wrong", "both wrong")


@dataclass(frozen=True, eq=False)
class Pair:
    """Two runs on the same images; rows are those of the first, in its order.

    Attributes:
        first, second: the runs.
        rows: of the second, a row for each of the first's, in its order.
    """

    first: Run
    second: Run
    rows: pd.DataFrame

    @property
    def names(self) -> tuple[str, str]:
        """Of both detectors, or of both runs where the detectors are called alike."""
        first, second = told_apart([self.first, self.second])
        return first, second

    @cached_property
    def is_real(self) -> NDArray[np.bool_]:
        """bool (N,), True where the label is REAL."""
        return self.first.is_real

    @cached_property
    def right(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """bool (N,) for each run, whether its verdict is right."""
        return is_right(self.first.predictions), is_right(self.rows)

    @cached_property
    def margins(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """float32 (N,) for each run."""
        return self._both("margin")

    @cached_property
    def p_real(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """float32 (N,) for each run, 0 to 1."""
        return self._both("p_real")

    @cached_property
    def outcome(self) -> NDArray[np.int8]:
        """int8 (N,), the position in `OUTCOMES` of what both verdicts come to."""
        first, second = self.right
        return np.asarray(2 * ~second + 1 * ~first, np.int8)

    @cached_property
    def clean(self) -> NDArray[np.bool_]:
        """bool (N,), True where neither detector is known to be trained on the file and it repeats no other."""
        found = self.first.predictions
        return ~np.asarray(found["in_train"] | self.rows["in_train"] | found["is_repeat"], bool)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Names of the detectors whose run was not checked for leaks, so that `clean` may still contain some."""
        runs = zip(self.names, (self.first, self.second), strict=True)
        return tuple(name for name, run in runs if not run.leaks_checked)

    def values(self, column: str) -> NDArray[np.object_]:
        """Text (N,) of a column of the rows, None where it is unknown."""
        found = self.first.predictions[column].astype(object)
        return np.asarray(found.where(found.notna(), None), object)

    def counts(self, chosen: NDArray[np.bool_] | None = None) -> Outcomes:
        """Count the outcomes of the chosen rows, of all when None."""
        first, second = self.right
        return count_outcomes(first, second) if chosen is None else count_outcomes(first[chosen], second[chosen])

    def _both(self, column: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        first, second = (rows[column].to_numpy(np.float32) for rows in (self.first.predictions, self.rows))
        return first, second


def pair_of(first: Run, second: Run) -> Pair:
    """Bring two runs together.

    Raises:
        StudyError: they are the same run, or on different images; the message says what to do.
    """
    if first.path.resolve() == second.path.resolve():
        raise StudyError(f"{first.name} cannot be compared with itself; name another run on {first.manifest['set']}")
    if not same_images(first, second):
        raise StudyError(
            f"{first.name} and {second.name} are runs on different images, and two detectors are compared on the same "
            "ones; make a run of one on the other's set with `python -m core.predict`"
        )
    if not len(first):
        raise StudyError(f"{first.name} holds no image, so there is nothing to compare")
    places = pd.Index(second.predictions["id"]).get_indexer(pd.Index(first.predictions["id"]))
    if (places < 0).any() or len(first) != len(second):
        raise StudyError(f"{first.name} and {second.name} name their images differently; write one of them again")
    rows = second.predictions.iloc[places].reset_index(drop=True)
    # of a file that a list names under both labels the ids say which was read first, no more
    if (rows["label"].astype(str).to_numpy() != first.predictions["label"].astype(str).to_numpy()).any():
        raise StudyError(f"{first.name} and {second.name} label some images differently; make one of them again")
    return Pair(first, second, rows)
