"""Networks of timm, torchvision and transformers: the same logits as through these libraries' own transforms."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import timm.data
import torch
import torchvision
import transformers
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from core.commands import detectors
from core.detectors.adding import add, build_from
from core.detectors.libraries import (
    TRANSFORMERS,
    adapt_stem,
    build_transformer,
    preprocess_of,
    timm_preprocessing,
    torchvision_preprocessing,
)
from core.detectors.registry import Request, SourceError, find_kind
from core.detectors.resnet import build_network
from core.detectors.storage import load_detector
from tests.core.detectors.made import SAID, expected_of, given_by, spread


def request_of(folder, network, source, **said):
    """A request with the weights of a network of this name."""
    save_file(network.state_dict(), folder / "w.safetensors")
    return Request(source, weights=folder / "w.safetensors", classes=("fake", "real"), **said)


def made_by(source):
    """A random network of this name, and its library's own transform."""
    library, _, name = source.partition(":")
    if library == "timm":
        network = timm.create_model(name, num_classes=2)
        return spread(network), timm.data.create_transform(**timm.data.resolve_data_config({}, model=network))
    network = torchvision.models.get_model(name, weights=None, num_classes=2)
    return spread(network), torchvision.models.get_model_weights(name)["DEFAULT"].transforms()


@pytest.mark.parametrize(
    "source, layer",
    [
        ("timm:test_vit", "blocks.5.norm1.places"),
        ("timm:test_convnext", "norm_pre"),
        ("timm:test_resnet", "layer4"),
        ("torchvision:squeezenet1_1", "classifier.2"),
    ],
)
def test_it_gives_the_logits_of_the_librarys_own_pipeline_with_the_options_that_are_suggested(
    tmp_path, source, layer, capsys
):
    network, transform = made_by(source)
    request = request_of(tmp_path, network, source)
    words = ["add", "d", source, "--weights", str(request.weights), "--classes", "fake,real", "--out", str(tmp_path)]
    assert detectors.main(words) == 2
    said = capsys.readouterr().err
    assert "does not say everything; say it with --size, --crop, --interpolation, --mean, --std;" in said
    assert detectors.main([*words, *said.partition("go with ")[2].split()]) == 0
    detector = load_detector(tmp_path / "detectors" / "d")
    expected = expected_of(lambda image: network(transform(image)[None]))
    assert_allclose(given_by(detector), expected, rtol=1e-4, atol=1e-5)
    assert np.ptp(expected) > 0.01
    assert (detector.target_layer, detector.classes.fake) == (layer, ("fake",))


def test_wrong_names_and_what_is_missing_are_sentences(tmp_path, monkeypatch):
    network, _ = made_by("timm:test_resnet")
    request = request_of(tmp_path, network, "timm:test_resnet", preprocess={"size": 160, **SAID})
    for source in ("timm:nothing", "timm:hf-hub:some/model", "timm:local-dir:/tmp", "torchvision:fcos_resnet50_fpn"):
        with pytest.raises(SourceError, match="has no .*network"):
            build_from(replace(request, source=source))
    missing = {"--weights": {"weights": None}, "--classes": {"classes": None}}
    # only what has not been said
    for option, changes in missing.items():
        with pytest.raises(SourceError, match=f"say it with {option}$"):
            build_from(replace(request, **changes))
    path = tmp_path / "detectors" / "d"
    add(path, request)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SourceError, match="timm:test_resnet needs the package timm: pip install timm"):
        build_from(request)
    with pytest.raises(ValueError, match=r"d cannot be opened: timm:test_resnet needs the package timm"):
        load_detector(path)


