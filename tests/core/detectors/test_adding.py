"""Adding a detector: what a source leaves open is asked for, nonsense is refused, what was stored is compared."""

import json
import re
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.metrics import roc_auc_score
from torch import nn

from core.commands import detectors
from core.console import PROGRAM
from core.detectors import adding, checks
from core.detectors.adding import complete
from core.detectors.checks import check_answers, check_outputs, measure_noise
from core.detectors.detector import Detector
from core.detectors.manifest import Capability, Classes
from core.detectors.registry import Brought, Request, SourceError
from core.detectors.storage import load_detector
from core.images.preprocessing import Preprocessing
from core.storage.limits import MANIFEST
from tests.conftest import make_set, noise
from tests.core.any_detector import pictures
from tests.core.detectors.made import SAID, make_graph

FIELDS = ["--crop", "before", "--interpolation", "bilinear", "--mean", "0.5,0.4,0.6", "--std", "0.25"]
CLASSES = ["--classes", "FAKE,REAL", "--outputs", "logits"]
BROUGHT = Brought(nn.Identity(), {}, {"size": 32, **SAID}, ("FAKE", "REAL"), "logits")


@pytest.fixture
def graph(tmp_path):
    """An ONNX file with two outputs whose predictions are neither all FAKE nor all REAL."""
    (tmp_path / "graph.onnx").write_bytes(make_graph(outputs=2))
    return str(tmp_path / "graph.onnx")


def said_by(arguments, capsys, *, status=2):
    """What the command prints: one line on standard error where it fails."""
    assert detectors.main(["add", *arguments]) == status
    out, err = capsys.readouterr()
    # a slow machine shows its progress
    assert len([line for line in err.splitlines() if not line.endswith(" steps")]) == (1 if status else 0)
    return err if status else out


def test_the_command_writes_a_detector_and_keeps_one_that_cannot_be_replaced(graph, tmp_path, capsys, monkeypatch):
    path, out = tmp_path / "detectors" / "mine", ["--out", str(tmp_path)]
    classes = ["--classes", "generated,photo", "--fake-classes", "generated", "--outputs", "logits"]
    said = said_by(["mine", graph, *FIELDS, *classes, "--temperature", "2", *out], capsys, status=0)
    assert "Target layer: none: it gives predictions only" in said
    assert said.endswith(f"Next: {PROGRAM} predict {path} --data DATA\nWritten: {path}\n")
    detector = load_detector(path)
    assert (detector.name, detector.temperature, detector.classes.fake) == ("mine", 2, ("generated",))
    assert detector.preprocessing.std == (0.25, 0.25, 0.25)
    margins = json.loads((path / MANIFEST).read_text())["reference_margins"]
    assert len(margins) == 8
    for start in (f"above 0 is REAL): {margins[0]:+.2f}, ", f"p_real (0 to 1): {expit(margins[0] / 2):.2f}, "):
        assert start in said
    again = ["mine", graph, *FIELDS, *CLASSES, *out]
    assert "exists already; choose another name, or let --replace" in said_by(again, capsys)

    def broken(*_, **__):
        raise ValueError("it answers otherwise")

    with monkeypatch.context() as patch:
        patch.setattr(adding, "load_detector", broken)
        assert "it answers otherwise" in said_by([*again, "--replace"], capsys)
    assert load_detector(path).temperature == 2
    said_by([*again, "--replace"], capsys, status=0)
    assert load_detector(path).classes.fake == ("FAKE",)
    for name, source, sentence in (
        ("a:b", graph, "a detector cannot be named"),
        ("other", "nothing", "there is no file or folder of this name; see the command's --help"),
        ("other", "net.h5", "or loaded by a function of yours, function:"),
        ("other", "net.pth", "py:FILE.py:FUNCTION with --weights net.pth;"),
        ("other", "net.py", "py:net.py:FUNCTION for a network or function:net.py:FUNCTION"),
        ("other", str(tmp_path / "none.onnx"), "cannot be used"),
    ):
        assert sentence in said_by([name, source, *out], capsys)
    assert "has weights of its own" in said_by(["other", graph, "--weights", graph, *out], capsys)
    assert "temperature" in said_by(["other", graph, *FIELDS, *CLASSES, "--temperature", "0", *out], capsys)


