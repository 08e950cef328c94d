"""Temperature scaling: calibrating a detector's confidence on held-out images (Guo et al. 2017)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from core.images.labels import REAL


def fit_temperature(margins: NDArray[np.float32], labels: NDArray[Any]) -> float:
    """Find the temperature with the least negative log-likelihood (Guo et al. 2017, temperature scaling).

    Args:
        margins: float (N,).
        labels: (N,), REAL = 1.

    Returns:
        A divisor of margins between 0.05 and 20; 1 where every verdict is right, which no temperature would fit.
    """
    signed = np.where(labels == REAL, 1.0, -1.0) * np.asarray(margins, np.float64)
    if (signed > 0).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))
