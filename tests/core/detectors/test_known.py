"""Detectors that are known by name: what the data file says can be built, and a local server plays their hosts."""

import hashlib
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from core.commands import detectors, predict
from core.detectors import checks, known
from core.detectors.adding import add, fetch
from core.detectors.checks import CLOSE, check_accuracy
from core.detectors.detector import Detector
from core.detectors.known import Alarms, Known, caution_of, known_detectors, known_rows
from core.detectors.layers import build
from core.detectors.manifest import Classes
from core.detectors.registry import SourceError, load_weights
from core.detectors.storage import load_detector
from core.images.image_set import DatasetError
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.storage.atomic import cache_dir, only_writer
from core.storage.limits import sha256_of
from tests.conftest import noise
from tests.core.detectors.made import SAID, make_graph
from tests.core.images.github import Server


def test_a_list_has_a_row_of_each_known_detector():
    rows = known_rows()
    assert [row["name"] for row in rows] == list(known_detectors())
    for row in rows:
        assert row["command"].endswith(f" detectors add {row['name']}")
        assert bool(row["false alarms"]) == bool(caution_of({"known": row["name"]}))


@pytest.mark.parametrize("name", known_detectors())
def test_an_entry_is_pinned_and_its_network_takes_its_images(name):
    entry = known_detectors()[name]
    assert re.search(r"/[0-9a-f]{40}/", entry.address) or re.fullmatch(r"\w+==[\d.]+", entry.wheel)
    if entry.layers is not None:
        preprocessing = Preprocessing.of({"resize": entry.preprocess["size"], **entry.preprocess})
        network = build({"layers": entry.layers})
        weights = {name: torch.full(tensor.shape, 0.1) for name, tensor in network.state_dict().items()}
        load_weights(network, weights, Path("w"))
        detector = Detector(network, preprocessing, Classes(entry.classes, entry.fake))
        pixels = noise(2, detector.side, detector.side)
        assert np.isfinite(detector.margins(pixels)).all()
        assert detector.target_layer


