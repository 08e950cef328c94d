"""Layers with positions, and norms of tokens that are read as such without a change of the network's outputs."""

from copy import deepcopy

import numpy as np
import pytest
import timm
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from core.detectors.detector import Detector
from core.detectors.manifest import Classes
from core.detectors.target_layers import (
    expose_tokens,
    find_layers,
    margin_gradient,
    parts_of,
    token_norms,
    weights_sha256,
)
from core.images.preprocessing import Preprocessing
from tests.conftest import noise

IMAGES = noise(3, 32, 32)


def vision(**settings):
    """A random vision transformer of timm's for 32 x 32 pixels in patches of 8."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(
            "test_vit", num_classes=2, img_size=32, depth=2, **{"patch_size": 8, **settings}
        ).eval()


def opened(network):
    """A detector with this network."""
    return Detector(deepcopy(network), Preprocessing(32, std=(0.3,) * 3), Classes())


@pytest.mark.parametrize(
    "settings, layer",
    [
        ({}, "blocks.1.norm1.places"),
        # as many as may stand before the patches
        ({"reg_tokens": 7}, "blocks.1.norm1.places"),
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
    plain = vision()
    detector = opened(plain)
    seen = []

    def watch(_norm, _inputs, output):
        seen.append(output.requires_grad_(True))

    plain.requires_grad_(False).blocks[1].norm1.register_forward_hook(watch)
    (gradient,) = torch.autograd.grad(plain(detector.inputs(IMAGES)).diff(dim=1).sum(), seen)
    tokens = seen[0][:, 1:].detach()
    expected = (tokens * gradient[:, 1:].sum(dim=1, keepdim=True)).sum(dim=2).reshape(3, 4, 4)
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
    expose_tokens(network, token_norms(network, image), None)
    assert find_layers(network, image) == (2, {"patches": (6, 4, 4), "norm.places": (6, 4, 4)})
    with torch.no_grad():
        assert torch.equal(network(image), before)


@pytest.mark.parametrize("side, layers", [(7, {"0": (2, 4, 4)}), (2, {"0": (2, 4, 4), "1": (2, 2, 2)})])
def test_a_pooling_that_enlarges_has_no_places_of_its_own(side, layers):
    network = nn.Sequential(nn.Conv2d(3, 2, 3, stride=8), nn.AdaptiveAvgPool2d(side), nn.Flatten())
    assert find_layers(network, torch.zeros(1, 3, 32, 32)) == (2 * side**2, layers)


def test_more_tokens_before_the_patches_than_any_network_has_are_no_places():
    network = vision(reg_tokens=8, patch_size=4)
    expose_tokens(network, token_norms(network, torch.zeros(1, 3, 32, 32)), None)
    assert not any(name.endswith("places") for name, _ in network.named_modules())


def test_parts_are_children_with_weights_and_a_single_one_is_split():
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 4, 3)))
    assert list(parts_of(body)) == ["0", "2"]
    assert list(parts_of(nn.Sequential(nn.Identity(), body))) == ["1.0", "1.2"]
    lone = nn.Sequential(nn.Linear(2, 2))
    assert parts_of(lone) == {"0": lone[0]}


def test_a_margins_gradient_of_a_linear_head_is_its_weights():
    torch.manual_seed(0)
    layer, linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
    inputs = torch.randn(3, 3, 8, 9)
    scores, activations, gradient = margin_gradient(
        layer, lambda images: linear(layer(images).relu_().mean((2, 3))), inputs
    )
    with torch.no_grad():
        outputs = layer(inputs)
        # a channel counts where the ReLU lets it through
        weights = (linear.weight[1] - linear.weight[0])[None, :, None, None] * (outputs > 0)
        assert_allclose(scores, linear(outputs.relu().mean((2, 3))), atol=1e-6)
        assert_allclose(activations, outputs, atol=1e-6)
        assert_allclose(gradient, weights / outputs[0, 0].numel(), atol=1e-6)
    assert not activations.requires_grad


def test_a_hash_of_weights_leaves_out_counters_and_the_precision_they_are_stored_in():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).half()
    before = weights_sha256(network)
    network[1].num_batches_tracked += 1
    assert weights_sha256(deepcopy(network).float()) == weights_sha256(network) == before
    network[0].bias.data[1] += 1
    assert weights_sha256(network) != before
