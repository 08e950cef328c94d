"""Files of weights: safetensors, and pickles that hold nothing but tensors."""

from pathlib import Path

import pytest
import torch
from torch import nn

from core.detectors.registry import SourceError, load_weights, read_tensors
from tests.damage import Trap

WEIGHTS = {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)}


@pytest.mark.parametrize("old", [False, True])
def test_plain_tensors_are_read_and_nothing_runs(tmp_path, *, old):
    file, options = tmp_path / "w.pth", {"_use_new_zipfile_serialization": not old}
    parallel = {f"module.{name}": value for name, value in WEIGHTS.items()}
    for content in (WEIGHTS, {"state_dict": WEIGHTS, "epoch": 3}, {"model": WEIGHTS}, parallel):
        torch.save(content, file, **options)
        assert {name: value.tolist() for name, value in read_tensors(file).items()} == {
            name: value.tolist() for name, value in WEIGHTS.items()
        }
    for content in ({**WEIGHTS, "x": Trap(tmp_path / "ran")}, nn.Linear(2, 2)):
        torch.save(content, file, **options)
        with pytest.raises(SourceError, match="no whole file of plain tensors, and nothing in it was run"):
            read_tensors(file)
    assert not (tmp_path / "ran").exists()
    for other in ([torch.ones(2)], {"lr": 0.1}, {3: torch.ones(2)}):
        torch.save(other, file, **options)
        with pytest.raises(SourceError, match="does not hold tensors by name"):
            read_tensors(file)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"0.bias": None}, r"Missing key.*0\.bias"),
        ({"head": torch.ones(1)}, r"Unexpected key.*head"),
        ({"0.bias": None, "head": torch.ones(1)}, r"Missing key.*0\.bias.*Unexpected key.*head"),
        ({"0.bias": torch.ones(3)}, r"size mismatch for 0\.bias"),
        ({"0.bias": torch.tensor([0.0, float("nan")])}, r"a number in 0\.bias that is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(changes, sentence):
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    norm = {f"1.{name}": one for name, one in network[1].state_dict().items() if name != "num_batches_tracked"}
    given = {name: one for name, one in {**WEIGHTS, **norm, **changes}.items() if one is not None}
    with pytest.raises(SourceError, match=sentence):
        load_weights(network, given, Path("w"))
    load_weights(network, {**WEIGHTS, **norm, "1.num_batches_tracked": torch.tensor(5)}, Path("w"))
    assert network[0].weight.tolist() == WEIGHTS["0.weight"].tolist()