def test_every_step_is_reported_before_it_is_done_and_a_check_stands_on_the_card(graph, tmp_path, monkeypatch):
    monkeypatch.setattr(adding, "check_answers", lambda detector, data, progress: f"{detector.name} on {data}")
    steps = []
    request = Request(graph, classes=("FAKE", "REAL"), outputs="logits", preprocess=SAID)
    path = tmp_path / "d"
    adding.add(path, request, data="pictures", step=lambda *step: steps.append((*step, path.exists())))
    assert steps == [(number, 5, adding.STEPS[number], False) for number in range(5)]
    assert "Check: d on pictures" in (path / "README.md").read_text()


def test_a_users_settings_take_precedence_over_the_sources():
    request = Request(
        "s", classes=("a", "b"), fake=("b",), outputs="probabilities", preprocess={"size": 64, "std": [2] * 3}
    )
    preprocessing, classes = complete(BROUGHT, request)
    assert (preprocessing.size, preprocessing.resize, preprocessing.mean) == (64, 64, (0.5, 0.4, 0.6))
    assert preprocessing.std == (2.0, 2.0, 2.0)
    assert (classes.names, classes.fake, classes.outputs) == (("a", "b"), ("b",), "probabilities")
    # the length before the crop belongs to the size that the source states, and to a crop
    brought = replace(BROUGHT, preprocess={"size": 64, "resize": 73, **SAID, "crop": "after"})
    for given, resize in (({"size": 64}, 73), ({"size": 32}, 32), ({"crop": "none"}, 64)):
        assert complete(brought, Request("s", preprocess=given))[0].resize == resize


@pytest.mark.parametrize(
    "brought, named",
    [
        ({"classes": None}, {"--classes", "--fake-classes"}),
        ({"classes": ("a", "b")}, {"--fake-classes"}),
        ({"outputs": None}, {"--outputs"}),
        *(({"preprocess": {**BROUGHT.preprocess, key: None}}, {f"--{key}"}) for key in BROUGHT.preprocess),
    ],
)
def test_what_neither_says_is_named(brought, named):
    with pytest.raises(SourceError) as raised:
        complete(replace(BROUGHT, **brought), Request("s"))
    assert set(re.findall(r"--[\w-]+", str(raised.value))) == named


@pytest.mark.parametrize(
    "names, fake, expected",
    [
        (("fake", "Real"), None, ("fake",)),
        (("REAL",), None, ()),
        (("FAKE",), None, ("FAKE",)),
        (("x",), (), ()),
        (("a", "b", "c"), ("c", "a"), ("c", "a")),
    ],
)
def test_the_classes_that_are_fake_are_taken_from_their_names_where_those_say_it(names, fake, expected):
    _, classes = complete(BROUGHT, Request("s", classes=names, fake=fake, threshold=0.5))
    assert (classes.names, classes.fake, classes.threshold) == (names, expected, 0.5)


def test_what_a_library_usually_does_is_suggested_as_far_as_nobody_says_otherwise():
    usual = {"size": 224, "mean": "0.1,0.2,0.3", "std": "1,1,1"}
    stated = {"interpolation": "box", "std": (2, 2, 2)}
    with pytest.raises(SourceError) as raised:
        complete(replace(BROUGHT, preprocess=stated, usual=usual), Request("s"))
    assert str(raised.value).endswith("--size 224 --mean 0.1,0.2,0.3")


class Answers(nn.Module):
    """A convolution and a mean, changed by a function of both inputs and answers."""

    def __init__(self, change):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.change = nn.Conv2d(3, 2, 3), change

    def forward(self, inputs):
        """(N, 3, S, S) to (N, 2)."""
        return self.change(inputs, self.conv(inputs).mean((2, 3)))


def refuse_many(inputs, answers):
    """Take one picture at a time."""
    if len(inputs) > 1:
        raise RuntimeError("one by one")
    return answers


@pytest.mark.parametrize(
    "change, outputs, sentence",
    [
        (lambda _, answers: answers.softmax(1), "probabilities", None),
        (lambda _, answers: 3 * answers.softmax(1), "probabilities", "which are no probabilities"),
        (lambda _, answers: answers.softmax(1) - 0.5, "probabilities", "which are no probabilities"),
        (lambda _, answers: 100 + 1e-3 * answers, "logits", None),
        (lambda _, answers: 1e4 + 1e-4 * answers, "logits", "do not depend on the picture"),
        (refuse_many, "logits", "one picture but not"),
        (lambda _, answers: answers.detach(), "logits", "no gradients"),
        # on black or on white alone
        *((lambda inputs, answers, shade=shade: answers / (inputs.mean((1, 2, 3)) != shade)[:, None], "logits",
           "not finite numbers") for shade in (0.0, 1.0)),
    ],
)  # fmt: skip
def test_answers_are_tried_on_pictures_noise_black_and_white(change, outputs, sentence):
    detector = Detector(Answers(change), Preprocessing(16), Classes(outputs=outputs))
    with pytest.raises(SourceError, match=sentence) if sentence else nullcontext():
        check_outputs(detector, noise(4, 16, 16))


