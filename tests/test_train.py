"""The training command: from pixels to a detector and its run, and what it says where it cannot."""

import shutil
from unittest.mock import Mock

import numpy as np
import pytest

from core.commands import train
from core.detectors.storage import load_detector
from core.images.cifake import FINGERPRINTS
from core.images.loading import load_image_set
from core.runs.run import read_run
from core.runs.summary import warnings_of
from core.storage.atomic import WriteError, cache_dir
from core.training import held_out
from tests.core.any_detector import write_set

QUICK = ["--width", "4", "--epochs", "2", "--batch-size", "16", "--device", "cpu", "--precision", "float32"]


def command(data, out, *more):
    return train.main(["--data", str(data), "--out", str(out), *QUICK, *more])


def test_from_pixels_to_a_run(cifake, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(FINGERPRINTS, "test", load_image_set(cifake, "test").fingerprint)
    assert command(cifake, tmp_path, "--name", "mine", "--validation", "0.2") == 0
    run = read_run(tmp_path / "runs/mine@cifake-test")
    detector = load_detector(tmp_path / "detectors/mine", device="cpu")
    assert len(run) == 24
    assert run.manifest["detector_sha256"] == detector.sha256
    assert detector.manifest["recipe"]["epochs"] == len(detector.manifest["history"]) == 2
    accuracy = f"accuracy {run.manifest['metrics']['all']['accuracy']:.4f}"
    assert f"{accuracy} (paper 0.945)" in capsys.readouterr().out
    card = (tmp_path / "detectors/mine/README.md").read_text()
    # 24 images are few
    assert len(warnings_of(run)) > 0
    for text in (accuracy, *warnings_of(run)):
        assert text in card
    assert not list((cache_dir() / "checkpoints").glob("*.safetensors"))


def test_starting_with_other_weights_and_joining_both(cifake, tmp_path, monkeypatch, capsys):
    held = ["--validation", "0.25"]
    assert command(cifake, tmp_path, "--name", "first", *held) == 0
    first = load_detector(tmp_path / "detectors/first", device="cpu")
    folder = str(tmp_path / "detectors/first")
    assert command(cifake, tmp_path, "--name", "second", "--start", folder, "--recipe", "robust", *held) == 0
    recipe = load_detector(tmp_path / "detectors/second", device="cpu").manifest["recipe"]
    assert (recipe["start"], recipe["start_sha256"]) == ("first", first.sha256)
    assert str(tmp_path) not in (tmp_path / "detectors/second/manifest.json").read_text()
    capsys.readouterr()
    for wrong, sentence in (
        (["--start", "first", "--width", "8", *held], "first does not hold the weights"),
        (["--start", "nobody", *held], "there is no detector 'nobody'"),
    ):
        assert command(cifake, tmp_path, "--name", "none", *wrong) == 2
        assert sentence in capsys.readouterr().err
    # networks that know so little may weigh nothing
    monkeypatch.setattr(held_out, "fit_weights", lambda margins, labels: np.array([0.75, 0.5]))
    join = ["--data", str(cifake), "--out", str(tmp_path), "--name", "both", "--join", "first", "second"]
    assert train.main([*join, "--device", "cpu"]) == 0
    both = load_detector(tmp_path / "detectors/both", device="cpu")
    assert both.config == {"width": 8, "groups": 2}
    assert read_run(tmp_path / "runs/both@images-test").manifest["detector_sha256"] == both.sha256
    card = (tmp_path / "detectors/both/README.md").read_text()
    assert "| first | 0.750 |" in card
    assert "| second | 0.500 |" in card
    assert train.main(join) == 2
    assert "exists already" in capsys.readouterr().err
    assert train.main([*join, "--width", "8"]) == 2


@pytest.mark.parametrize(
    "arch, name, architecture",
    [
        ("patch:5", "patch", {"kind": "patch", "field": 5}),
        ("timm:test_resnet", "swift", {"kind": "timm", "name": "test_resnet", "outputs": 2, "size": None, "stem": 32}),
    ],
)
def test_another_architecture_has_its_own_recipe(cifake, tmp_path, arch, name, architecture):
    assert command(cifake, tmp_path, "--limit", "40", "--arch", arch, "--without-cue") == 0
    assert len(read_run(tmp_path / "runs" / f"{name}@images-test-8")) == 8
    manifest = load_detector(tmp_path / "detectors" / name, device="cpu").manifest
    assert manifest["architecture"] == architecture
    assert manifest["recipe"]["without_cue"]
    assert manifest["training_images"] == 40
    # two bytes a weight
    assert (tmp_path / "detectors" / name / "weights.safetensors").stat().st_size < 2.5 * manifest["parameters"]


@pytest.mark.parametrize("damage", ["missing", "larger", "no folder"])
def test_what_is_wrong_is_found_before_training(cifake, tmp_path, damage, capsys):
    shutil.rmtree(cifake / "test")
    sentence = "test split"
    if damage == "larger":
        shutil.copytree(write_set(tmp_path / "large") / "test", cifake / "test")
        sentence = "have 32 pixels a side and its test images 48"
    elif damage == "no folder":
        (tmp_path / "detectors").write_text("a file")
        sentence = f"{tmp_path / 'detectors'} could not be written"
    assert command(cifake, tmp_path) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert "epoch 1" not in captured.out


@pytest.mark.parametrize(
    "step", ["core.training.fit.fit", "core.runs.writing.write_run", "core.detectors.storage.save_detector"]
)
def test_a_step_that_fails_is_made_up_by_resume(cifake, tmp_path, step, monkeypatch, capsys):
    for error, status in ((KeyboardInterrupt(), 130), (WriteError(28, "No space left on device", "weights"), 2)):
        with monkeypatch.context() as patch:
            patch.setattr(step, Mock(side_effect=error))
            assert command(cifake, tmp_path, *["--resume"] * (status == 2)) == status
        assert ("--resume" if status == 130 else "No space left") in capsys.readouterr().err
    assert not (tmp_path / "detectors/swift").exists()
    assert command(cifake, tmp_path, "--resume") == 0
    resumed = step != "core.training.fit.fit"
    assert ("Continuing after epoch 2 of 2" in capsys.readouterr().out) == resumed
    run = read_run(tmp_path / "runs/swift@images-test")
    assert run.manifest["detector_sha256"] == load_detector(tmp_path / "detectors/swift", device="cpu").sha256
    # what is finished is not trained again unasked
    for more in ([], ["--resume"]):
        assert command(cifake, tmp_path, *more) == 2
        assert "exists already" in capsys.readouterr().err
    assert command(cifake, tmp_path, "--replace") == 0
