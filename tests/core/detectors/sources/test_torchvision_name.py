"""torchvision's names: the same logits as through the transforms of its own weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from core.detectors.adding import add, build_from, complete
from core.detectors.registry import Brought, Request, SourceError
from core.detectors.sources.libraries import _build_torchvision as build
from core.detectors.sources.libraries import torchvision_preprocessing as preprocess_of
from tests.core.detectors.sources.made import expected_of, given_by, spread

NAME = "squeezenet1_1"


def test_it_gives_the_logits_of_torchvisions_own_pipeline(tmp_path: Path) -> None:
    network = spread(torchvision.models.get_model(NAME, weights=None, num_classes=3))
    torch.save(
        {"state_dict": {f"module.{name}": one for name, one in network.state_dict().items()}}, tmp_path / "w.pth"
    )
    request = Request(
        f"torchvision:{NAME}", weights=tmp_path / "w.pth", classes=("photo", "gan", "diffusion"),
        fake=("gan", "diffusion"),
    )  # fmt: skip
    detector = add(tmp_path / "detectors" / "d", request)
    transform = torchvision.models.get_model_weights(NAME)["DEFAULT"].transforms()
    expected = expected_of(lambda image: network(transform(image)[None]))
    np.testing.assert_allclose(given_by(detector), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert detector.preprocessing.resize == 256
    assert list(detector.layers[detector.target_layer]) == [13, 13]
    assert sorted(path.name for path in (tmp_path / "detectors" / "d").iterdir()) == [
        "README.md",
        "manifest.json",
        "reference.npy",
        "weights.safetensors",
    ]


def test_wrong_names_and_what_is_missing_is_said(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    for name in ("nothing", "fcos_resnet50_fpn", "../x"):
        with pytest.raises(SourceError, match="has no classification network"):
            build_from(Request(f"torchvision:{name}", weights=tmp_path / "w.pth", classes=("a", "b")))
    with pytest.raises(SourceError, match="say it with --weights, --classes$"):
        build_from(Request(f"torchvision:{NAME}"))


def test_a_network_with_a_second_classifier_is_trained_by_its_verdict() -> None:
    network = build({"name": "googlenet", "outputs": 2, "stem": 32}).train()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 2)


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_what_normalises_anew_inside_or_not_is_asked_about(tmp_path: Path, name: str) -> None:
    torch.save(build({"name": name, "outputs": 2}).state_dict(), tmp_path / "w.pth")
    with pytest.raises(SourceError, match="say it with --mean, --std$"):
        build_from(Request(f"torchvision:{name}", weights=tmp_path / "w.pth", classes=("fake", "real")))


def test_steps_on_which_the_weights_of_a_name_disagree_are_left_out() -> None:
    # resnet50 resizes to 256 for one file of weights, to 232 for the other
    said = preprocess_of("resnet50")
    assert said["resize"] is None
    assert set(said) == {"size", "resize", "mean", "std", "interpolation", "scale"}
    assert preprocess_of("resnet18")["resize"] == 256
    brought, asked = Brought(nn.Identity(), {}, said, ("REAL", "FAKE"), "logits"), {"crop": "after"}
    request = Request("torchvision:resnet50", outputs="logits", preprocess=asked)
    with pytest.raises(SourceError, match="--resize"):
        complete(brought, request)
    assert complete(brought, replace(request, preprocess={**asked, "resize": 256}))[0].resize == 256
