"""Checkpoints: what is written comes back, and what cannot be gone on with says so."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from core.training.checkpoints import Progress, TrainingInterrupted, read_checkpoint, write_checkpoint


def made(*, seed: int = 0, steps: int = 0) -> tuple[dict[str, nn.Module], torch.optim.Optimizer]:
    """Two networks whose weights lie channels last, and an optimizer of the first after some steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks: dict[str, nn.Module] = {
            name: nn.Sequential(nn.Conv2d(16, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
            for name in ("network", "averaged")
        }
        optimizer = torch.optim.Adam(networks["network"].parameters(), 0.01)
        for _ in range(steps):
            networks["network"](torch.randn(2, 16, 8, 8)).relu().sum().backward()
            optimizer.step()
    return networks, optimizer


def same(found: torch.Tensor, expected: torch.Tensor) -> None:
    """The values are the same, and they lie in the same order."""
    torch.testing.assert_close(found, expected, rtol=0, atol=0, check_stride=True)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    networks, optimizer = made(steps=3)
    progress = Progress(2, 3, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], ["float32 on cpu"] * 2)
    write_checkpoint(file, networks, optimizer, progress)
    others, other = made(seed=1, steps=1)
    assert read_checkpoint(file, others, other) == progress
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            same(others[name].state_dict()[key], value)
    weights = [one["network"].parameters() for one in (networks, others)]
    for parameter, its in zip(*weights, strict=True):
        assert other.state[its].keys() == optimizer.state[parameter].keys() >= {"exp_avg", "exp_avg_sq"}
        for key, value in optimizer.state[parameter].items():
            same(other.state[its][key], value)


def test_an_older_checkpoint_does_not_say_what_its_epochs_were_computed_in(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    networks, optimizer = made(steps=1)
    write_checkpoint(file, networks, optimizer, Progress())
    older = {"epoch": 2, "step": 1, "history": []}
    file.write_bytes(save(load(file.read_bytes()), {"training": json.dumps(older)}))
    assert read_checkpoint(file, networks, optimizer) == Progress(2, 1, [], ["unknown", "unknown"])


def test_a_damaged_checkpoint_and_one_of_another_network_say_how_to_begin_again(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    networks, optimizer = made(steps=1)
    write_checkpoint(file, networks, optimizer, Progress())
    with pytest.raises(TrainingInterrupted, match="is damaged or of another version; pass --restart"):
        read_checkpoint(file, {"network": nn.Linear(2, 2)}, optimizer)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(TrainingInterrupted, match="is damaged or of another version; pass --restart"):
        read_checkpoint(file, networks, optimizer)
