"""The paper's network: torchvision's layers, a fused fast path, margin maps, and its folder on disk."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torchcam.methods import GradCAM
from torchvision.models.resnet import BasicBlock, ResNet

from core.detectors.detector import fastest_format
from core.detectors.resnet import build_network, empty_network
from core.images.labels import REAL
from core.images.preprocessing import Preprocessing
from tests.conftest import make_detector


@pytest.mark.parametrize("width", [4, 64])
def test_it_is_torchvisions_network_with_another_stem(width):
    theirs = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=2)
    theirs.conv1, theirs.maxpool = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.Identity()
    theirs.bn1, theirs.inplanes, theirs.fc = nn.BatchNorm2d(width), width, nn.Linear(8 * width, 2)
    for stage in range(1, 5):
        layer = theirs._make_layer(BasicBlock, width * 2 ** (stage - 1), 2, stride=1 if stage == 1 else 2)
        setattr(theirs, f"layer{stage}", layer)
    ours = build_network(width, seed=3)
    theirs.load_state_dict(ours.state_dict())
    inputs = torch.randn(2, 3, 32, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(ours.eval()(inputs), theirs.eval()(inputs), rtol=0, atol=0)


def test_a_network_without_weights_draws_none(monkeypatch):
    monkeypatch.delattr(nn.init, "kaiming_normal_")
    assert {weight.device.type for weight in empty_network(4).parameters()} == {"meta"}


@pytest.mark.parametrize("width", [8, 12])
def test_passes_equal_the_plain_network(width, pixels):
    detector = make_detector(width, preprocessing=Preprocessing(32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25)))
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1)) / (
        torch.tensor([0.2, 0.3, 0.25]).view(3, 1, 1)
    )
    with torch.no_grad():
        logits = detector.network(inputs).numpy()
    assert np.ptp(logits) > 0.01
    assert_allclose(detector.logits(pixels), logits, atol=1e-5)
    assert_allclose(detector.margins(pixels), logits[:, 1] - logits[:, 0], atol=1e-5)
    assert_allclose(detector.full_pass(pixels).logits, logits, atol=1e-5)


def test_map_equals_torchcams_gradcam_where_positive(pixels):
    detector = make_detector()
    network = detector.network
    maps = detector.full_pass(pixels).maps
    # the margin as a network of one output, for torchcam to explain
    margin = nn.Linear(64, 1)
    margin.weight.data = network.fc.weight[REAL : REAL + 1] - network.fc.weight[:REAL]
    margin.bias.data = network.fc.bias[REAL : REAL + 1] - network.fc.bias[:REAL]
    network.fc = margin
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    for index in range(8):
        with GradCAM(network, "layer4") as extractor:
            scores = network(detector.inputs(pixels[index : index + 1]))
            cam = extractor(0, scores, normalized=False)[0][0].detach().numpy()
        ours = np.maximum(maps[index], 0)
        if ours.max() == 0:
            assert cam.max() == 0
            continue
        assert_allclose(cam / cam.max(), ours / ours.max(), atol=1e-4)


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
