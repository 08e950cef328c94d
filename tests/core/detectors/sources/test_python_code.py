"""Python functions: they run with consent alone, when they are added and whenever they are loaded."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.detectors.adding import add, build_from
from core.detectors.identity import identify
from core.detectors.registry import Request, SourceError
from core.detectors.sources import python_code
from core.detectors.storage import load_detector
from tests.core.detectors.sources.made import SAID, odd_pictures

SOURCE = """
from pathlib import Path
from dataclasses import dataclass
from torch import nn

(Path(__file__ if "__file__" in globals() else ".").parent / "ran").touch()

@dataclass
class Width:
    n: int = 5

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, Width().n, 3)
        self.fc = nn.Linear(Width().n, 1)
    def forward(self, x):
        return self.fc(self.conv(x).relu().mean(dim=(2, 3)))

def make():
    return Net()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path with a module `brought_net` and weights; nothing has been consented to."""
    (tmp_path / "brought_net.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(python_code, "_consented", set())
    monkeypatch.delenv(python_code.CONSENT, raising=False)
    generator = torch.Generator().manual_seed(0)
    shapes = {"conv.weight": (5, 3, 3, 3), "conv.bias": (5,), "fc.weight": (1, 5), "fc.bias": (1,)}
    save_file(
        {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}, tmp_path / "w.safetensors"
    )
    return tmp_path


def request_of(folder: Path, function: str = "make", *, may: bool = True) -> Request:
    """A request for one of its functions."""
    return Request(
        f"py:brought_net:{function}",
        weights=folder / "w.safetensors",
        classes=("REAL",),
        outputs="logits",
        preprocess={**SAID, "size": 24},
        may_run_code=may,
    )


def test_it_computes_what_the_function_and_the_weights_say(folder: Path) -> None:
    detector = add(folder / "d", request_of(folder))
    tensors = detector.network.network.state_dict()
    pixels = np.stack([detector.preprocessing.fit(image) for image in odd_pictures()])
    mean, std = (torch.tensor(SAID[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    inputs = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    features = torch.conv2d(inputs, tensors["conv.weight"], tensors["conv.bias"]).relu().mean(dim=(2, 3))
    expected = (features @ tensors["fc.weight"].T + tensors["fc.bias"])[:, 0]
    np.testing.assert_allclose(detector.margins(pixels), expected.numpy(), atol=1e-4)
    assert detector.target_layer == "network.conv"
    assert (folder / "d" / "code.py").read_text() == SOURCE
    assert identify(folder / "d").identity == detector.identity


def test_nothing_runs_without_consent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="runs code, .* give --run-code if you trust it"):
        build_from(request_of(folder, may=False))
    assert not (folder / "ran").exists()
    add(folder / "d", request_of(folder))
    (folder / "ran").unlink()
    # another process
    monkeypatch.setattr(python_code, "_consented", set())
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()
    for said in (None, "", "yes", "0" * 64, digest[:32]):
        if said is not None:
            monkeypatch.setenv(python_code.CONSENT, said)
        with pytest.raises(ValueError, match=f"read that file, and if you trust it set TELLTALE_RUN_CODE={digest}"):
            load_detector(folder / "d")
        # its identity needs no code
        identify(folder / "d")
        assert not (folder / "ran").exists()
    monkeypatch.setenv(python_code.CONSENT, f"{'0' * 64}, {digest}")
    load_detector(folder / "d")
    assert (folder / "ran").exists()
