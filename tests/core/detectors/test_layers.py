"""Layers with positions, and norms of tokens that are read as such without a change of the network's outputs."""

from copy import deepcopy

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from core.detectors.detector import Detector
from core.detectors.layers import expose_tokens, find_layers
from core.detectors.manifest import Classes
from core.images.preprocessing import Preprocessing
from tests.conftest import noise

IMAGES = noise(3, 32, 32)


def vision(**settings):
    """A random vision transformer of timm's for 32 x 32 pixels in patches of 8."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model("test_vit", num_classes=2, img_size=32, patch_size=8, depth=2, **settings).eval()


def opened(network):
    """A detector with this network."""
    return Detector(deepcopy(network), Preprocessing(32, std=(0.3,) * 3), Classes())


@pytest.mark.parametrize(
    "settings, layer",
    [
        ({}, "blocks.1.norm1.places"),
        ({"reg_tokens": 4}, "blocks.1.norm1.places"),
        ({"global_pool": "avg", "fc_norm": False}, "norm.places"),
        ({"global_pool": "avg", "fc_norm": False, "class_token": False}, "norm.places"),
    ],
)
def test_the_last_norm_is_found_on_whose_patches_the_answer_depends(settings, layer):
    plain = vision(**settings)
    detector = opened(plain)
    assert detector.target_layer == layer
    assert detector.layers[layer] == (4, 4)
    with torch.no_grad():
        assert_array_equal(plain(detector.inputs(IMAGES)).numpy(), detector.network(detector.inputs(IMAGES)).numpy())


def test_its_map_is_the_gradient_of_the_margin_times_the_tokens():
    detector, seen = opened(vision()), []
    norm = detector.network.blocks[1].norm1
    handle = norm.register_forward_hook(
        lambda _norm, _inputs, output: seen.append(output.detach().requires_grad_(True)) or seen[-1], prepend=True
    )
    scores = detector.scores(detector.inputs(IMAGES))
    handle.remove()
    (gradient,) = torch.autograd.grad((scores[:, 1] - scores[:, 0]).sum(), seen)
    tokens, slopes = seen[0][:, 1:].detach(), gradient[:, 1:]
    expected = (tokens * slopes.sum(dim=1, keepdim=True)).sum(dim=2).reshape(3, 4, 4)
    found = detector.full_pass(IMAGES)
    assert_allclose(found.needed_maps, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert_allclose(found.features, tokens.mean(dim=1).numpy(), atol=1e-6)
    assert np.abs(expected.numpy()).max() > 1e-3


def test_channels_that_come_last_are_read_as_places():
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.norm, self.head = nn.Conv2d(3, 6, 8, stride=8), nn.LayerNorm(6), nn.Linear(6, 2)

        def forward(self, inputs):
            return self.head(self.norm(self.patches(inputs).permute(0, 2, 3, 1)).mean(dim=(1, 2)))

    network, image = Last().eval(), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = network(image)
    expose_tokens(network, image, None)
    assert find_layers(network, image) == (2, {"patches": (6, 4, 4), "norm.places": (6, 4, 4)})
    with torch.no_grad():
        assert torch.equal(network(image), before)


@pytest.mark.parametrize("side, layers", [(7, {"0": (2, 4, 4)}), (2, {"0": (2, 4, 4), "1": (2, 2, 2)})])
def test_a_pooling_that_enlarges_has_no_places_of_its_own(side, layers):
    network = nn.Sequential(nn.Conv2d(3, 2, 3, stride=8), nn.AdaptiveAvgPool2d(side), nn.Flatten())
    assert find_layers(network, torch.zeros(1, 3, 32, 32)) == (2 * side**2, layers)
