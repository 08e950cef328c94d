"""The cell of the confusion matrix that each image of a run is in, and its neighbours there."""

import numpy as np
from numpy.typing import NDArray

from core.runs.run import Run
from core.studies.study import StudyError


class Cells:
    """Cells of a run's confusion matrix; an image's neighbours do not depend on the other images that are studied.

    Args:
        run: with two images or more.

    Raises:
        StudyError: the run has fewer.
    """

    def __init__(self, run: Run) -> None:
        if len(run) < 2:
            raise StudyError(f"{run.name} has one image only, and nothing to compare it with; make a larger run")
        self._called = run.predicted_real
        self.signs = np.where(self._called, 1, -1)
        self._cell = 2 * run.is_real + self._called

    def sizes(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Count the images in the cell of each row, including the row's own."""
        return np.asarray(np.bincount(self._cell)[self._cell[rows]])

    def others(self, row: int, count: int, *, seed: int = 0) -> NDArray[np.intp]:
        """Draw up to `count` other rows of a row's cell at random; if it is alone there, of its verdict, or else any.

        Args:
            row: a position in the run.
            count: how many at most.
            seed: of the draw, which differs from row to row.
        """
        pool = self._pool(row)
        chosen = np.random.default_rng((seed, row)).permutation(len(pool))[:count]
        return np.asarray(pool[chosen])

    def references(self, row: int, count: int, *, seed: int = 0) -> NDArray[np.intp]:
        """Return up to `count` other rows of the cell, the same few for all its rows, for costly comparisons."""
        pool = self._pool(row, with_itself=True)
        chosen = np.asarray(pool[np.random.default_rng(seed).permutation(len(pool))[: count + 1]])
        others: NDArray[np.intp] = chosen[chosen != row]
        return others[:count]

    def _pool(self, row: int, *, with_itself: bool = False) -> NDArray[np.intp]:
        everything = np.arange(len(self._cell))
        for alike in (self._cell == self._cell[row], self._called == self._called[row]):
            if np.count_nonzero(alike) > 1:
                break
        else:
            alike = np.ones(len(everything), bool)
        found: NDArray[np.intp] = everything[alike & (with_itself | (everything != row))]
        return found
