"""The game: ten images of a run, and who was better on them. Needs no torch."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.intervals import exact_sign_test
from core.images.labels import CLASSES
from core.runs.metrics import is_fresh

ROUND = 10
LEVEL = 0.05


def draw_round(
    table: pd.DataFrame, pictured: NDArray[np.bool_], *, seed: int | Sequence[int]
) -> NDArray[np.intp] | None:
    """Draw the images of one game: equal seeds give equal positions.

    Each image is REAL or FAKE with equal chances, whatever the others are, so that counting does not reveal the last
    ones. Repeats and files that the detector was trained on are left out.

    Args:
        table: from `core.studies.columns.browse_table`.
        pictured: bool (N,), which rows have a picture.
        seed: of the game, and of the image set, or all sets would have one key.

    Returns:
        intp (ROUND,), or None where a class has fewer pictures.
    """
    usable = pictured & is_fresh(table)
    pools = [np.flatnonzero(usable & (table["label"] == name).to_numpy(bool)) for name in CLASSES]
    if min(map(len, pools)) < ROUND:
        return None
    generator = np.random.default_rng(seed)
    sides = generator.integers(0, 2, ROUND)
    shuffled = [generator.permutation(pool) for pool in pools]
    return np.array([shuffled[side][number] for number, side in enumerate(sides)], np.intp)


def compare(labels: Sequence[str], yours: Sequence[str], detectors: Sequence[str]) -> str:
    """Say who was better, as far as the answers to the same images allow (McNemar's exact test at 5%)."""
    pairs = [(you == label, it == label) for label, you, it in zip(labels, yours, detectors, strict=True)]
    only_you, only_it = pairs.count((True, False)), pairs.count((False, True))
    if only_you == only_it:
        return "You and the detector are level."
    lead = "You beat the detector." if only_you > only_it else "The detector beat you."
    if exact_sign_test(only_you, only_it) > LEVEL:
        return f"{lead} {len(pairs)} answers are too few to say that one of you is better: this may be luck."
    return f"{lead} On the same {len(pairs)} images that is hardly luck."
