"""ONNX files: the same answers as from onnxruntime itself, for every form of input and output."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.testing import assert_allclose

from core.detectors.adding import add, build_from
from core.detectors.identity import identify
from core.detectors.manifest import Capability
from core.detectors.registry import Request, SourceError
from tests.core.detectors.made import SAID, make_graph, odd_pictures


def request_of(folder, data, **said):
    """A request for a file with these bytes."""
    (folder / "graph.onnx").write_bytes(data)
    said = {"classes": ("REAL",), "outputs": "logits", "preprocess": SAID} | said
    return Request(str(folder / "graph.onnx"), **said)


def fitted(detector):
    """The pictures as the detector takes them."""
    return np.stack([detector.preprocessing.fit(image) for image in odd_pictures()])


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("batch", ["n", 3])
def test_it_gives_the_logits_of_onnxruntime(tmp_path, last, batch):
    data = make_graph(batch=batch, last=last)
    detector = add(tmp_path / "d", request_of(tmp_path, data))
    assert detector.side == 48
    pixels = fitted(detector)
    values = detector.inputs(pixels).numpy()
    if last:
        values = np.ascontiguousarray(values.transpose(0, 2, 3, 1))
    (expected,) = onnxruntime.InferenceSession(make_graph(last=last)).run(None, {"x": values})
    assert_allclose(detector.margins(pixels), expected[:, 0], rtol=1e-4, atol=1e-4)
    assert (tmp_path / "d" / "model.onnx").read_bytes() == data
    assert not (tmp_path / "d" / "weights.safetensors").exists()


def test_what_is_stored_has_predictions_only(tmp_path):
    detector = add(tmp_path / "d", request_of(tmp_path, make_graph(side="s"), preprocess={**SAID, "size": 40}))
    assert (detector.capabilities, detector.layers, detector.levels) == ({Capability.PREDICTIONS}, {}, ())
    assert identify(tmp_path / "d").identity == detector.identity


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "cannot compute it"),
        (make_graph(operator="Riddle"), r"cannot compute it \(.*Riddle.*\); export it"),
        (make_graph(extra=True), "has the outputs y, flat; give one of them as --output-name"),
    ],
)
def test_a_file_that_cannot_be_computed_is_named(tmp_path, data, sentence):
    with pytest.raises(SourceError, match=sentence) as raised:
        build_from(request_of(tmp_path, data))
    assert "graph.onnx" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_weights_in_another_file_are_refused_wherever_that_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole = onnx.load_from_string(make_graph())
    onnx.save_model(whole, "graph.onnx", save_as_external_data=True, location="graph.onnx.data", size_threshold=0)
    assert (tmp_path / "graph.onnx.data").stat().st_size
    with pytest.raises(SourceError, match="graph.onnx cannot be used.*export it as one file"):
        build_from(request_of(tmp_path, (tmp_path / "graph.onnx").read_bytes()))