def test_a_resnet_18_gets_the_papers_stem_where_settings_say_so():
    adapted = find_kind("torchvision").build({"name": "resnet18", "outputs": 2, "stem": 32})
    ours = build_network(64, seed=0)
    adapted.load_state_dict(ours.state_dict())
    batch = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.allclose(adapted.eval()(batch), ours.eval()(batch), atol=1e-5)
    timms = find_kind("timm").build({"name": "test_resnet", "outputs": 2, "size": None, "stem": 32})
    assert (timms.conv1[0].stride, timms.conv1[0].kernel_size) == ((1, 1), (3, 3))
    for side in (0, "32"):
        with pytest.raises(ValueError, match="its images have a side of"):
            adapt_stem(build_network(4, seed=0), side)


@pytest.mark.parametrize(
    "name, size, built",
    [("test_vit", 192, 192), ("test_vit", 160, None), ("test_vit", None, None), ("test_resnet", 192, None)],
)
def test_a_network_of_one_size_is_built_for_the_size_that_is_asked_for(tmp_path, name, size, built):
    options = {"img_size": size} if built else {}
    request = request_of(tmp_path, timm.create_model(name, num_classes=2, **options), f"timm:{name}")
    if size is not None:
        request = replace(request, preprocess={"size": size})
    brought = find_kind("timm").read(request)
    assert brought.config == {"name": name, "outputs": 2, "size": built}
    assert brought.usual["size"] == (size or 160)
    assert brought.network(torch.zeros(1, 3, size or 160, size or 160)).shape == (1, 2)


def test_a_crop_of_timms_that_cannot_be_expressed_is_not_suggested():
    stated = {"input_size": (3, 64, 64), "mean": (1, 2, 3), "std": (4, 5, 6), "crop_mode": "squash"}
    usual = timm_preprocessing(SimpleNamespace(pretrained_cfg=stated), None)
    assert usual == {"size": 64, "interpolation": "bicubic", "mean": "1,2,3", "std": "4,5,6"}


def test_what_all_weights_of_torchvisions_agree_on_is_taken():
    found = torchvision_preprocessing("resnet50")
    # of its two, one resizes to 256 and one to 232
    mean_and_std = {"mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225"}
    assert found == {"size": 224, "crop": "after", "interpolation": "bilinear", **mean_and_std}


SQUARE = {"height": 64, "width": 64}
NAMES = {"id2label": {0: "Fake", 1: "Real"}, "label2id": {"Fake": 0, "Real": 1}}


def write_vit(folder, **names):
    """A small vision transformer with its processor."""
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
        **(names or NAMES),
    )  # fmt: skip
    model = spread(transformers.ViTForImageClassification(config))
    model.save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return model


def test_it_gives_the_logits_of_transformers_own_pipeline(tmp_path):
    model = write_vit(tmp_path / "folder")
    config = json.loads((tmp_path / "folder" / "config.json").read_text())
    (tmp_path / "folder" / "config.json").write_text(json.dumps({**config, "_name_or_path": "/home/somebody"}))
    detector = add(tmp_path / "detectors" / "d", Request(str(tmp_path / "folder")))
    for backend, off in (("pil", 1e-5), ("torchvision", 0.05)):
        # its other backend resizes to pixels that differ by a grey level here and there
        processor = transformers.AutoImageProcessor.from_pretrained(tmp_path / "folder", backend=backend)

        def pipeline(image, processor=processor):
            return model(**processor(images=image, return_tensors="pt")).logits

        expected = expected_of(pipeline)
        np.testing.assert_allclose(given_by(detector), expected, atol=off)
        assert np.ptp(expected) > 0.1
    assert detector.target_layer == "model.vit.layers.1.layernorm_before.places"
    assert (detector.classes.names, detector.classes.fake) == (("Fake", "Real"), ("Fake",))
    manifest = (tmp_path / "detectors" / "d" / "manifest.json").read_text()
    assert "transformers" in manifest
    assert "somebody" not in manifest


