"""Which images lend their detail to which: chosen by the id of the image alone, among those judged correctly."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explain.probe_batch import number_of
from core.run import Run

MEANS = ["red", "green", "blue"]


class Donors(NamedTuple):
    """Positions in a run; -1 where it has no image that fits.

    Attributes:
        other: intp (M,), of another image that is of the other verdict, rightly.
        same: intp (M,), of another image of the same verdict, rightly.
    """

    other: NDArray[np.intp]
    same: NDArray[np.intp]


def choose_donors(run: Run, rows: NDArray[np.intp], *, seed: int = 0) -> Donors:
    """Donors for the images at `rows`, from the same category where one of it fits.

    Args:
        run: whose images lend and borrow.
        rows: intp (M,).
        seed: of the choice.
    """
    table = run.predictions
    verdict = (table["predicted"] == "REAL").to_numpy()
    right = verdict == (table["label"] == "REAL").to_numpy()
    category = pd.factorize(table["category"])[0]
    ids = table["id"].to_numpy(str)
    # a repeated file would lend an image to itself
    usable = np.flatnonzero(right & ~table["is_repeat"].to_numpy(bool))
    pools = {
        (called, kind): usable[(verdict[usable] == called) & ((category[usable] == kind) | (kind == -1))]
        for called in (False, True)
        for kind in (-1, *range(category.max() + 1))
    }
    chosen = np.full((2, len(rows)), -1, np.intp)
    for number, row in enumerate(rows):
        draw = number_of(f"donor {ids[row]}", seed)
        for which, called in enumerate((not verdict[row], bool(verdict[row]))):
            chosen[which, number] = _draw(pools[called, category[row]], pools[called, -1], row, draw)
    return Donors(chosen[0], chosen[1])


def _draw(near: NDArray[np.intp], far: NDArray[np.intp], row: int, draw: int) -> int:
    """The image that a random number picks among the near ones, or the far ones where no near one is left."""
    for pool in (near, far):
        if len(pool) > 1 or (len(pool) == 1 and pool[0] != row):
            found = draw % len(pool)
            return int(pool[found] if pool[found] != row else pool[(found + 1) % len(pool)])
    return -1


def class_means(run: Run) -> NDArray[np.float32]:
    """float32 (2, 3), the mean red, green and blue of the images of each class, FAKE first, by their true label."""
    table = run.predictions
    overall = table[MEANS].mean()
    means = [table.loc[table["label"] == name, MEANS].mean().fillna(overall) for name in ("FAKE", "REAL")]
    return np.stack(means).astype(np.float32)
