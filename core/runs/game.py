"""The game: ten images of a run, and what ten answers say of whoever gave them. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.metrics.intervals import wilson_interval

ROUND = 10


@dataclass(frozen=True)
class Score:
    """How many answers were right.

    Attributes:
        right, of: counts.
        low, high: 95% interval of the share that would be right of very many such images (Wilson), 0 to 1.
    """

    right: int
    of: int
    low: float
    high: float


def draw_round(
    table: pd.DataFrame, pictured: NDArray[np.bool_], *, seed: int, count: int = ROUND
) -> NDArray[np.intp] | None:
    """Positions of the images of one game, the same again for the same seed.

    Each image is REAL or FAKE by the toss of a coin, so that counting does not give the last ones away. Copies of other
    files are left out, and files that the detector was trained on.

    Args:
        table: from `core.runs.browsing.browse_table`.
        pictured: bool (N,), which rows have a picture.
        seed: which game.
        count: how many images.

    Returns:
        intp (count,), or None where a class has fewer pictures than that.
    """
    usable = pictured & ~table["is_repeat"].to_numpy(bool) & ~table["in_train"].to_numpy(bool)
    pools = [np.flatnonzero(usable & (table["label"] == name).to_numpy(bool)) for name in ("FAKE", "REAL")]
    if min(map(len, pools)) < count:
        return None
    generator = np.random.default_rng(seed)
    sides = generator.integers(0, 2, count)
    shuffled = [generator.permutation(pool) for pool in pools]
    return np.array([shuffled[side][number] for number, side in enumerate(sides)], np.intp)


def score(truth: Sequence[str], said: Sequence[str]) -> Score:
    """The score of as many answers as were given."""
    right = sum(is_ == called for is_, called in zip(truth, said, strict=True))
    low, high = wilson_interval(right, len(said))
    return Score(right, len(said), float(low), float(high))


def verdict(yours: Score, detectors: Score) -> str:
    """One sentence on who was better, as far as the answers allow."""
    if yours.right == detectors.right:
        lead = "You and the detector are level."
    else:
        lead = "You beat the detector." if yours.right > detectors.right else "The detector beat you."
    if yours.low <= detectors.high and detectors.low <= yours.high:
        return f"{lead} {yours.of} answers are too few to say that one of you is better: the two ranges overlap."
    return f"{lead} The two ranges do not overlap, so that is hardly luck."
