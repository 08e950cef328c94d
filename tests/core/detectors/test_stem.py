"""Stems of ImageNet networks for small images, beside the paper's own."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from core.detectors.resnet18 import build_network
from core.detectors.sources.libraries import adapt_stem


def shape_before_pooling(network: nn.Module) -> tuple[int, ...]:
    """The last activations with places."""
    shapes = []
    hooks = [
        module.register_forward_hook(lambda _module, _given, out: shapes.append(tuple(out.shape)))
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 3, 32, 32))
    for hook in hooks:
        hook.remove()
    return shapes[-1]


def test_a_resnet_18_becomes_the_paper_s() -> None:
    made = adapt_stem(torchvision.models.resnet18(num_classes=2), 32)
    ours = build_network(64)
    assert {name: tensor.shape for name, tensor in made.state_dict().items()} == {
        name: tensor.shape for name, tensor in ours.state_dict().items()
    }
    made.load_state_dict(ours.state_dict())
    batch = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(made.eval()(batch), ours.eval()(batch), atol=1e-5)


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_small_images_keep_twice_the_places(name: str) -> None:
    plain = torchvision.models.get_model(name, weights=None, num_classes=2)
    before = shape_before_pooling(plain)
    after = shape_before_pooling(adapt_stem(plain, 32))
    assert after[-1] >= 2 * before[-1] or after[-1] > 1


@pytest.mark.parametrize("side", [0, "32", None, 10**9, [32]])
def test_impossible_sides_are_refused(side: object) -> None:
    with pytest.raises(ValueError, match="its images have a side of"):
        adapt_stem(build_network(4), side)


def test_networks_without_such_a_stem_say_so() -> None:
    with pytest.raises(ValueError, match="name a convolutional network"):
        adapt_stem(nn.Linear(3, 2), 32)
    with pytest.raises(ValueError, match="does not take images of 32 x 32 pixels"):
        adapt_stem(timm.create_model("vit_tiny_patch16_224", num_classes=2), 32)
