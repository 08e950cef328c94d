"""The training images that are held out, the temperature that is fitted on them, and the channels' mean and spread."""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from core.images.labels import REAL
from core.images.preprocessing import Channels

# of a manifest: together they say which images a detector was trained on and which it held out
SPLIT = ("training_set_fingerprint", "validation", "seed")


def split_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what determines the images that a detector was trained on; None where its manifest does not say."""
    fields = {**manifest.get("recipe", {}), **manifest}
    return {key: fields.get(key) for key in SPLIT}


def validation_split(sha256: NDArray[Any], labels: NDArray[np.uint8], share: float, *, seed: int) -> NDArray[np.bool_]:
    """Choose the images to hold out: `share` of each class, by hash of the file.

    Identical files have equal hashes and so stay together, and the split does not depend on the order of the files.

    Args:
        sha256: (N,) hex digests.
        labels: uint8 (N,).
        share: 0..1.
        seed: of the split.

    Returns:
        bool (N,).
    """
    digests = np.asarray(sha256, dtype=str)
    unique, inverse = np.unique(digests, return_inverse=True)
    rank = np.array([int(hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()[:12], 16) for digest in unique])
    held = np.zeros(len(unique), bool)
    for label in np.unique(labels):
        members = np.unique(inverse[labels == label])
        held[members[np.argsort(rank[members])][: round(share * len(members))]] = True
    return held[inverse]


def channel_statistics(pixels: NDArray[np.uint8], *, chunk: int = 8192) -> tuple[Channels, Channels]:
    """Compute the mean and standard deviation of each channel, in 0..1."""
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for start in range(0, len(pixels), chunk):
        values = pixels[start : start + chunk].reshape(-1, 3) / 255
        total += values.sum(0)
        squares += (values**2).sum(0)
        count += len(values)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    (r, g, b), (dr, dg, db) = mean.tolist(), deviation.tolist()
    return (r, g, b), (dr, dg, db)


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
