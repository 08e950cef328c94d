"""Choose the pictures of the first screen, of its story and of the game, always the same ones for a run."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.arrays import Mask, Positions
from core.images.labels import CLASSES
from core.runs.metrics import is_fresh

# images of one game, and those of them that the detector calls wrongly
ROUND = 10
WRONG = 2


def choose_picture(
    table: pd.DataFrame,
    pictured: Mask,
    margins: pd.DataFrame | None,
    columns: Mapping[str, Sequence[str]],
) -> int | None:
    """Choose the FAKE image, called FAKE, that best shows what a change does.

    That is the one of the largest least margin: FAKE as it is and under every control, REAL at every strength; where
    there is none, of the largest at one strength.

    Args:
        table: of the run, a row an image.
        pictured: bool (N,), which rows have a picture.
        margins: of the study `probes` by id; None without it, and the image of the median margin is chosen.
        columns: of a change at each of its strengths -> those of its controls.

    Returns:
        Its position, None where no pictured FAKE is called FAKE.
    """
    rows = np.flatnonzero(pictured & is_fresh(table) & recognised(table, "FAKE"))
    if not len(rows):
        return None
    before = table["margin"].to_numpy(np.float64)[rows]
    if margins is None:
        return int(rows[np.argsort(before, kind="stable")[len(rows) // 2]])
    after = margins.reindex(table["id"].iloc[rows])
    by_strength = []
    for column, controls in columns.items():
        kept = [-after[control].to_numpy() for control in controls]
        by_strength.append(np.minimum.reduce([-before, after[column].to_numpy(), *kept]))
    least = np.nan_to_num(np.array(by_strength), nan=-np.inf)
    best = least.min(axis=0)
    if best.max() <= 0:
        best = least.max(axis=0)
    return int(rows[np.argmax(best)])


def choose_other(table: pd.DataFrame, pictured: Mask, row: int) -> int | None:
    """Choose a photograph called REAL to stand beside the FAKE at `row`: of its category where there is one."""
    usable = pictured & is_fresh(table) & recognised(table, "REAL")
    same = usable & (table["category"].astype(object) == table["category"].iloc[row]).to_numpy(bool)
    if same.any():
        usable = same
    if not usable.any():
        return None
    return int(np.argmax(np.where(usable, table["margin"].to_numpy(), -np.inf)))


def recognised(table: pd.DataFrame, name: str) -> Mask:
    """Mark the images of a class that are called so."""
    return np.asarray((table["label"] == name) & (table["predicted"] == name), bool)


def draw_game(table: pd.DataFrame, pictured: Mask, *, seed: int | Sequence[int]) -> Positions | None:
    """Draw the images of one game, a fifth of them called wrongly: equal seeds give equal positions.

    Four verdicts of each class are right. The wrong ones are of one class, which differs between games, so that
    counting does not reveal the last images. Repeats and files that the detector was trained on are left out.

    Args:
        table: from `core.runs.rows.judged_table`.
        pictured: bool (N,), which rows have a picture.
        seed: of the game, and of the image set, or all sets would have one key.

    Returns:
        intp (ROUND,), in the order in which they are shown; None where there are too few.
    """
    usable = pictured & is_fresh(table)
    generator = np.random.default_rng(seed)
    right = []
    wrong = []
    for name in CLASSES:
        mine = usable & (table["label"] == name).to_numpy(bool)
        is_right = recognised(table, name)
        right.append(generator.permutation(np.flatnonzero(mine & is_right))[: (ROUND - WRONG) // 2])
        wrong.append(generator.permutation(np.flatnonzero(mine & ~is_right))[:WRONG])
    enough = [rows for rows in wrong if len(rows) == WRONG]
    if not enough or min(map(len, right)) < (ROUND - WRONG) // 2:
        return None
    chosen = np.concatenate([*right, enough[generator.integers(len(enough))]])
    return generator.permutation(chosen)