def test_a_folder_that_lacks_something_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    for text in (None, "{", "[1, 2]", "3"):
        if text:
            (folder / "config.json").write_text(text)
        with pytest.raises(SourceError, match=r"config\.json is missing or holds no settings"):
            build_from(Request(str(folder)))
    write_vit(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(SourceError, match="do not fit its config.json .missing keys"):
        build_from(Request(str(folder)))
    (folder / "config.json").write_text(json.dumps(config))
    add(tmp_path / "d", Request(str(folder)))
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"cannot be read by transformers \(.*safetensors"):
        build_from(Request(str(folder)))

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SourceError, match="needs the package transformers: pip install transformers"):
        build_from(Request(str(folder)))
    with pytest.raises(ValueError, match="d cannot be opened: .* needs the package transformers"):
        load_detector(tmp_path / "d")


@pytest.mark.parametrize(
    "said",
    [
        {"a": {"architecture": "a/b"}},
        {"a": [3, {"architecture": "hf-hub:name"}]},
        {"architecture": "resnet18", "model_args": {"checkpoint_path": "/x/weights.bin"}},
    ],
)
def test_a_network_that_timm_would_read_from_elsewhere_is_refused(tmp_path, said):
    config = {"model_type": "timm_wrapper", **said}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for read, given in ((TRANSFORMERS.read, Request(str(tmp_path))), (build_transformer, {"config": config})):
        with pytest.raises(SourceError, match=r"its config\.json names a hub, a folder or a file elsewhere"):
            read(given)


@pytest.mark.parametrize(
    "processor, expected",
    [
        (transformers.ViTImageProcessor(size=SQUARE), {"crop": "none", "size": 64, "resize": 64, "mean": (0.5,) * 3}),
        (transformers.CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=56),
         {"crop": "after_floor", "size": 56, "resize": 64}),
        (transformers.ConvNextImageProcessor(size={"shortest_edge": 384}, crop_pct=0.875),
         {"crop": "none", "size": 384, "resize": 384}),
        (transformers.ViTImageProcessor(size=SQUARE, do_rescale=False, do_normalize=False, resample=3),
         {"size": 64, "mean": (0, 0, 0), "std": (1 / 255,) * 3, "interpolation": "bicubic"}),
        (transformers.ViTImageProcessor(
            size=SQUARE, rescale_factor=1 / 127.5, image_mean=[1, 2, 3], image_std=[4, 5, 6]
         ), {"mean": (0.5, 1, 1.5), "std": (2, 2.5, 3), "interpolation": "bilinear"}),
        # what cannot be expressed is asked for
        (transformers.LevitImageProcessor(size={"shortest_edge": 64}), {}),
    ],
)  # fmt: skip
def test_ways_to_make_a_square(tmp_path, processor, expected):
    processor.save_pretrained(tmp_path)
    said = preprocess_of(tmp_path)
    assert said.items() >= expected.items()
    assert bool(said.get("size")) == bool(expected)


def test_a_processor_that_swaps_colours_is_refused_and_one_that_states_nothing_is_asked_for(tmp_path):
    processor = transformers.MobileViTImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    with pytest.raises(SourceError):
        preprocess_of(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert preprocess_of(tmp_path) == {}


def test_names_of_classes_are_in_the_order_of_their_numbers_or_as_timm_lists_them(tmp_path):
    write_vit(tmp_path, id2label={number: f"class {number}" for number in range(11)})
    file = tmp_path / "config.json"
    settings = json.loads(file.read_text())
    backwards = dict(reversed(settings["id2label"].items()))
    listed = [f"listed {number}" for number in range(11)]
    for names, expected in (
        ({"id2label": backwards}, tuple(f"class {number}" for number in range(11))),
        ({"id2label": None, "label_names": listed, "num_labels": 11}, tuple(listed)),
    ):
        file.write_text(json.dumps(settings | names))
        brought = TRANSFORMERS.read(Request(str(tmp_path)))
        assert brought.classes == expected
    assert brought.config["config"]["transformers_version"] == transformers.__version__
    (tmp_path / "preprocessor_config.json").unlink()
    assert TRANSFORMERS.read(Request(str(tmp_path))).preprocess == {}
