"""Files of weights: safetensors, and pickles that hold nothing but tensors."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from core.detectors.registry import (
    KINDS,
    Request,
    SourceError,
    find_kind,
    load_in_order,
    load_weights,
    read_tensors,
    require,
)
from core.storage.limits import LIMITS
from tests.damage import Trap

WEIGHTS = {"0.weight": torch.ones(2, 3), "0.bias": torch.zeros(2)}


@pytest.mark.parametrize("old", [False, True])
def test_plain_tensors_are_read_and_nothing_runs(tmp_path, *, old):
    file, options = tmp_path / "w.pth", {"_use_new_zipfile_serialization": not old}
    parallel = {f"module.{name}": value for name, value in WEIGHTS.items()}
    inside = ({key: WEIGHTS, "epoch": 3} for key in ("state_dict", "model_state_dict", "model"))
    # a prefix of some names alone is theirs
    some = {"module.weight": WEIGHTS["0.weight"], "0.bias": WEIGHTS["0.bias"]}
    for content, expected in (*((content, WEIGHTS) for content in (WEIGHTS, parallel, *inside)), (some, some)):
        torch.save(content, file, **options)
        assert_close(read_tensors(file), expected)
    for content in ({**WEIGHTS, "x": Trap(tmp_path / "ran")}, nn.Linear(2, 2)):
        torch.save(content, file, **options)
        with pytest.raises(SourceError, match="no whole file of plain tensors, and nothing in it was run"):
            read_tensors(file)
    assert not (tmp_path / "ran").exists()
    for other in ([torch.ones(2)], {"lr": 0.1}, {3: torch.ones(2)}, {"model": {}}):
        torch.save(other, file, **options)
        with pytest.raises(SourceError, match="does not hold tensors by name"):
            read_tensors(file)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"0.bias": None, "head": torch.ones(1)}, r"Missing key.*0\.bias.*Unexpected key.*head"),
        ({"0.bias": torch.ones(3)}, r"size mismatch for 0\.bias"),
        ({"0.bias": torch.tensor([0.0, float("nan")])}, r"a number in 0\.bias that is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(changes, sentence):
    network = nn.Sequential(nn.Linear(3, 2))
    given = {name: one for name, one in {**WEIGHTS, **changes}.items() if one is not None}
    with pytest.raises(SourceError, match=sentence):
        load_weights(network, given, Path("w"))


@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".SafeTensors"])
def test_a_files_ending_says_how_it_is_read(tmp_path, suffix):
    write = save_file if suffix.lower() == ".safetensors" else torch.save
    file = tmp_path / f"w{suffix}"
    write(WEIGHTS, str(file))
    assert read_tensors(file).keys() == WEIGHTS.keys()
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SourceError):
        read_tensors(file)


def test_weights_in_another_number_or_none_are_refused(tmp_path):
    torch.save(WEIGHTS, tmp_path / "w.pth")
    for network, file in ((nn.Linear(3, 2, bias=False), tmp_path / "w.pth"), (nn.Linear(3, 2), None)):
        with pytest.raises(SourceError):
            load_in_order(network, Request("known", weights=file))


def test_a_network_without_memory_gets_float32_weights_of_its_own():
    with torch.device("meta"):
        network = nn.Linear(3, 2)
    given = {"weight": torch.ones(2, 3).half(), "bias": torch.zeros(2).half()}
    load_weights(network, given, Path("w"))
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert network.weight.tolist() == [[1.0] * 3] * 2
    assert network.weight.data_ptr() != given["weight"].data_ptr()


def test_kinds_are_found_by_name_and_packages_if_they_are_there():
    assert all(callable(find_kind(name).build) for name in KINDS)
    with pytest.raises(ValueError, match="resnet"):
        find_kind("resnett")
    assert require("json", "this").loads("3") == 3
    with pytest.raises(SourceError, match="no_such_package"):
        require("no_such_package", "this")


def test_a_file_beyond_any_detectors_size_is_not_read(tmp_path, monkeypatch):
    torch.save(WEIGHTS, tmp_path / "w.pth")
    monkeypatch.setitem(LIMITS, ".safetensors", 100)
    with pytest.raises((OSError, ValueError)):
        read_tensors(tmp_path / "w.pth")
