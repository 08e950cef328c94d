"""Folders of plain layers by strangers: refused in a sentence, before they take memory."""

import pytest
import torch
from safetensors.torch import save

from core.detectors.layers import MAX_LAYERS, build
from core.detectors.manifest import About, Classes
from core.detectors.storage import load_detector
from core.images.preprocessing import Preprocessing
from core.storage.atomic import write_folder
from core.storage.limits import ContractError

CONV = ["conv", 3, 4, 3, 1, 1]
REST = [["relu"], ["mean", 1], ["flatten"], ["linear", 4, 1]]
TENSORS = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.ones(4), "4.weight": torch.ones(1, 4),
           "4.bias": torch.ones(1)}  # fmt: skip


def write(path, layers, tensors, std):
    """A folder as anyone can write it."""
    about = About("layers", {"layers": layers}, Preprocessing(32, std=(std,) * 3), Classes(("REAL",), ()))
    files = {"weights.safetensors": lambda file: file.write_bytes(save(tensors))}
    write_folder(path, kind="detector", manifest=about.as_manifest(), files=files)
    return path


@pytest.mark.parametrize(
    "layers, tensors, std, sentence",
    [
        *(([layer, *REST], {}, 1.0, "there is no layer") for layer in (
            ["conv", 3, 4, 3, -1], ["conv", 3, 4, 3, 1, 1, 1, 1, True, "zeros", "cuda"],
            ["relu", 1], ["linear", 10**9, 1], ["linear", 3, 1.5], [], [[]],
            ["oracle"], ["gradient", [1, 2], [3]], ["gradient", [10**400]],
        )),
        ([["conv", 3, 4, 3, 0, 1], *REST], {}, 1.0, "non-positive stride"),
        ([["conv", 3, 4, 3, 1, 20000], *REST], {}, 1.0, "may give 6,4.* numbers"),
        ([CONV, ["pool", 3, 1, 1], ["mean", 20000], *REST[2:]], {}, 1.0, "may give 1,600,000,000 numbers"),
        ([CONV, *REST[:-1], ["linear", 40000, 40000]], {}, 1.0, "size mismatch"),
        ([CONV, *REST, *[["relu"]] * MAX_LAYERS], {}, 1.0, "at most 1,000 layers"),
        ([CONV, *REST], {f"{n:0200}": torch.zeros(0) for n in range(20000)}, 1.0, "more tensors than any detector"),
        ([CONV, *REST], {}, 1e-45, "margins that are not finite"),
        ([CONV, *REST], {name: 1e38 * ones for name, ones in TENSORS.items()}, 1.0, "margins that are not finite"),
    ],
)  # fmt: skip
def test_what_no_network_can_be_is_refused(tmp_path, layers, tensors, std, sentence):
    with pytest.raises(ContractError, match=sentence):
        load_detector(write(tmp_path / "d", layers, TENSORS | tensors, std), device="cpu")


def test_layers_take_no_memory_until_they_have_weights(tmp_path):
    network = build({"layers": [["linear", 40000, 40000]]})
    assert all(parameter.is_meta for parameter in network.parameters())
    layers = [["gradient", [0, 0, 0], [0, 2, 0], [0, 0, 0]], CONV, *REST]
    moved = {f"{int(name[0]) + 1}{name[1:]}": tensor for name, tensor in TENSORS.items()}
    detector = load_detector(write(tmp_path / "d", layers, moved, 1.0), device="cpu")
    inputs = torch.rand(2, 3, 32, 32)
    expected = torch.nn.functional.conv2d(2 * inputs, TENSORS["0.weight"], TENSORS["0.bias"], padding=1)
    expected = expected.relu().mean(dim=(1, 2, 3)) * 4 + 1
    torch.testing.assert_close(detector.network(inputs)[:, 0], expected)
