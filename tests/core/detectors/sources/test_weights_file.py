"""Files of weights: safetensors, and pickles that hold nothing but tensors."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from core.detectors.registry import SourceError
from core.detectors.sources.weights_file import load_weights, read_tensors

WEIGHTS = {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)}


class Runs:
    """An object that runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS},
        {f"module.{name}": one for name, one in WEIGHTS.items()},
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_plain_tensors_are_read(tmp_path: Path, content: Any, old: bool) -> None:
    torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
    found = read_tensors(tmp_path / "w.pth")
    assert {name: one.tolist() for name, one in found.items()} == {name: one.tolist() for name, one in WEIGHTS.items()}


@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_could_run_code_is_not_opened(tmp_path: Path, old: bool) -> None:
    for content in ({**WEIGHTS, "x": Runs(tmp_path / "ran")}, nn.Linear(2, 2)):
        torch.save(content, tmp_path / "w.pth", _use_new_zipfile_serialization=not old)
        with pytest.raises(SourceError, match="holds more than plain tensors and could run code, so it was not opened"):
            read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("w.safetensors", b"nonsense", "is no whole safetensors file"),
        ("w.pth", b"nonsense", "could run code|is no whole file of torch"),
        ("w.pth", b"", "could run code|is no whole file of torch"),
        ("w.pkl", b"", "is no file of weights"),
        ("none.pth", None, "cannot be read"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=sentence):
        read_tensors(tmp_path / name)


def test_numbers_and_lists_are_no_weights(tmp_path: Path) -> None:
    for content in ([torch.ones(2)], {"lr": 0.1}, {3: torch.ones(2)}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(SourceError, match="does not hold tensors by name"):
            read_tensors(tmp_path / "w.pt")
    save_file({}, tmp_path / "w.safetensors")
    with pytest.raises(SourceError, match="holds no weights"):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"0.bias": None}, r"Missing key.*0\.bias"),
        ({"head": torch.ones(1)}, r"Unexpected key.*head"),
        ({"0.bias": torch.ones(3)}, r"size mismatch for 0\.bias"),
        ({"0.bias": torch.tensor([0.0, float("nan")])}, r"0\.bias holds a number that is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(changes: dict[str, Any], sentence: str) -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    norm = {f"1.{name}": one for name, one in network[1].state_dict().items() if name != "num_batches_tracked"}
    given = {name: one for name, one in {**WEIGHTS, **norm, **changes}.items() if one is not None}
    with pytest.raises(SourceError, match=sentence):
        load_weights(network, given)
    load_weights(network, {**WEIGHTS, **norm, "1.num_batches_tracked": torch.tensor(5)})
    assert network[0].weight.tolist() == WEIGHTS["0.weight"].tolist()
