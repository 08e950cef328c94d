"""The memory format of a network: fast, and never one with which torch crashes."""

import subprocess
import sys

import pytest
import torch

from core.detectors.devices import fastest_format, measure_batch_size, pick_device
from core.detectors.resnet18 import build_network

STEP = """
import torch
from core.detectors.devices import fastest_format
from core.detectors.resnet18 import build_network
network = build_network({width}, seed=0)
form = fastest_format(network, torch.device("cpu"))
network.to(memory_format=form)
for _ in range(3):
    inputs = torch.randn(16, 3, 48, 48).contiguous(memory_format=form).requires_grad_()
    network(inputs).sum().backward()
"""


def test_each_group_of_channels_must_be_wide_enough() -> None:
    narrow, wide = build_network(32, groups=4, seed=0), build_network(64, groups=4, seed=0)
    assert fastest_format(narrow, torch.device("cpu")) == torch.contiguous_format
    assert fastest_format(wide, torch.device("cpu")) == torch.channels_last


@pytest.mark.parametrize(("width", "form"), [(4, torch.contiguous_format), (32, torch.channels_last)])
def test_narrow_networks_are_not_channels_last(width: int, form: torch.memory_format) -> None:
    assert fastest_format(build_network(width, seed=0), torch.device("cpu")) == form
    # where batch normalisation learns wrongly otherwise
    assert fastest_format(build_network(width, seed=0), torch.device("mps")) == torch.contiguous_format


def test_a_narrow_network_learns_from_larger_images_without_a_crash() -> None:
    # in a process of its own, which a crash would end
    assert subprocess.run([sys.executable, "-c", STEP.format(width=4)], check=False).returncode == 0


def test_a_batch_that_does_not_fit_ends_the_search_and_not_the_command() -> None:
    def forward(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return batch.flatten(1)

    cpu = torch.device("cpu")
    assert measure_batch_size(forward, cpu, side=8, candidates=(2, 4, 8, 16), images=16) in (2, 4)
    with pytest.raises(torch.OutOfMemoryError):
        measure_batch_size(forward, cpu, side=8, candidates=(8, 16), images=16)


def test_float32_is_no_tf32_on_a_gpu() -> None:
    torch.backends.cudnn.allow_tf32 = True
    pick_device("cpu")
    assert torch.backends.cudnn.allow_tf32 is False
