"""The memory format of a network: fast, and never one with which torch crashes."""

import subprocess
import sys

import pytest
import torch

from core.detectors.devices import fastest_format
from core.detectors.resnet import build_network

STEP = """
import torch
from core.detectors.devices import fastest_format
from core.detectors.resnet import build_network
network = build_network({width}, seed=0)
network.to(memory_format=fastest_format(network))
for _ in range(3):
    inputs = torch.randn(16, 3, 48, 48).contiguous(memory_format=fastest_format(network)).requires_grad_()
    network(inputs).sum().backward()
"""


@pytest.mark.parametrize(("width", "form"), [(4, torch.contiguous_format), (32, torch.channels_last)])
def test_narrow_networks_are_not_channels_last(width: int, form: torch.memory_format) -> None:
    assert fastest_format(build_network(width, seed=0)) == form


def test_a_narrow_network_learns_from_larger_images_without_a_crash() -> None:
    # in a process of its own, which a crash would end
    assert subprocess.run([sys.executable, "-c", STEP.format(width=4)], check=False).returncode == 0
