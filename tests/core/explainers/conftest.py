"""An image and a network whose answer is known, for explanations to be right or wrong about."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from core.detectors.detector import Detector
from core.detectors.resnet import ResNetDetector, build_network
from core.images.labels import REAL


@pytest.fixture
def image() -> NDArray[np.uint8]:
    """uint8 (32, 32, 3): a bright disc and a dark bar on a slope, with grain."""
    generator = np.random.default_rng(7)
    y, x = np.indices((32, 32))
    luma = 60 + 2.5 * x + 90 * (np.hypot(y - 12, x - 10) < 7) - 40 * ((y > 22) & (y < 27))
    tint = np.array([1.0, 0.9, 0.7])
    return np.clip(luma[..., None] * tint + generator.normal(0, 8, (32, 32, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def red_detector() -> Detector:
    """A detector that sees red and nothing else: each stage's first channel is the mean redness of the pixels below it.

    Redness is red less the mean of green and blue where that is positive. Convolutions that halve the size average
    2 x 2 values, so that a position of layer2, layer3 and layer4 sees exactly its own 2 x 2, 4 x 4 and 8 x 8 pixels.
    """
    network = build_network(1, seed=0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.zero_()
            elif isinstance(module, nn.BatchNorm2d):
                module.running_var.fill_(1 - module.eps)
        network.conv1.weight[0, :, 1, 1] = torch.tensor([1.0, -0.5, -0.5])
        for stage in (network.layer2, network.layer3, network.layer4):
            stage[0].conv1.weight[0, 0, 1:, 1:] = 0.25
            stage[0].conv2.weight[0, 0, 1, 1] = 1
        network.fc.weight.zero_()
        network.fc.bias.zero_()
        network.fc.weight[REAL, 0] = 100
    return ResNetDetector(network)


@pytest.fixture
def red_patch() -> NDArray[np.uint8]:
    """uint8 (32, 32, 3): grey grain; rows 20 to 23 of columns 8 to 11 a red and cyan chequerboard, grey on average."""
    generator = np.random.default_rng(3)
    image = generator.integers(100, 156, (32, 32, 1), dtype=np.uint8).repeat(3, axis=2)
    odd = np.indices((4, 4)).sum(axis=0) % 2 == 1
    image[20:24, 8:12] = np.where(odd[..., None], (255, 0, 0), (0, 255, 255))
    return image
