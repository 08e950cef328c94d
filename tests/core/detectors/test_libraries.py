"""Networks of timm and torchvision by name: the same logits as through these libraries' own transforms."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import timm
import timm.data
import torch
import torchvision
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from core.commands import detectors
from core.detectors.adding import add, build_from
from core.detectors.libraries import adapt_stem, timm_preprocessing, torchvision_preprocessing
from core.detectors.registry import Request, SourceError, find_kind
from core.detectors.resnet import build_network
from core.detectors.storage import load_detector
from tests.core.detectors.made import SAID, expected_of, given_by, spread

SQUEEZENET = "squeezenet1_1"


def request_of(folder, network, name, **said):
    """A request with the weights of a network of this name."""
    save_file(network.state_dict(), folder / "w.safetensors")
    return Request(f"timm:{name}", weights=folder / "w.safetensors", classes=("fake", "real"), **said)


def added_as_suggested(folder, request, capsys):
    """Add without preprocessing, which is refused, and again with the options that the error shows."""
    words = ["add", "d", request.source, "--weights", str(request.weights), "--classes", ",".join(request.classes)]
    words += ["--fake-classes", ",".join(request.fake or request.classes[:1]), "--out", str(folder)]
    assert detectors.main(words) == 2
    said = capsys.readouterr().err
    assert "does not say everything; say it with --size, --crop, --interpolation, --mean, --std;" in said
    for option, start in (("--weights", 3), ("--classes", 5)):
        assert detectors.main(words[:start] + words[start + 2 :]) == 2
        # only what has not been said
        assert capsys.readouterr().err.endswith(f"say it with {option}\n")
    assert detectors.main([*words, *said.partition("go with ")[2].split()]) == 0
    return load_detector(folder / "detectors" / "d")


@pytest.mark.parametrize(
    "name, layer",
    [("test_vit", "blocks.5.norm1.places"), ("test_convnext", "norm_pre"), ("test_resnet", "layer4")],
)
def test_it_gives_the_logits_of_timms_own_pipeline(tmp_path, name, layer, capsys):
    network = spread(timm.create_model(name, num_classes=2))
    detector = added_as_suggested(tmp_path, request_of(tmp_path, network, name), capsys)
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=network))
    expected = expected_of(lambda image: network(transform(image)[None]))
    assert_allclose(given_by(detector), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert (detector.target_layer, detector.classes.fake) == (layer, ("fake",))


def test_it_gives_the_logits_of_torchvisions_own_pipeline(tmp_path, capsys):
    network = spread(torchvision.models.get_model(SQUEEZENET, weights=None, num_classes=3))
    weights = {"state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}}
    torch.save(weights, tmp_path / "w.pth")
    request = Request(
        f"torchvision:{SQUEEZENET}", weights=tmp_path / "w.pth", classes=("photo", "gan", "diffusion"),
        fake=("gan", "diffusion"),
    )  # fmt: skip
    detector = added_as_suggested(tmp_path, request, capsys)
    transform = torchvision.models.get_model_weights(SQUEEZENET)["DEFAULT"].transforms()
    expected = expected_of(lambda image: network(transform(image)[None]))
    assert_allclose(given_by(detector), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert detector.preprocessing.resize == 256
    assert detector.layers[detector.target_layer] == (13, 13)


def test_wrong_names_and_what_is_missing_are_sentences(tmp_path, monkeypatch):
    network = spread(timm.create_model("test_resnet", num_classes=2))
    request = request_of(tmp_path, network, "test_resnet", preprocess={"size": 160, **SAID})
    for source in ("timm:nothing", "timm:hf-hub:some/model", "timm:local-dir:/tmp", "torchvision:fcos_resnet50_fpn"):
        with pytest.raises(SourceError, match="has no .*network"):
            build_from(replace(request, source=source))
    for source in ("timm:test_resnet", f"torchvision:{SQUEEZENET}"):
        with pytest.raises(SourceError, match="say it with --weights and --classes$"):
            build_from(Request(source))
    path = tmp_path / "detectors" / "d"
    add(path, request)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SourceError, match="timm:test_resnet needs the package timm: pip install timm"):
        build_from(request)
    with pytest.raises(ValueError, match=r"d cannot be opened: timm:test_resnet needs the package timm"):
        load_detector(path)


def test_a_resnet_18_gets_the_papers_stem():
    adapted, ours = adapt_stem(torchvision.models.resnet18(num_classes=2), 32), build_network(64)
    adapted.load_state_dict(ours.state_dict())
    batch = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(adapted.eval()(batch), ours.eval()(batch), atol=1e-5)
    for side in (0, "32"):
        with pytest.raises(ValueError, match="its images have a side of"):
            adapt_stem(build_network(4), side)


@pytest.mark.parametrize(
    "name, size, built",
    [("test_vit", 192, 192), ("test_vit", 160, None), ("test_vit", None, None), ("test_resnet", 192, None)],
)
def test_a_network_of_one_size_is_built_for_the_size_that_is_asked_for(tmp_path, name, size, built):
    options = {"img_size": size} if built else {}
    request = request_of(tmp_path, timm.create_model(name, num_classes=2, **options), name)
    if size is not None:
        request = replace(request, preprocess={"size": size})
    brought = find_kind("timm").read(request)
    assert brought.config == {"name": name, "outputs": 2, "size": built}
    assert brought.usual["size"] == (size or 160)
    assert brought.network(torch.zeros(1, 3, size or 160, size or 160)).shape == (1, 2)


@pytest.mark.parametrize(
    "pretrained, size, expected",
    [
        ({}, 100, {}),
        ({"input_size": (3, 64, 64), "crop_pct": 0.875}, None, {"size": 64, "resize": 73, "crop": "after"}),
        ({"input_size": (3, 64, 64), "crop_pct": 0.875}, 128, {"size": 128, "resize": 146, "crop": "after"}),
        ({"input_size": (3, 64, 64), "crop_mode": "squash"}, None, {"size": 64}),
        ({"input_size": (3, 64, 48), "mean": (1, 2, 3), "std": (4, 5, 6), "interpolation": "box"}, None,
         {"interpolation": "box", "mean": "1,2,3", "std": "4,5,6"}),
    ],
)  # fmt: skip
def test_what_timm_states_becomes_our_steps(pretrained, size, expected):
    assert timm_preprocessing(pretrained, size) == expected


def test_what_all_weights_of_torchvisions_agree_on_is_taken():
    found = torchvision_preprocessing("resnet50")
    # of its two, one resizes to 256 and one to 232
    mean_and_std = {"mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225"}
    assert found == {"size": 224, "crop": "after", "interpolation": "bilinear", **mean_and_std}


@pytest.mark.parametrize("kind, name", [("torchvision", "resnet18"), ("timm", "test_resnet")])
def test_a_stem_is_adapted_only_where_settings_say_so(kind, name):
    config = {"name": name, "outputs": 2, "size": None}
    first = {
        stem: next(
            layer for layer in find_kind(kind).build(config | more).modules() if isinstance(layer, torch.nn.Conv2d)
        )
        for stem, more in ((0, {}), (32, {"stem": 32}))
    }
    assert (first[0].stride, first[32].stride, first[32].kernel_size) == ((2, 2), (1, 1), (3, 3))