@pytest.fixture
def publish(cifake, monkeypatch):
    """A function that serves such a network's weights on this machine, known as "theirs"; the set is that of tests."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 1))
    network = nn.Sequential(*layers)
    nn.init.normal_(network[0].weight, std=3)
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    monkeypatch.setattr(checks, "SHIPPED", str(cifake))
    images = load_image_set(cifake, "test")
    with torch.no_grad():
        scores = network(torch.from_numpy(np.array(images.pixels)).permute(0, 3, 1, 2) / 127.5 - 1).numpy()[:, 0]

    def start(address, **changes):
        fields = {
            "title": "Theirs", "page": "p", "address": address, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest(),
            "bytes": len(buffer.getvalue()), "licence": "none whatever", "classes": ("REAL",), "fake": (),
            "accuracy": float(((scores > 0) == images.labels).mean()),
            "preprocess": {**SAID, "size": 32, "crop": "none", "mean": [0.5] * 3, "std": [0.5] * 3},
            "layers": [["conv", 3, 4, 3, 1, 1], ["relu"], ["mean", 1], ["flatten"], ["linear", 4, 1]],
        }  # fmt: skip
        monkeypatch.setattr(known, "known_detectors", lambda: {"theirs": Known(**fields | changes)})

    start.body, start.margins, start.pixels = buffer.getvalue(), scores, images.pixels
    return start


def test_it_is_fetched_once_and_gives_what_its_authors_network_gives(publish, tmp_path, capsys):
    server = Server(publish.body, cut=1000)
    command = ["add", "theirs", "--out", str(tmp_path)]
    with server.running() as address:
        publish(address)
        assert detectors.main(command) == 2
        said = capsys.readouterr().err
        assert "Licence: none whatever" in said.partition("broke off")[0]
        server.cut = None
        file = cache_dir() / "detectors" / f"{hashlib.sha256(publish.body).hexdigest()}.pth"
        with only_writer(file):
            assert detectors.main(command) == 2
            assert "is being written by another process" in capsys.readouterr().err
        assert server.requests == 1
        assert detectors.main(command) == 0, capsys.readouterr()
        assert detectors.main([*command, "--replace"]) == 0
        assert server.requests == 2
        # what has changed since is fetched again
        file.write_bytes(publish.body[:-1] + b"x")
        assert detectors.main([*command, "--replace"]) == 0
        assert file.read_bytes() == publish.body
        assert server.requests == 3
    detector = load_detector(tmp_path / "detectors" / "theirs")
    assert_allclose(detector.margins(np.asarray(publish.pixels)), publish.margins, atol=1e-4)
    assert "of its test images, known: " in (tmp_path / "detectors" / "theirs" / "README.md").read_text()


def test_false_alarms_are_said_wherever_it_answers(publish, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("core.detectors.known.false_alarms", lambda: {"theirs": {"as it is": Alarms(4, 3)}})
    changes = {"accuracy": None, "threshold": 0.25}
    publish("http://127.0.0.1:9/theirs.pth", **changes)
    with pytest.raises(DatasetError, match=r"127.0.0.1.* cannot be reached .*; try again, or download p yourself"):
        fetch("theirs")
    arrived = []
    path = tmp_path / "detectors" / "theirs"
    with Server(publish.body).running() as address:
        publish(address, **changes)
        add(path, fetch("theirs", progress=lambda *numbers: arrived.append(numbers)), known="theirs")
    assert arrived[-1] == (len(publish.body), len(publish.body))
    assert_allclose(load_detector(path).margins(np.asarray(publish.pixels)), publish.margins - 0.25, atol=1e-4)
    # with the detector, with each of its runs, and in the list
    assert predict.main([str(path), "--data", checks.SHIPPED, "--out", str(tmp_path)]) == 0
    assert detectors.main(["list", "--known"]) == 0
    printed = capsys.readouterr().out
    assert caution_of({"known": "theirs"}) in (path / "README.md").read_text()
    assert caution_of({"known": "theirs"}) in printed
    assert printed.count("3 of 4") == 2


def test_a_wheel_comes_by_its_name_version_and_hash(publish, tmp_path, monkeypatch):
    index, encoder = tmp_path / "index", make_graph(outputs=4, side=24)
    index.mkdir()
    files = {"theirs/e.onnx": encoder, "theirs/head.json": b'{"weights": [1, 2, -3, 4], "bias": 0.5}',
             "theirs-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n",
             "theirs-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: any\n"}  # fmt: skip
    with zipfile.ZipFile(index / "theirs-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    settings = {"wheel": "theirs==1.0", "layers": None, "encoder": "theirs/e.onnx", "head": "theirs/head.json"}
    publish("", sha256=sha256_of(index / "theirs-1.0-py3-none-any.whl"), **settings)
    made = Path(fetch("theirs").source)
    # made again from what is hashed
    made.write_bytes(b"x")
    fetch("theirs")
    images = np.random.default_rng(0).normal(0, 1, (5, 3, 24, 24)).astype(np.float32)
    embedding, score = (
        onnxruntime.InferenceSession(model).run(None, {"x": images})[0] for model in (encoder, made.read_bytes())
    )
    expected = embedding / np.linalg.norm(embedding, axis=1, keepdims=True) @ [1, 2, -3, 4] + 0.5
    assert_allclose(score[:, 0], expected, rtol=1e-5)
    publish("", sha256="0" * 64, **settings)
    with pytest.raises(DatasetError, match=r"pip cannot download theirs==1.0 \(.+\); see"):
        fetch("theirs")


def test_what_is_not_the_known_detector_is_not_kept(publish):
    with Server(publish.body).running() as address:
        publish(address, sha256="0" * 64)
        with pytest.raises(DatasetError, match="127.0.0.1 sent another file than the one known as theirs"):
            fetch("theirs")
        publish(address, bytes=1000)
        with pytest.raises(DatasetError, match="sends far more than was expected"):
            fetch("theirs")
    assert not list(cache_dir().glob("detectors/*.pth"))


def test_a_known_accuracy_is_measured_on_every_image(publish):
    publish("")
    images = load_image_set(checks.SHIPPED, "test")
    network = nn.Sequential(nn.Conv2d(3, 1, 32), nn.Flatten())
    detector = Detector(network, Preprocessing(32), Classes(("REAL",), ()))
    accuracy = float(((detector.margins(np.asarray(images.pixels)) > 0) == images.labels).mean())
    for near in (0.9 * CLOSE, -0.9 * CLOSE):
        assert f"{accuracy:.5g}" in check_accuracy(detector, accuracy + near)
    for far in (1.5 * CLOSE, -1.5 * CLOSE):
        with pytest.raises(SourceError, match="known to be on"):
            check_accuracy(detector, accuracy + far)
    with pytest.raises(ValueError, match="no detector is known as 'nothing': .* theirs"):
        fetch("nothing")
