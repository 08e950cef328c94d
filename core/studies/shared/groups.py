"""Which rows of a run a study is about: by verdict, by cell of the confusion matrix, a sample. Needs no torch."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from core.arrays import Float32, Float64, Positions
from core.images.labels import CLASSES
from core.runs.run import Run
from core.studies.study import WEIGHT, StudyError

VERDICTS = CLASSES


def with_predictions(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """A study's table with `label`, `predicted` and `margin` of the run, and with a `weight` of 1 if it has none.

    Args:
        table: with the column `id`.
        run: that holds every id.
    """
    rows = run.predictions.set_index("id").loc[table["id"].to_numpy(), ["label", "predicted", "margin"]]
    rows = rows.astype({"label": str, "predicted": str, "margin": np.float32}).reset_index(drop=True)
    if WEIGHT not in table:
        rows[WEIGHT] = np.float32(1)
    return pd.concat([table.reset_index(drop=True).drop(columns=list(rows), errors="ignore"), rows], axis=1)


def groups(table: pd.DataFrame, run: Run) -> Iterator[tuple[str, pd.DataFrame, Float32]]:
    """Name, rows and weights of each verdict that has rows, FAKE first.

    Args:
        table: of a study, a row an image.
        run: that it was asked of.
    """
    joined = with_predictions(table, run)
    for verdict in VERDICTS:
        rows = joined[(joined["predicted"] == verdict).to_numpy()]
        if len(rows):
            yield verdict, rows, rows[WEIGHT].to_numpy(np.float32)


class Cells:
    """Cells of a run's confusion matrix; an image's neighbours do not depend on the other images that are studied.

    Args:
        run: with two images or more.

    Attributes:
        signs: int (N,), 1 where the prediction is REAL, -1 where it is FAKE.
        sizes: int (N,), the number of images in the cell of each row, including its own.

    Raises:
        StudyError: the run has fewer.
    """

    def __init__(self, run: Run) -> None:
        if len(run) < 2:
            raise StudyError(f"{run.name} has one image only, and nothing to compare it with; make a larger run")
        self._called = run.predicted_real
        self._cell = 2 * run.is_real + self._called
        self.signs = np.where(self._called, 1, -1)
        self.sizes = np.bincount(self._cell)[self._cell]

    def others(self, row: int, count: int, *, seed: int = 0) -> Positions:
        """Draw up to `count` other rows of a row's cell at random; if it is alone there, of its verdict, or else any.

        Args:
            row: a position in the run.
            count: how many at most.
            seed: of the draw, which differs from row to row.
        """
        pool = self._pool(row)
        return np.random.default_rng((seed, row)).permutation(pool[pool != row])[:count]

    def references(self, row: int, count: int, *, seed: int = 0) -> Positions:
        """Return up to `count` other rows of the cell, the same few for all its rows, for costly comparisons."""
        chosen = np.random.default_rng(seed).permutation(self._pool(row))[: count + 1]
        others = chosen[chosen != row]
        return others[:count]

    def _pool(self, row: int) -> Positions:
        for groups in (self._cell, self._called):
            alike = np.flatnonzero(groups == groups[row])
            if len(alike) > 1:
                return alike
        return np.arange(len(self._cell))


def choose_rows(run: Run, images: int | None, *, seed: int = 0, simple: bool = False) -> tuple[Positions, Float32]:
    """Choose every error, and as many right verdicts as fit, half of them from each class where there are enough.

    Errors fill at most half of the sample; otherwise a handful of right verdicts would have to stand for all others.
    If there are more errors, the sample is divided evenly among all four cells of the confusion matrix.

    Args:
        run: whose rows.
        images: how many in all; None for every image.
        seed: of the draw.
        simple: draw every image with the same probability instead, which estimates rates more closely.

    Returns:
        intp (M,) ascending positions, and float32 (M,) how many images of the run each of them stands for: the size of
        its cell divided by the number taken from it, so 1 if all were taken.

    Raises:
        StudyError: `images` is below 1.
    """
    total = len(run)
    if images is None or images >= total:
        return np.arange(total), np.ones(total, np.float32)
    if images < 1:
        raise StudyError(f"the number of images must be at least 1, not {images}")
    generator = np.random.default_rng(seed)
    if simple:
        return np.sort(generator.choice(total, images, replace=False)), np.full(images, total / images, np.float32)
    cell = 2 * run.is_real + run.predicted_real
    cells = [np.flatnonzero(cell == number) for number in range(4)]
    right = [cells[0], cells[3]]
    errors = len(cells[1]) + len(cells[2])
    quotas = _shares(cells, images)
    if 2 * errors <= images:
        quotas = [(cells[1], len(cells[1])), (cells[2], len(cells[2])), *_shares(right, images - errors)]
    chosen = [generator.choice(cell, count, replace=False) for cell, count in quotas if count]
    positions = np.sort(np.concatenate(chosen))
    return positions, cell_weights(run, positions).astype(np.float32)


def cell_weights(run: Run, positions: Positions) -> Float64:
    """Return how many images of the run each of these stands for: those of its cell, over those of it among them."""
    cell = 2 * run.is_real + run.predicted_real
    shares = np.bincount(cell, minlength=4) / np.maximum(np.bincount(cell[positions], minlength=4), 1)
    return np.asarray(shares[cell[positions]], np.float64)


def _shares(cells: list[Positions], images: int) -> list[tuple[Positions, int]]:
    """Divide `images` among cells, as evenly as their sizes allow."""
    left = images
    quotas = []
    for rank, cell in enumerate(sorted(cells, key=len)):
        count = min(len(cell), left // (len(cells) - rank))
        quotas.append((cell, count))
        left -= count
    return quotas
