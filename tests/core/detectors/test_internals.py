"""Private parts of torch that we use: these tests name what broke if another version has moved it."""

from importlib.metadata import version

import pytest
import torch
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

from core.detectors.resnet18 import build_network
from core.training import torch_internals


def test_torch_still_says_what_the_processor_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    tested = " and ".join(torch_internals.TESTED)
    assert callable(asked), (
        f"torch {version('torch')} has no torch.cpu._is_avx512_bf16_supported, as {tested} has: recipes with "
        "`auto` precision train in float32 on every processor. Find its new name in "
        "core/training/torch_internals.py."
    )
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert torch_internals.has_bfloat16_units(cpu) is bool(asked())
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert torch_internals.has_bfloat16_units(cpu) is False
    # a T4 computes in bfloat16, by emulation
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert torch_internals.has_bfloat16_units(gpu) is False


@pytest.mark.parametrize("width", [4, 32])
def test_a_narrow_network_is_what_torchvision_makes_of_a_narrow_stage(width: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        expected = ResNet(BasicBlock, [2, 2, 2, 2], num_classes=2)
        expected.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        expected.maxpool, expected.bn1, expected.inplanes = nn.Identity(), nn.BatchNorm2d(width), width
        for stage in range(1, 5):
            layer = expected._make_layer(BasicBlock, width * 2 ** (stage - 1), 2, stride=1 if stage == 1 else 2)
            setattr(expected, f"layer{stage}", layer)
        expected.fc = nn.Linear(8 * width, 2)
        for module in expected.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    found, wanted = build_network(width, seed=3).state_dict(), expected.state_dict()
    assert list(found) == list(wanted)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
