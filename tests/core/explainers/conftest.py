"""An image and a network whose answer is known, for explanations to be right or wrong about."""

import numpy as np
import pytest

from tests.conftest import make_detector
from tests.core.trust_cues import patch_detector


@pytest.fixture(scope="module")
def detector():
    return make_detector(width=4, seed=3)


@pytest.fixture
def image():
    """uint8 (32, 32, 3): a bright disc and a dark bar on a slope, with grain."""
    generator = np.random.default_rng(7)
    y, x = np.indices((32, 32))
    luma = 60 + 2.5 * x + 90 * (np.hypot(y - 12, x - 10) < 7) - 40 * ((y > 22) & (y < 27))
    tint = np.array([1.0, 0.9, 0.7])
    return np.clip(luma[..., None] * tint + generator.normal(0, 8, (32, 32, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def red_detector():
    """A detector that sees red and nothing else."""
    return patch_detector(width=1, weight=100)


@pytest.fixture
def red_patch():
    """uint8 (32, 32, 3): grey grain; rows 20 to 23 of columns 8 to 11 a red and cyan chequerboard, grey on average."""
    generator = np.random.default_rng(3)
    image = generator.integers(100, 156, (32, 32, 1), dtype=np.uint8).repeat(3, axis=2)
    odd = np.indices((4, 4)).sum(axis=0) % 2 == 1
    image[20:24, 8:12] = np.where(odd[..., None], (255, 0, 0), (0, 255, 255))
    return image
