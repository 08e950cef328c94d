"""Image sets whose only cue is known."""

from dataclasses import replace

import numpy as np

from tests.conftest import make_set


def by_detail(n, split, *, seed):
    """REAL images have a faint checkerboard, the finest of all waves; everything else is alike."""
    generator = np.random.default_rng(seed)
    soft = generator.uniform(70, 180, (n, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    board = 24 * (1 - 2 * (np.indices((32, 32)).sum(axis=0) % 2))[..., None]
    pixels = soft + np.repeat([0, 1], n // 2)[:, None, None, None] * board
    return replace(make_set(np.clip(pixels, 0, 255).astype(np.uint8), f"planted-{split}"), split=split)


def by_colour(n, split, *, seed):
    """REAL images are reddish and FAKE ones greenish, with one distribution of grey levels and of detail."""
    generator = np.random.default_rng(seed)
    grey = generator.uniform(90, 160, (n, 8, 8, 1)).repeat(4, axis=1).repeat(4, axis=2)
    # steps of equal luma
    step = np.array([30.0, -0.299 / 0.587 * 30.0, 0.0])
    pixels = grey + np.repeat([-1, 1], n // 2)[:, None, None, None] * step
    return replace(make_set(np.rint(pixels).astype(np.uint8), f"planted-{split}"), split=split)
