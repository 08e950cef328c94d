import json
from pathlib import Path
from typing import Any

import pytest

from core.detectors.manifest import About, Capability, Classes, describe
from core.detectors.storage import load_detector, save_detector
from core.images.preprocessing import Preprocessing
from core.storage import MANIFEST, ContractError, sealed
from tests.conftest import make_detector

OLD = {
    "arch": "resnet18-cifar",
    "width": 2,
    "normalisation": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    "temperature": 1.5,
}


def test_an_old_manifest_is_the_papers_network_at_32_pixels() -> None:
    found = describe(Path("d"), OLD)
    assert (found.kind, found.config, found.classes) == ("resnet", {"width": 2}, Classes(("FAKE", "REAL"), ("FAKE",)))
    assert found.preprocessing == Preprocessing(32, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    assert (found.target_layer, found.temperature, found.side) == ("layer4", 1.5, 32)
    assert found.layers["layer4"] == (4, 4)
    assert found.capabilities == set(Capability)


def test_a_detector_with_an_old_manifest_says_the_same(tmp_path: Path) -> None:
    detector = make_detector(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), temperature=1.5)
    save_detector(tmp_path / "d", detector, model_card="")
    new = describe(tmp_path / "d", json.loads((tmp_path / "d" / MANIFEST).read_text()))
    assert new == describe(tmp_path / "d", OLD)
    manifest = json.loads((tmp_path / "d" / MANIFEST).read_text())
    for key in new.as_manifest():
        del manifest[key]
    (tmp_path / "d" / MANIFEST).write_text(json.dumps(sealed(manifest | OLD)))
    old = load_detector(tmp_path / "d")
    assert (old.sha256, old.temperature, old.preprocessing) == (
        detector.sha256,
        detector.temperature,
        detector.preprocessing,
    )


def test_what_is_written_is_read() -> None:
    about = About(
        "plain",
        {"width": 3},
        Preprocessing(48, interpolation="box"),
        Classes(("it",), ()),
        "third",
        2.0,
        {"third": (8, 6)},
        frozenset({Capability.PREDICTIONS, Capability.LAYERS}),
    )
    assert describe(Path("d"), json.loads(json.dumps(about.as_manifest()))) == about


@pytest.mark.parametrize(
    "changes",
    [
        {"width": None, "arch": "vgg"},
        {"normalisation": {"mean": [0, 0], "std": [1, 1]}},
        {"normalisation": None},
        {"temperature": 0},
        {"temperature": "hot"},
    ],
)
def test_an_old_manifest_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ContractError, match=r"d/manifest\.json .*; restore it"):
        describe(Path("d"), OLD | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": None},
        {"architecture": {"width": 8}},
        {"architecture": {"kind": ["resnet"]}},
        {"preprocess": None},
        {"preprocess": {"size": 10**9}},
        {"classes": "FAKE"},
        {"classes": ["FAKE", 3]},
        {"fake": ["NONE"]},
        {"target_layer": "layer9"},
        {"target_layer": None},
        {"layers": {"layer4": [4]}},
        {"layers": {"layer4": [4, 10**9]}},
        {"layers": []},
        {"capabilities": ["flying"]},
        {"capabilities": 3},
        {"temperature": float("inf")},
    ],
)
def test_a_manifest_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    said = describe(Path("d"), OLD).as_manifest()
    with pytest.raises(ContractError, match=r"d/manifest\.json .*; restore it"):
        describe(Path("d"), said | changes)


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        ({"kind": "oracle"}, "there is no kind of detector 'oracle'"),
        ({"kind": "resnet"}, "width must be from 1 to 1024, not None"),
        ({"kind": "resnet", "width": 10**6}, "width must be from 1 to 1024"),
        ({"kind": "resnet", "width": True}, "width must be from 1 to 1024"),
        ({"kind": "torchvision", "name": "resnet18", "outputs": None}, "d cannot be opened: "),
        ({"kind": "transformers", "config": 5}, "describes no detector that is known here"),
    ],
)
def test_a_kind_that_cannot_be_built_is_refused(tmp_path: Path, architecture: dict[str, Any], sentence: str) -> None:
    save_detector(tmp_path / "d", make_detector(), model_card="")
    manifest = json.loads((tmp_path / "d" / MANIFEST).read_text()) | {"architecture": architecture}
    (tmp_path / "d" / MANIFEST).write_text(json.dumps(sealed(manifest)))
    with pytest.raises(ContractError, match=sentence):
        load_detector(tmp_path / "d")


def test_the_papers_network_with_its_classes_the_other_way_round_turns_every_margin() -> None:
    from tests.conftest import textured

    images = textured(5, fine=True, seed=1)
    plain = make_detector()
    turned = make_detector(classes=Classes(("photo", "generated"), ("generated",)))
    for one, other in zip(plain.full_pass(images)[1:], turned.full_pass(images)[1:], strict=True):
        assert one.shape == other.shape
    assert (turned.margins(images) == -plain.margins(images)).all()
    assert (turned.full_pass(images).maps == -plain.full_pass(images).maps).all()
    assert turned.bias == -plain.bias
