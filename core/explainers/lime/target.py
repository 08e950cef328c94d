"""What LIME explains, computed from a detector's logits."""

import numpy as np
from numpy.typing import NDArray

from core.explainers.lime.settings import LimeTarget
from core.images.labels import CLASSES, FAKE, REAL


def target_values(logits: NDArray[np.float64], target: LimeTarget) -> tuple[NDArray[np.float64], int]:
    """Return the target in each of n samples, float (n,), and its sign: 1 if it speaks for REAL, -1 if for FAKE.

    Args:
        logits: float (n, 2), columns FAKE and REAL; the first row is the image itself.
        target: see `RegionSettings`.
    """
    margins = logits[:, REAL] - logits[:, FAKE]
    if target == "margin":
        return margins, 1
    if target == "probability":
        sign = 1 if margins[0] > 0 else -1
        return 0.5 * (1 + np.tanh(margins / 2 * sign)), sign
    return logits[:, CLASSES.index(target)], 1 if target == "REAL" else -1


def towards_real(logits: NDArray[np.floating], target: LimeTarget) -> NDArray[np.float32]:
    """Return a score that grows where the target moves towards REAL, float32 (n,); see `target_values`."""
    if target in CLASSES:
        return np.asarray(logits[:, CLASSES.index(target)] * (1 if target == "REAL" else -1), np.float32)
    # a probability moves as the margin does
    return np.asarray(logits[:, REAL] - logits[:, FAKE], np.float32)
