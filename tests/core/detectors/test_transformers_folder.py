"""Folders of transformers: the same logits as through its own processor and model."""

import json
import sys

import numpy as np
import pytest
import transformers

from core.detectors.adding import add, build_from
from core.detectors.libraries import TRANSFORMERS, build_transformer, preprocess_of
from core.detectors.registry import Request, SourceError
from core.detectors.storage import load_detector
from tests.core.detectors.made import expected_of, given_by, spread

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
    with pytest.raises(SourceError, match=r"has no \.safetensors"):
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
        (transformers.ViTImageProcessor(do_resize=False), {}),
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
    assert brought.outputs == "logits"
    assert brought.preprocess["size"] == 32
    assert brought.config["config"]["transformers_version"] == transformers.__version__
    (tmp_path / "preprocessor_config.json").unlink()
    assert TRANSFORMERS.read(Request(str(tmp_path))).preprocess == {}


@pytest.mark.parametrize("text", ["{", "[1, 2]", "3", '"a"'])
def test_a_configuration_that_holds_no_settings_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(SourceError):
        TRANSFORMERS.read(Request(str(tmp_path)))
