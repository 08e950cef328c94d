"""What LIME explains, computed from a detector's logits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explainers.lime.settings import LimeTarget
from core.images.labels import CLASSES, FAKE, REAL


def target_values(logits: NDArray[Any], target: LimeTarget) -> tuple[NDArray[Any], int]:
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
    # a probability moves as the margin does
    values, sign = target_values(logits, "margin" if target == "probability" else target)
    return np.asarray(values * sign, np.float32)
