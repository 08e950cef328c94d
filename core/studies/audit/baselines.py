"""What a plain logistic regression makes of a few numbers an image: the yardstick beside the network."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from core.images.statistics import LUMA, frequency_radius
from core.studies.study import StudyError

RINGS = 16
FOLDS = 5


class Fitted(NamedTuple):
    """A regression's answer on the images that were asked.

    Attributes:
        scores: float64 (N,), log odds of REAL.
        on: how many images it was fitted on.
        crossed: whether each image was judged by a regression fitted to the other images of its own set.
    """

    scores: NDArray[np.float64]
    on: int
    crossed: bool


def radial_spectrum(pixels: NDArray[np.uint8], *, chunk: int = 4096) -> NDArray[np.float32]:
    """Compute log10(1 + mean luma power) in 16 rings, at 1 to 16 cycles per 32 pixels; the last includes the corners.

    Args:
        pixels: uint8 (N, side, side, 3).
        chunk: images of 32 x 32 pixels at a time, of larger ones fewer; bounds the memory.

    Returns:
        float32 (N, 16).
    """
    side = pixels.shape[1]
    ring = np.clip(np.rint(frequency_radius(side) * 2 * RINGS / side), 0, RINGS).astype(int).ravel()
    share = np.zeros((side * side, RINGS + 1), np.float32)
    share[np.arange(side * side), ring] = 1
    share /= np.maximum(share.sum(axis=0), 1)
    found = np.zeros((len(pixels), RINGS), np.float32)
    chunk = max(1, min(chunk, chunk * 32**2 // side**2))
    for start in range(0, len(pixels), chunk):
        luma = np.asarray(pixels[start : start + chunk], np.float32) @ LUMA
        power = np.square(np.abs(np.fft.fft2(luma))).astype(np.float32).reshape(len(luma), -1)
        # a power of 1 is far below the rounding of pixels
        found[start : start + chunk] = np.log10(power @ share + 1)[:, 1:]
    return found


def fit_and_ask(
    asked: NDArray[Any],
    labels: NDArray[np.bool_],
    learned: NDArray[Any] | None = None,
    learned_labels: NDArray[np.bool_] | None = None,
    *,
    seed: int = 0,
) -> Fitted:
    """Fit a logistic regression to standardised numbers, and score images with it.

    Args:
        asked: (N, F), the images to score.
        labels: bool (N,), True where they are REAL.
        learned: (M, F), training images; None to cross-validate within `asked`.
        learned_labels: bool (M,), the same for the training images.
        seed: of the folds.

    Raises:
        StudyError: fewer than two images of a class to fit to.
    """
    model = _model()
    taught = labels if learned_labels is None else learned_labels
    if min(taught.sum(), (~taught).sum()) < 2:
        raise StudyError(
            f"a regression needs two images of each class, and of {len(taught)} images {taught.sum()} are REAL; ask it "
            "of a set with both"
        )
    if learned is not None and learned_labels is not None:
        return Fitted(np.asarray(model.fit(learned, learned_labels).decision_function(asked)), len(learned), False)
    folds = StratifiedKFold(
        max(2, min(FOLDS, int(labels.sum()), int((~labels).sum()))), shuffle=True, random_state=seed
    )
    scores = cross_val_predict(model, asked, labels, cv=folds, method="decision_function")
    return Fitted(np.asarray(scores), len(asked), True)


def _model() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
