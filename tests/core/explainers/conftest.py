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
