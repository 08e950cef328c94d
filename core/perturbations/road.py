"""Noisy linear imputation, the fill of ROAD (Rong et al. 2022, "A Consistent and Efficient Evaluation Strategy").

Each removed pixel is the weighted mean of its neighbours, removed or not: 1/6 for each direct, 1/12 for each diagonal
one. This is a sparse linear system. A little noise is added, because so smooth a fill would show what was removed.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.linalg import solveh_banded

KERNEL = np.array([[1, 2, 1], [2, 0, 2], [1, 2, 1]]) / 12
# standard deviation of the noise, a hundredth of the range as the authors have it
NOISE = 2.55


def impute(image: NDArray[np.uint8], removed: NDArray[np.bool_], *, seed: int = 0) -> NDArray[np.uint8]:
    """Make N versions of one image, each with its own pixels removed and imputed from those that are left.

    Args:
        image: uint8 (height, width, 3).
        removed: bool (N, height, width). Where nothing is left, all is the image's mean colour.
        seed: of the noise, which is the same for all versions.

    Returns:
        uint8 (N, height, width, 3).
    """
    degree = ndimage.convolve(np.ones(image.shape[:2]), KERNEL, mode="constant")
    noise = np.random.default_rng(seed).normal(0, NOISE, image.shape)
    found = np.broadcast_to(image, (*removed.shape, 3)).copy()
    # one after another: as floating-point numbers all versions of a large image would take gigabytes
    for version, gone in zip(found, removed, strict=True):
        known = np.where(gone[..., None], 0.0, image)
        pull = ndimage.convolve(known, KERNEL[:, :, None], mode="constant")
        smooth = image.mean(axis=(0, 1)) if gone.all() else _solved(gone, degree[gone], pull[gone])
        version[gone] = np.clip(np.rint(smooth + noise[gone]), 0, 255).astype(np.uint8)
    return found


def _solved(gone: NDArray[np.bool_], degree: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve for the n removed pixels, float64 (n, 3): in their order the system is a narrow band."""
    if not len(degree):
        return right
    first, second, weights = _pairs(*gone.shape)
    flat, place = gone.ravel(), np.cumsum(gone) - 1
    both = flat[first] & flat[second]
    column, row = place[first[both]], place[second[both]]
    band = np.zeros((int((row - column).max(initial=0)) + 1, len(degree)))
    band[0], band[row - column, column] = degree, -weights[both]
    return np.asarray(solveh_banded(band, right, lower=True, overwrite_ab=True, check_finite=False))


@lru_cache(maxsize=8)
def _pairs(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """List each pair of neighbours once: flat positions intp (E,), intp (E,), earlier first; weights float64 (E,)."""
    number = np.arange(height * width).reshape(height, width)
    first = [number[:, :-1], number[:-1], number[:-1, :-1], number[:-1, 1:]]
    second = [number[:, 1:], number[1:], number[1:, 1:], number[1:, :-1]]
    weights = [np.full(one.size, weight) for one, weight in zip(first, (1 / 6, 1 / 6, 1 / 12, 1 / 12), strict=True)]
    one, other, between = (np.concatenate([part.ravel() for part in parts]) for parts in (first, second, weights))
    return one, other, between
