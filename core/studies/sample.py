"""The images of a run that a study is asked of, where it is not asked of all."""

import numpy as np
from numpy.typing import NDArray

from core.runs.run import Run
from core.studies.study import StudyError


def choose_rows(run: Run, images: int | None, *, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Choose every error, and as many right verdicts as fit, half of them from each class where there are enough.

    Errors fill at most half of the sample; otherwise a handful of right verdicts would have to stand for all others.
    If there are more errors, the sample is divided evenly among all four cells of the confusion matrix.

    Args:
        run: whose rows.
        images: how many in all; None for every image.
        seed: of the draw.

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
    cell = 2 * run.is_real + run.predicted_real
    cells = [np.flatnonzero(cell == number) for number in range(4)]
    wrong, right = [cells[1], cells[2]], [cells[0], cells[3]]
    errors = sum(map(len, wrong))
    if 2 * errors <= images:
        quotas = [(cell, len(cell)) for cell in wrong] + _shares(right, images - errors)
    else:
        quotas = _shares(cells, images)
    generator = np.random.default_rng(seed)
    taken = [(generator.choice(cell, count, replace=False), len(cell) / count) for cell, count in quotas if count]
    positions = np.concatenate([rows for rows, _ in taken])
    weights = np.concatenate([np.full(len(rows), weight, np.float32) for rows, weight in taken])
    order = np.argsort(positions)
    return positions[order], weights[order]


def _shares(cells: list[NDArray[np.intp]], images: int) -> list[tuple[NDArray[np.intp], int]]:
    """Divide `images` among cells, as evenly as their sizes allow."""
    left, quotas = images, []
    for rank, cell in enumerate(sorted(cells, key=len)):
        count = min(len(cell), left // (len(cells) - rank))
        quotas.append((cell, count))
        left -= count
    return quotas
