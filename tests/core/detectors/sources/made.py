"""Pictures, and a detector's and its source's own outputs for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.detectors.detector import Detector

# what sources without preprocessing are told in tests
SAID: dict[str, Any] = {"crop": "before", "interpolation": "bilinear", "mean": (0.5, 0.4, 0.6), "std": (0.2, 0.3, 0.25)}


def odd_pictures() -> list[NDArray[np.uint8]]:
    """uint8 pictures of several sizes, wide, high, small."""
    generator = np.random.default_rng(0)
    sizes = ((96, 140), (200, 120), (64, 64), (33, 32))
    coarse = [generator.integers(0, 256, (-(-h // 4), -(-w // 4), 3)).repeat(4, 0).repeat(4, 1) for h, w in sizes]
    return [image[:h, :w].astype(np.uint8) for image, (h, w) in zip(coarse, sizes, strict=True)]


def given_by(detector: Detector) -> NDArray[np.float32]:
    """float32 (4, K): the network's outputs for the pictures, through the detector's preprocessing."""
    fitted = np.stack([detector.preprocessing.fit(image) for image in odd_pictures()])
    with torch.no_grad():
        outputs: NDArray[np.float32] = detector.network(detector.inputs(fitted)).numpy()
    return outputs


def expected_of(pipeline: Callable[[Image.Image], torch.Tensor]) -> NDArray[np.float32]:
    """float32 (4, K): what a source's own pipeline gives for them, one by one."""
    with torch.no_grad():
        outputs: NDArray[np.float32] = torch.cat([pipeline(Image.fromarray(image)) for image in odd_pictures()]).numpy()
    return outputs


def spread(network: torch.nn.Module, *, seed: int = 0) -> torch.nn.Module:
    """The network in evaluation mode, with random weights wide enough that its answers differ between pictures."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                wide = 1.5 / max(1, parameter[0].numel()) ** 0.5
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * wide)
    return network.eval()
