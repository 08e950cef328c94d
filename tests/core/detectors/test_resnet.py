"""The paper's network: torchvision's layers, a fused fast path, margin maps, and its folder on disk."""

import numpy as np
import pytest
import torch
import torchvision
from numpy.testing import assert_allclose
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from core.detectors.detector import fastest_format
from core.detectors.manifest import Classes
from core.detectors.resnet import ResNetDetector, build, build_network, round_to_float16
from core.images.labels import REAL
from tests.conftest import make_detector


def test_it_is_torchvisions_network_with_another_stem():
    theirs = torchvision.models.resnet18(num_classes=2)
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    theirs.maxpool = nn.Identity()
    ours = build_network(64, seed=3)
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.randn(2, 3, 32, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(inputs), theirs.eval()(inputs), rtol=0, atol=0)


def test_a_network_without_weights_draws_none(monkeypatch):
    monkeypatch.delattr(nn.init, "kaiming_normal_")
    assert {weight.device.type for weight in build({"width": 4}).parameters()} == {"meta"}


# of networks with narrow strided 1 x 1 convolutions torch's backward pass crashes channels last
@pytest.mark.parametrize(
    "width, groups, form",
    [(4, 1, torch.contiguous_format), (32, 1, torch.channels_last), (32, 4, torch.contiguous_format)],
)
def test_the_memory_format_is_never_one_with_which_torch_crashes(width, groups, form):
    network = build_network(width, groups=groups, seed=0)
    assert fastest_format(network, torch.device("cpu")) == form
    # where batch normalisation learns wrongly otherwise
    assert fastest_format(network, torch.device("mps")) == torch.contiguous_format


def test_weights_are_rounded_and_statistics_are_not():
    network = build_network(4, seed=0)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(1e-5 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(0)))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    round_to_float16(network)
    for name, tensor in network.state_dict().items():
        is_rounded = "conv" in name or name.startswith("fc.") or "downsample.0" in name
        assert torch.equal(tensor, before[name].half().float() if is_rounded else before[name])
    with torch.no_grad():
        network.fc.bias[1] = 1e5
    with pytest.raises(ValueError, match=r"fc\.bias"):
        round_to_float16(network)


@pytest.mark.parametrize("width, groups", [(0, 1), (1025, 1), ("4", 1), (4, 3), (4, 0)])
def test_widths_and_groups_that_cannot_be_are_refused(width, groups):
    with pytest.raises((ValueError, TypeError)):
        build_network(width, groups=groups, seed=0)


@pytest.mark.parametrize("layer", ["layer1", "layer3", "layer4"])
def test_stages_are_its_layers_and_the_last_one_gives_its_map_at_once(layer, pixels):
    detector = ResNetDetector(make_detector(8).network, target_layer=layer)
    network = detector.network
    assert detector.layers == {"layer1": (32, 32), "layer2": (16, 16), "layer3": (8, 8), "layer4": (4, 4)}
    full = detector.full_pass(pixels)
    with torch.no_grad():
        activations = create_feature_extractor(network, [layer])(detector.inputs(pixels))[layer]
        logits = network(detector.inputs(pixels))
    # the fast path folds normalisations
    assert_allclose(full.logits, logits, atol=1e-5)
    assert_allclose(detector.logits(pixels), logits, atol=1e-5)
    assert np.ptp(logits.numpy()) > 0.01
    assert_allclose(full.features, activations.mean((2, 3)), atol=1e-4)
    assert detector.channels == full.features.shape[1]
    assert full.maps.shape[1:] == detector.layers[layer]
    assert (detector.bias is None) == (layer != "layer4")
    if layer == "layer4":
        # class activation mapping, Zhou et al. 2016
        weights, bias = (own[REAL] - own[1 - REAL] for own in (network.fc.weight, network.fc.bias))
        assert_allclose(full.maps, torch.einsum("nchw,c->nhw", activations, weights), atol=1e-4)
        assert detector.bias == pytest.approx(float(bias))
    for wrong in ({"target_layer": "layer5"}, {"classes": Classes(("a",), ("a",))}):
        with pytest.raises(ValueError, match="no layer 'layer5'|2 outputs for 1 classes"):
            ResNetDetector(network, **wrong)
