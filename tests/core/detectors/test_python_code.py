"""Python functions: they run with consent alone, when they are added and whenever they are loaded."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close

from core.commands import detectors
from core.detectors import python_code
from core.detectors.adding import add, build_from
from core.detectors.identity import identify
from core.detectors.manifest import Capability
from core.detectors.registry import Request, SourceError
from core.detectors.storage import load_detector
from tests.core.any_detector import pictures
from tests.core.detectors.made import SAID

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
def folder(tmp_path, monkeypatch):
    """A folder with a module `brought_net` and weights; nothing has been consented to."""
    (tmp_path / "brought_net.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(python_code.CONSENT, raising=False)
    torch.manual_seed(0)
    layers = nn.ModuleDict({"conv": nn.Conv2d(3, 5, 3), "fc": nn.Linear(5, 1)})
    save_file(layers.state_dict(), tmp_path / "w.safetensors")
    return tmp_path


def request_of(folder, *, may=True):
    """A request for its function."""
    return Request(
        f"py:{folder / 'brought_net.py'}:make",
        weights=folder / "w.safetensors",
        classes=("REAL",),
        outputs="logits",
        preprocess={**SAID, "size": 24},
        may_run_code=may,
    )


def test_it_computes_what_the_function_and_the_weights_say(folder):
    detector = add(folder / "d", request_of(folder))
    assert_close(dict(detector.network.network.state_dict()), load_file(folder / "w.safetensors"))
    assert detector.target_layer == "network.conv"
    assert (folder / "d" / "code.py").read_text() == SOURCE
    assert identify(folder / "d").identity == detector.identity


def test_nothing_runs_without_consent(folder, monkeypatch):
    with pytest.raises(SourceError, match="runs code, .* give --run-code if you trust it"):
        build_from(request_of(folder, may=False))
    assert not (folder / "ran").exists()
    add(folder / "d", request_of(folder))
    (folder / "ran").unlink()
    load_detector(folder / "d")
    # what --run-code consented to is remembered; on another machine it is not
    (folder / "ran").unlink()
    monkeypatch.setenv("TELLTALE_CACHE", str(folder / "cache"))
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()
    refusal = f"read that file, and if you trust it set TELLTALE_RUN_CODE={digest}"
    with pytest.raises(ValueError, match=refusal):
        load_detector(folder / "d")
    for said in ("", "0" * 64, digest[:32]):
        monkeypatch.setenv(python_code.CONSENT, said)
        with pytest.raises(ValueError, match=refusal):
            load_detector(folder / "d")
        # its identity needs no code
        identify(folder / "d")
        assert not (folder / "ran").exists()
    monkeypatch.setenv(python_code.CONSENT, f"{'0' * 64}, {digest}")
    load_detector(folder / "d")
    assert (folder / "ran").exists()


FUNCTIONS = """
from pathlib import Path
import numpy as np
from PIL import Image
from beside import SLOPE

BIAS = float((Path(__file__).parent / "bias.txt").read_text())

def grain(path):
    pixels = np.asarray(Image.open(path), float)
    assert pixels.shape == (48, 48, 3)
    # of each channel by itself
    return abs(np.diff(pixels, axis=1)).mean(axis=(0, 1)) @ [0.6, 0.3, 0.1]

def score(path):
    return SLOPE * grain(path) + BIAS

def p_fake(path):
    return 1 / (1 + np.exp(-score(path)))

def p_fakes(paths):
    assert isinstance(paths, list)
    return np.array([[p_fake(path)] for path in paths], np.float32)

def broken(path):
    raise KeyError("weights")
"""


@pytest.fixture
def functions(tmp_path, monkeypatch):
    """A file of functions, what it imports and reads beside it, in a folder in which no command starts."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name, text in (("net.py", FUNCTIONS), ("beside.py", "SLOPE = -0.2"), ("bias.txt", "3.5")):
        (folder / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return folder / "net.py"


@pytest.mark.parametrize(
    "function, given, threshold",
    [
        ("p_fake", [], 0.0),
        ("p_fakes", [], 0.0),
        ("p_fake", ["--threshold", "0.2", "--outputs", "probabilities"], np.log(0.25)),
        ("score", ["--threshold", "1.5", "--outputs", "logits"], 1.5),
        ("score", ["--classes", "REAL", "--threshold", "1.5", "--outputs", "logits"], None),
    ],
)
def test_a_function_of_files_scores_their_very_pixels(functions, function, given, threshold, capsys):
    source = f"function:{functions}:{function}"
    words = ["add", "f", source, "--run-code", "--size", "48", *given, "--out", "."]
    assert detectors.main(words) == 0, capsys.readouterr()
    pixels = np.concatenate([pictures(6, fine=fine, seed=3) for fine in (False, True)])
    # pictures in which the channels differ
    pixels = (pixels * [1.0, 0.5, 0.2]).astype(np.uint8)
    scores = 3.5 - 0.2 * np.abs(np.diff(pixels.astype(float), axis=2)).mean(axis=(1, 2)) @ [0.6, 0.3, 0.1]
    detector = load_detector(Path("detectors/f"))
    expected = scores - 1.5 if threshold is None else threshold - scores
    assert_allclose(detector.margins(pixels), expected, atol=2e-5)
    assert detector.capabilities == {Capability.PREDICTIONS}


@pytest.mark.parametrize(
    "function, given, sentence",
    [
        ("broken", ["--size", "48"], "fails with KeyError"),
        ("missing", ["--size", "48"], "correct missing and its file"),
        ("p_fake", [], "say it with --size"),
        ("score", ["--size", "48"], "--outputs logits"),
        ("score", ["--size", "48", "--threshold", "1"], "say it with --outputs"),
        ("p_fake", ["--size", "48", "--mean", "0.5"], "leave out --mean"),
    ],
)
def test_a_function_that_cannot_be_used_is_refused(functions, function, given, sentence, capsys):
    source = f"function:{functions}:{function}"
    assert detectors.main(["add", "f", source, "--run-code", *given, "--out", "."]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