@pytest.mark.parametrize("missed, accused", [(3, 1), (8, 5), (8, 6)])
def test_mistakes_of_both_kinds_are_counted(monkeypatch, missed, accused):
    # eight FAKE and eight REAL, whose first pixel says what is called
    labels = np.repeat([0, 1], 8)
    called = labels ^ np.r_[np.arange(8) < missed, np.arange(8) < accused]
    images = make_set(np.tile(255 * called.astype(np.uint8)[:, None, None, None], (1, 16, 16, 3)))
    monkeypatch.setattr(checks, "load_image_set", lambda *_, **__: images)
    network = Answers(lambda inputs, _: torch.outer(inputs[:, 0, 0, 0], torch.tensor([0.0, 1.0])))
    detector = Detector(network, Preprocessing(16, mean=(0.5,) * 3), Classes())
    right = 16 - missed - accused
    if right < 3:
        with pytest.raises(SourceError, match="right on 2 of 16 .* fewer than a coin"):
            check_answers(detector, "data")
        return
    numbers = [float(number) for number in re.findall(r"[\d.]*\d", check_answers(detector, "data"))]
    auroc = roc_auc_score(labels, called)
    assert numbers == pytest.approx([right, 16, right / 16, auroc, missed, 8, accused, 8], abs=1e-4)


PIXELS = np.concatenate([pictures(3, fine=fine, seed=1) for fine in (False, True)])


CHANGES = {
    "batch": lambda _, answers: 10 * answers.mean().expand(len(answers)),
    "chance": lambda inputs, _: 0.1 * torch.rand(len(inputs)),
    "bits": lambda inputs, _: 0.1 * torch.sin(1e6 * inputs.double().sum(dim=(1, 2, 3))).float(),
    "not": lambda inputs, _: torch.zeros(len(inputs)),
}


def odd(how):
    """A detector of 48 pixels whose answers are changed in one of these ways."""

    def change(inputs, answers):
        # of one class alone, so that the margin changes
        return answers + torch.outer(CHANGES[how](inputs, answers), torch.tensor([1.0, 0.0]))

    return Detector(Answers(change), Preprocessing(48, mean=(0.5,) * 3, std=(0.2,) * 3), Classes())


def test_margins_of_a_batch_become_those_of_each_image_alone():
    before = odd("batch")
    detector, said = measure_noise(before, PIXELS)
    assert list(said) == ["One by one"]
    alone = [before.margins(PIXELS[number : number + 1])[0] for number in range(len(PIXELS))]
    np.testing.assert_allclose(detector.margins(PIXELS), alone, atol=1e-6)
    assert np.abs(before.margins(PIXELS) - alone).max() > 0.05
    assert detector.noise == 0
    assert detector.identity != before.identity
    assert detector.capabilities == {Capability.PREDICTIONS, Capability.GRADIENTS}


@pytest.mark.parametrize(
    "how, least, most, remarks", [("chance", 0.02, 0.1, ["Noise"]), ("bits", 0.05, 0.2, ["Noise"]), ("not", 0, 0, [])]
)
def test_noise_is_measured(how, least, most, remarks):
    detector, said = measure_noise(odd(how), PIXELS)
    assert least <= detector.noise <= most
    assert list(said) == remarks
    assert detector.target_layer == "conv"


def test_a_noisy_detector_is_stored_and_opened(tmp_path, capsys):
    # another margin whenever it is asked
    (tmp_path / "net.py").write_text("import random\ndef p(path): return random.uniform(0.4, 0.5)\n")
    words = ["add", "noisy", f"function:{tmp_path / 'net.py'}:p", "--run-code", "--size", "32", "--out", str(tmp_path)]
    assert detectors.main(words) == 0
    assert "its margin is uncertain by 0." in capsys.readouterr().out
    for _ in range(3):
        detector = load_detector(tmp_path / "detectors" / "noisy")
    assert 0.05 < detector.noise < 0.41
