"""Adding a detector: what is left open is asked for, what answers nonsense is refused, what was stored is compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.detectors import __main__ as command
from core.detectors import adding
from core.detectors.adding import build_from, check, complete, kind_of
from core.detectors.identity import REFERENCE
from core.detectors.network import NetworkDetector
from core.detectors.registry import KINDS, Brought, Request, SourceError
from core.detectors.storage import load_detector
from core.images.loading import load_image_set
from core.storage import MANIFEST, ContractError, sealed
from tests.core.any_detector import write_set
from tests.core.detectors.sources.graphs import make_graph
from tests.core.detectors.sources.made import SAID, spread

OPTIONS = ["--crop", "before", "--interpolation", "bilinear", "--mean", "0.5,0.4,0.6", "--std", "0.25"]
BROUGHT = Brought(torch.nn.Identity(), {}, {"size": 32, **SAID}, ("FAKE", "REAL"), "logits")


@pytest.fixture
def graph(tmp_path: Path) -> str:
    """An ONNX file with two outputs whose answers are neither all FAKE nor all REAL."""
    (tmp_path / "graph.onnx").write_bytes(make_graph(outputs=2))
    return str(tmp_path / "graph.onnx")


def said_by(arguments: list[str], capsys: pytest.CaptureFixture[str], *, status: int = 2) -> str:
    """What the command says, on standard error where it fails."""
    assert command.main(["add", *arguments]) == status
    out, err = capsys.readouterr()
    if status:
        assert err.startswith("core.detectors: ")
        assert len(err.splitlines()) == 1
    return err if status else out


def test_the_command_writes_a_detector_and_says_what_it_found(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path)]
    said = said_by(
        ["mine", graph, *OPTIONS, "--classes", "generated,photo", "--fake-classes", "generated", "--outputs", "logits",
         "--temperature", "2", *out], capsys, status=0,
    )  # fmt: skip
    assert "Input: 48 x 48 pixels; centre cut out before resizing to 48" in said
    assert "Target layer: none: it gives predictions only" in said
    folder = tmp_path / "detectors" / "mine"
    assert said.endswith(f"Next: python -m core.predict {folder} --data DATA --out {tmp_path}\n")
    detector = load_detector(tmp_path / "detectors" / "mine")
    assert (detector.name, detector.temperature, detector.classes.fake) == ("mine", 2, ("generated",))
    assert detector.preprocessing.std == (0.25, 0.25, 0.25)
    assert len(detector.manifest["reference_margins"]) == 8
    again = ["mine", graph, *OPTIONS, "--classes", "FAKE,REAL", "--outputs", "logits", *out]
    assert "exists already" in said_by(again, capsys)
    said_by([*again, "--replace"], capsys, status=0)
    assert load_detector(tmp_path / "detectors" / "mine").classes.fake == ("FAKE",)
    assert "a detector cannot be named" in said_by(["a:b", graph, *out], capsys)
    assert "there is no folder" in said_by(["other", "nothing", *out], capsys)


def test_a_users_word_goes_before_the_sources() -> None:
    asked = Request(
        "s", classes=("a", "b"), fake=("b",), outputs="probabilities", preprocess={"size": 64, "std": [2] * 3}
    )
    preprocessing, classes = complete(BROUGHT, asked)
    assert (preprocessing.size, preprocessing.resize, preprocessing.mean) == (64, 64, (0.5, 0.4, 0.6))
    assert preprocessing.std == (2.0, 2.0, 2.0)
    assert (classes.names, classes.fake, classes.outputs) == (("a", "b"), ("b",), "probabilities")


def test_the_length_before_the_crop_belongs_to_the_size_that_the_source_was_told() -> None:
    brought = Brought(
        torch.nn.Identity(), {}, {"size": 64, "resize": 73, **SAID, "crop": "after"}, ("FAKE", "REAL"), "logits"
    )
    assert complete(brought, Request("s", preprocess={"size": 64}))[0].resize == 73
    assert complete(brought, Request("s", preprocess={"size": 32}))[0].resize == 32
    # nor is there a length where nothing is cropped
    stretched, _ = complete(brought, Request("s", preprocess={"crop": "none"}))
    assert (stretched.crop, stretched.size, stretched.resize) == ("none", 64, 64)
    with pytest.raises(ValueError, match="resize cannot be 73 with size 64 and crop 'none'"):
        complete(brought, Request("s", preprocess={"crop": "none", "resize": 73}))


@pytest.mark.parametrize("temperature", ["0", "-1", "inf", "nan"])
def test_a_temperature_that_cannot_be_takes_nobodys_place(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], temperature: str
) -> None:
    mine = ["mine", graph, *OPTIONS, "--classes", "FAKE,REAL", "--outputs", "logits", "--out", str(tmp_path)]
    said_by(mine, capsys, status=0)
    assert "temperature must be above 0" in said_by([*mine, "--replace", "--temperature", temperature], capsys)
    assert load_detector(tmp_path / "detectors" / "mine").temperature == 1


def test_a_detector_that_cannot_be_loaded_takes_nobodys_place(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ["mine", graph, *OPTIONS, "--classes", "FAKE,REAL", "--outputs", "logits", "--out", str(tmp_path)]
    said_by(mine, capsys, status=0)
    manifest = (tmp_path / "detectors" / "mine" / "manifest.json").read_bytes()

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("it answers otherwise")

    monkeypatch.setattr(adding, "load_detector", broken)
    assert "it answers otherwise" in said_by([*mine, "--replace"], capsys)
    assert (tmp_path / "detectors" / "mine" / "manifest.json").read_bytes() == manifest


def test_a_network_without_gradients_is_refused() -> None:
    class Frozen(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, stride=4), torch.nn.ReLU())
            self.head = torch.nn.Linear(8, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                features = self.body(inputs).mean(dim=(2, 3))
            return self.head(features)

    preprocessing, classes = complete(BROUGHT, Request("s"))
    detector = NetworkDetector(spread(Frozen()), preprocessing, classes)
    with pytest.raises(SourceError, match="verdicts but no gradients"):
        check(detector)


def test_a_network_whose_stem_computes_without_gradients_is_refused() -> None:
    class FrozenStem(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 8, 3, stride=2)
            self.body = torch.nn.Conv2d(8, 8, 3, stride=2)
            self.head = torch.nn.Linear(8, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                features = self.stem(inputs)
            return self.head(self.body(features).relu().mean(dim=(2, 3)))

    preprocessing, classes = complete(BROUGHT, Request("s"))
    detector = NetworkDetector(spread(FrozenStem()), preprocessing, classes)
    assert detector.target_layer == "body"
    with pytest.raises(SourceError, match="verdicts but no gradients"):
        check(detector)


def test_a_network_that_takes_only_one_picture_at_a_time_is_refused() -> None:
    class Single(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = torch.nn.Conv2d(3, 8, 3, stride=4)
            self.head = torch.nn.Linear(8, 2)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(self.body(inputs).mean(dim=(2, 3)).view(1, 8))

    preprocessing, classes = complete(BROUGHT, Request("s"))
    detector = NetworkDetector(spread(Single()), preprocessing, classes)
    with pytest.raises(SourceError, match=r"one picture but not 12 at once \(.+\); export or write it for any"):
        check(detector)


@pytest.mark.parametrize("scale", [1.0, 1 / 127.5, 1 / 255])
def test_another_scale_is_one_of_mean_and_deviation(scale: float) -> None:
    preprocessing, _ = complete(BROUGHT, Request("s", preprocess={"scale": scale}))
    values = np.arange(256)
    for channel in range(3):
        shift, width = (preprocessing.__dict__[key][channel] for key in ("mean", "std"))
        expected = (values * scale - SAID["mean"][channel]) / SAID["std"][channel]
        np.testing.assert_allclose((values / 255 - shift) / width, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("classes", "fake"),
    [(("FAKE", "REAL"), ("FAKE",)), (("Real", "Fake"), ("Fake",)), (("REAL",), ()), (("fake",), ("fake",))],
)
def test_classes_that_say_which_is_fake_need_no_more(classes: tuple[str, ...], fake: tuple[str, ...]) -> None:
    assert complete(BROUGHT, Request("s", classes=classes))[1].fake == fake


@pytest.mark.parametrize("classes", [("real", "generated"), ("LABEL_0", "LABEL_1"), ("photo",)])
def test_other_classes_are_asked_about(classes: tuple[str, ...]) -> None:
    with pytest.raises(SourceError, match="say it with --fake-classes$"):
        complete(BROUGHT, Request("s", classes=classes))


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (Request("s", preprocess={"interpolation": "magic"}), "interpolation must be one of"),
        (Request("s", preprocess={"size": 4}), "size must be 8 to 1024 pixels"),
        (Request("s", preprocess={"resize": 20}), "resize cannot be 20"),
        (Request("s", preprocess={"std": (0, 1, 1)}), "no std may be 0"),
        (Request("s", fake=("none",)), "'none' must be among the classes"),
    ],
)
def test_what_cannot_be_is_refused(request_: Request, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        complete(BROUGHT, request_)


@pytest.mark.parametrize(
    ("made", "said", "sentence"),
    [
        ({"scale": float("nan")}, {}, "not finite numbers"),
        ({"scale": 0.0}, {}, "do not depend on the picture"),
        ({"outputs": 2, "scale": 3.0}, {"outputs": "probabilities"}, "which are no probabilities"),
    ],
)
def test_answers_that_cannot_be_a_detectors_are_refused(
    tmp_path: Path, made: dict[str, Any], said: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "graph.onnx").write_bytes(make_graph(**{"outputs": 2, **made}))
    request = Request(
        str(tmp_path / "graph.onnx"), classes=("FAKE", "REAL"), preprocess=SAID, **{"outputs": "logits", **said}
    )
    with pytest.raises(SourceError, match=sentence):
        check(build_from(request))


def test_probabilities_that_are_called_logits_are_pointed_out(tmp_path: Path) -> None:
    (tmp_path / "graph.onnx").write_bytes(make_graph(outputs=2, end="Softmax"))
    request = Request(str(tmp_path / "graph.onnx"), classes=("FAKE", "REAL"), preprocess=SAID, outputs="logits")
    assert "say --outputs probabilities" in check(build_from(request)).warning


def test_other_numbers_of_outputs_are_refused(graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = said_by(["d", graph, *OPTIONS, "--classes", "REAL", "--outputs", "logits", "--out", str(tmp_path)], capsys)
    assert "gives 2 outputs for 1 classes" in said


def test_pictures_with_known_answers_find_classes_the_wrong_way_round(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write_set(tmp_path / "set"))
    request = Request(graph, classes=("FAKE", "REAL"), outputs="logits", preprocess={**SAID, "std": (0.25,) * 3})
    middle = float(np.median(build_from(request).margins(np.asarray(load_image_set(data, "test").pixels))))
    Path(graph).write_bytes(make_graph(outputs=2, shift=-middle))
    given = ["--outputs", "logits", "--check", data, "--out", str(tmp_path)]
    found = {}
    for name, classes in (("one", "FAKE,REAL"), ("other", "REAL,FAKE")):
        # pictures differ in their grain, which this network sees
        status = command.main(["add", name, graph, *OPTIONS, "--classes", classes, *given])
        found[status] = capsys.readouterr()
    assert set(found) == {0, 2}
    assert "of 40 pictures" in found[0].out
    assert "fewer than a coin would be; check --fake-classes" in found[2].err


def test_margins_that_have_changed_are_refused_at_loading(
    graph: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["d", graph, *OPTIONS, "--classes", "FAKE,REAL", "--outputs", "logits", "--out", str(tmp_path)]
    said_by(arguments, capsys, status=0)
    path = tmp_path / "detectors" / "d"
    manifest = json.loads((path / MANIFEST).read_text())
    changed = {**manifest, "reference_margins": [0.1 + margin for margin in manifest["reference_margins"]]}
    (path / MANIFEST).write_text(json.dumps(sealed(changed)))
    with pytest.raises(ContractError, match=r"gives its reference picture \d a margin of .* that was .*; install"):
        load_detector(path)
    for odd in ([0.0], "many", [None] * 8):
        (path / MANIFEST).write_text(json.dumps(sealed({**manifest, "reference_margins": odd})))
        with pytest.raises(ContractError, match=f"{REFERENCE} does not hold its reference pictures"):
            load_detector(path)


def test_each_source_has_a_kind() -> None:
    kinds = {
        "timm:x": "timm",
        "torchvision:x": "torchvision",
        "py:x:y": "python",
        "A.ONNX": "onnx",
        ".": "transformers",
    }
    assert {source: kind_of(source).detector.kind for source in kinds} == kinds
    assert set(kinds.values()) == {name for name in KINDS if name != "resnet"}
    with pytest.raises(SourceError, match=r"no other source that is known: a folder of transformers; timm:NAME"):
        kind_of("nothing.pth")


def test_the_home_of_a_user_who_is_unknown_is_a_sentence() -> None:
    with pytest.raises(SourceError, match="^~nobody-here/model begins with a user who is unknown here"):
        kind_of("~nobody-here/model")
