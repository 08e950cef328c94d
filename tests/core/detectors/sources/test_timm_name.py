"""timm's names: the same logits as through timm's own transform."""

import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import timm.data
from safetensors.torch import save_file
from torch import nn

from core.detectors.adding import add, build_from
from core.detectors.registry import Request, SourceError
from core.detectors.storage import load_detector
from tests.core.detectors.sources.made import expected_of, given_by, spread


def request_of(folder: Path, network: nn.Module, name: str, **said: object) -> Request:
    """A request with the weights of a network of this name."""
    save_file(network.state_dict(), folder / "w.safetensors")
    return Request(f"timm:{name}", weights=folder / "w.safetensors", classes=("fake", "real"), **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "layer"),
    [("test_vit", "blocks.5.norm1.places"), ("test_convnext", "norm_pre"), ("test_resnet", "layer4")],
)
def test_it_gives_the_logits_of_timms_own_pipeline(tmp_path: Path, name: str, layer: str) -> None:
    network = spread(timm.create_model(name, num_classes=2))
    detector = add(tmp_path / "detectors" / "d", request_of(tmp_path, network, name))
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=network))
    expected = expected_of(lambda image: network(transform(image)[None]))
    np.testing.assert_allclose(given_by(detector), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert detector.target_layer == layer
    assert detector.classes.fake == ("fake",)


def test_a_vision_transformer_is_built_for_the_size_that_is_asked_for(tmp_path: Path) -> None:
    network = timm.create_model("test_vit", num_classes=2, img_size=64)
    detector = build_from(request_of(tmp_path, network, "test_vit", preprocess={"size": 64}))
    assert detector.side == 64
    assert list(detector.layers.values()) == [(4, 4)]


def test_wrong_names_and_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_of(tmp_path, spread(timm.create_model("test_resnet", num_classes=2)), "test_resnet")
    for name in ("nothing", "hf-hub:some/model", "local-dir:/tmp"):
        with pytest.raises(SourceError, match="has no network"):
            build_from(Request(f"timm:{name}", weights=request.weights, classes=("a", "b")))
    with pytest.raises(SourceError, match="say it with --weights, --classes$"):
        build_from(Request("timm:test_resnet"))
    with pytest.raises(SourceError, match="size mismatch"):
        build_from(Request("timm:test_resnet", weights=request.weights, classes=("a", "b", "c")))
    path = tmp_path / "detectors" / "d"
    add(path, request)

    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SourceError, match="timm:test_resnet needs the package timm: pip install timm"):
        build_from(request)
    with pytest.raises(ValueError, match=r"d cannot be opened: timm:test_resnet needs the package timm"):
        load_detector(path)
