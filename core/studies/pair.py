"""A pair of runs on the same image set, their rows brought into one order, and what both hold of a study. No torch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.intervals import Outcomes, count_outcomes, effective_size
from core.runs.metrics import is_right
from core.runs.run import Run, distinct_names, same_images
from core.studies.study import WEIGHT, StudyError

# what the two predictions on an image can come to, in the order of `Outcomes`
OUTCOMES = ("both right", "only first wrong", "only second wrong", "both wrong")
# of images, by Kish's effective number (1965): with fewer, 95% intervals of two crossed samples covered 77 to 88%
FEWEST = 30
# of claims that hold together
LEVEL = 0.05
# headlines of findings on which of two is right more often
BETTER = {
    "holds": "The first is right more often.",
    "holds below": "The second is right more often.",
    "in part": "Not shown without leaks and repeats.",
    "depends": "Depends on leaks and repeats.",
    "not shown": "No difference between the two was found.",
}


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
        """Names of both detectors, or of both runs where the detectors have the same name."""
        first, second = distinct_names([self.first, self.second])
        return first, second

    @cached_property
    def is_real(self) -> NDArray[np.bool_]:
        """bool (N,), True where the label is REAL."""
        return self.first.is_real

    @cached_property
    def right(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """bool (N,) for each run, True where its prediction is right."""
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
        """int8 (N,), the position in `OUTCOMES` of what both predictions come to."""
        first, second = self.right
        return np.asarray(2 * ~second + 1 * ~first, np.int8)

    @cached_property
    def clean(self) -> NDArray[np.bool_]:
        """bool (N,), True where neither detector is known to be trained on the file and it repeats no other."""
        rows = self.first.predictions
        return ~np.asarray(rows["in_train"] | self.rows["in_train"] | rows["is_repeat"], bool)

    @property
    def without_leaks(self) -> str:
        """What `clean` leaves out; where a run was not checked for leaks it may still contain some."""
        runs = zip(self.names, (self.first, self.second), strict=True)
        checked = [name for name, run in runs if run.leaks_checked]
        if len(checked) == 2:
            return "without leaks and repeats"
        return f"without repeats and the leaks of {checked[0]}" if checked else "without repeats"

    def values(self, column: str) -> NDArray[np.object_]:
        """Text (N,) of a column of the rows, None where it is unknown."""
        values = self.first.predictions[column].astype(object)
        return np.asarray(values.where(values.notna(), None), object)

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
            "ones; make a run of one on the other's set with `python -m core predict`"
        )
    if not len(first):
        raise StudyError(f"{first.name} holds no image, so there is nothing to compare")
    positions = pd.Index(second.predictions["id"]).get_indexer(pd.Index(first.predictions["id"]))
    if (positions < 0).any() or len(first) != len(second):
        raise StudyError(f"{first.name} and {second.name} name their images differently; write one of them again")
    rows = second.predictions.iloc[positions].reset_index(drop=True)
    # of a file that a list names under both labels the ids say which was read first, no more
    if (rows["label"].astype(str).to_numpy() != first.predictions["label"].astype(str).to_numpy()).any():
        raise StudyError(f"{first.name} and {second.name} label some images differently; make one of them again")
    return Pair(first, second, rows)


@dataclass(frozen=True, eq=False)
class Shared:
    """The rows that a study of both runs holds.

    Attributes:
        pair: of runs.
        tables: of both studies, M rows each, in one order.
        rows: integers (M,), their positions in the first run.
        called_real: bool (M,), the predictions of each detector.
        weights: float64 (M,), how many images of the run a row stands for.
        crossed: True if neither file holds all rows of the other, so that few rows may stand for many images.
    """

    pair: Pair
    tables: tuple[pd.DataFrame, pd.DataFrame]
    rows: NDArray[np.intp]
    called_real: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    weights: NDArray[np.float64]
    crossed: bool = False

    @cached_property
    def is_real(self) -> NDArray[np.bool_]:
        """bool (M,), True where the label is REAL."""
        return np.asarray(self.pair.is_real[self.rows])

    @cached_property
    def clean(self) -> NDArray[np.bool_]:
        """bool (M,), `Pair.clean` of the rows."""
        return np.asarray(self.pair.clean[self.rows])

    def agreed(self, verdict: str) -> NDArray[np.bool_]:
        """bool (M,), the images that both detectors give this verdict."""
        real = verdict == "REAL"
        return np.asarray((self.called_real[0] == real) & (self.called_real[1] == real))

    def stands_for_run(self, verdict: str) -> bool:
        """Check that the weights of the rows that both give a verdict sum to about their images, and rest on enough."""
        if not self.crossed:
            return True
        weights, real = self.weights[self.agreed(verdict)], verdict == "REAL"
        images = ((self.pair.first.predicted_real == real) & ((self.pair.rows["predicted"] == "REAL") == real)).sum()
        size = effective_size(weights) if len(weights) else 0.0
        return bool(not images or (size >= FEWEST and abs(weights.sum() - images) <= images / 2))


def share_rows(pair: Pair, first: pd.DataFrame, second: pd.DataFrame) -> Shared:
    """Find the rows that a study of both runs holds.

    Args:
        pair: of runs.
        first, second: the study's tables, a row an image.
    """
    positions = pd.Index(second["id"]).get_indexer(pd.Index(first["id"]))
    own = first[positions >= 0].reset_index(drop=True)
    other = second.iloc[positions[positions >= 0]].reset_index(drop=True)
    rows = pd.Index(pair.first.predictions["id"]).get_indexer(pd.Index(own["id"]))
    called = [(frame["predicted"] == "REAL").to_numpy(bool)[rows] for frame in (pair.first.predictions, pair.rows)]
    weights = own[WEIGHT].to_numpy(np.float64)
    # two different samples both hold an image with the product of its inclusion probabilities
    if len(own) < max(len(first), len(second)):
        weights = weights * other[WEIGHT].to_numpy(np.float64)
    crossed = len(own) < min(len(first), len(second))
    return Shared(pair, (own, other), rows, (called[0], called[1]), weights, crossed)
