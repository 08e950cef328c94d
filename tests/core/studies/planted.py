"""Image sets whose only cue is known."""

import hashlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.images.image_set import ImageSet, fingerprint_of
from core.images.labels import REAL


def image_set(pixels: NDArray[np.uint8], labels: NDArray[np.uint8], split: str) -> ImageSet:
    """A set of these images."""
    digests = [hashlib.sha256(f"{split} {number}".encode()).hexdigest() for number in range(len(pixels))]
    rows = pd.DataFrame({"id": digests, "label": labels, "sha256": digests})
    return ImageSet(f"planted-{split}", split, pixels, rows, fingerprint_of(split, rows))


def by_detail(n: int, split: str, *, seed: int) -> ImageSet:
    """REAL images have a faint checkerboard, the finest of all waves; everything else is alike."""
    generator = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.uint8)
    soft = generator.uniform(70, 180, (n, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    board = 24 * (1 - 2 * (np.indices((32, 32)).sum(axis=0) % 2))[..., None]
    pixels = soft + np.where(labels == REAL, 1, 0)[:, None, None, None] * board
    return image_set(np.clip(pixels, 0, 255).astype(np.uint8), labels, split)


def by_colour(n: int, split: str, *, seed: int) -> ImageSet:
    """REAL images are reddish and FAKE ones greenish, with one distribution of grey levels and of detail."""
    generator = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.uint8)
    grey = generator.uniform(90, 160, (n, 8, 8, 1)).repeat(4, axis=1).repeat(4, axis=2)
    # steps of equal luma
    step = np.array([30.0, -0.299 / 0.587 * 30.0, 0.0])
    pixels = grey + np.where(labels == REAL, 1, -1)[:, None, None, None] * step
    return image_set(np.rint(pixels).astype(np.uint8), labels, split)
