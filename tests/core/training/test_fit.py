import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

import core.training.checkpoints as checkpoints_module
import core.training.fit as fitting
from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.storage import LIMITS, TakenError, only_writer
from core.training.checkpoints import TrainingInterrupted, checkpoint_file
from core.training.fit import fit
from core.training.recipe import Recipe
from core.training.temperature import fit_temperature
from core.training.validation import channel_statistics, validation_split
from tests.core.any_detector import write_set

QUICK = Recipe(name="quick", width=4, epochs=3, batch_size=16, learning_rate=0.05, validation=0.2, precision="float32")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def images(cifake: Path) -> ImageSet:
    return load_image_set(cifake, "train")


def test_training_learns_and_reports(images: ImageSet) -> None:
    lines: list[str] = []
    trained = fit(replace(QUICK, epochs=8, average=0.5), images, report=lines.append, device="cpu")
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]
    assert trained.history[-1]["val_accuracy"] > 0.8
    assert len(lines) == 8
    assert lines[0].startswith("epoch 1/8  loss ")
    verdicts = trained.detector.margins(np.asarray(images.pixels)) > 0
    assert (verdicts == images.labels).mean() > 0.8


def test_same_seed_same_weights_other_seed_other_weights(images: ImageSet, tmp_path: Path) -> None:
    def sha256(folder: str, seed: int = 0) -> str:
        recipe = replace(QUICK, epochs=1, seed=seed, shift=1, colour=True)
        return fit(recipe, images, checkpoints=tmp_path / folder, device="cpu").detector.sha256

    assert sha256("a") == sha256("b") != sha256("c", seed=1)


# wide networks keep their weights in another order
@pytest.mark.parametrize(("optimizer", "width"), [("sgd", 4), ("adam", 4), ("sgd", 16)])
def test_interrupted_and_resumed_ends_where_unbroken_ends(
    images: ImageSet, tmp_path: Path, optimizer: str, width: int
) -> None:
    recipe = replace(QUICK, optimizer=optimizer, average=0.9, shift=1, width=width)
    unbroken = fit(recipe, images, checkpoints=tmp_path / "unbroken", device="cpu")

    def stop_in_second_epoch(done: int, total: int, text: str) -> None:
        if text.startswith("epoch 3/"):
            raise KeyboardInterrupt

    recipe10 = replace(recipe, batch_size=4)  # progress is told every tenth step
    whole = fit(recipe10, images, checkpoints=tmp_path / "whole", device="cpu")
    with pytest.raises(KeyboardInterrupt):
        fit(recipe10, images, checkpoints=tmp_path / "broken", device="cpu", progress=stop_in_second_epoch)
    resumed = fit(recipe10, images, checkpoints=tmp_path / "broken", device="cpu", resume=True)
    assert resumed.detector.sha256 == whole.detector.sha256 != unbroken.detector.sha256
    without_time = [{k: v for k, v in row.items() if k != "seconds"} for row in resumed.history]
    assert without_time == [{k: v for k, v in row.items() if k != "seconds"} for row in whole.history]


def test_an_unasked_checkpoint_is_never_overwritten(images: ImageSet, tmp_path: Path) -> None:
    fit(replace(QUICK, epochs=1), images, checkpoints=tmp_path, device="cpu")
    with pytest.raises(TrainingInterrupted, match="pass --resume to continue or --restart"):
        fit(replace(QUICK, epochs=1), images, checkpoints=tmp_path, device="cpu")
    fit(replace(QUICK, epochs=1), images, checkpoints=tmp_path, device="cpu", restart=True)


def test_a_checkpoint_that_cannot_be_read_just_now_is_not_called_damaged(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(QUICK, epochs=1)
    fit(recipe, images, checkpoints=tmp_path, device="cpu")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checkpoints_module, "check_file", refused)
    with pytest.raises(TrainingInterrupted, match=r"cannot be read \(.*Permission denied\); it is kept"):
        fit(recipe, images, checkpoints=tmp_path, device="cpu", resume=True)


def test_resuming_without_a_checkpoint_says_that_it_begins_anew(images: ImageSet, tmp_path: Path) -> None:
    said: list[str] = []
    fit(replace(QUICK, epochs=1), images, checkpoints=tmp_path, device="cpu", resume=True, report=said.append)
    assert said[0].startswith("There is no checkpoint of this training (")


def test_each_precision_of_a_resumed_training_is_told(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(QUICK, epochs=3)

    def stop(_done: int, _total: int, text: str) -> None:
        if text.startswith("epoch 2/"):
            raise KeyboardInterrupt

    recipe = replace(recipe, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, images, checkpoints=tmp_path, device="cpu", progress=stop)
    monkeypatch.setattr(fitting, "precision_on", lambda *_: "bfloat16")
    trained = fit(recipe, images, checkpoints=tmp_path, device="cpu", resume=True)
    assert trained.computed_in == "float32 on cpu (1 epoch), bfloat16 on cpu (2 epochs)"


def test_a_killed_process_resumes_to_the_weights_of_an_unbroken_one(cifake: Path, tmp_path: Path) -> None:
    def command(out: str) -> list[str]:
        settings = ["--width", "4", "--epochs", "8", "--batch-size", "8", "--precision", "float32", "--device", "cpu"]
        folders = ["--out", str(tmp_path / out), "--checkpoints", str(tmp_path / out / "checkpoints")]
        return [sys.executable, "train.py", "--data", str(cifake), *settings, *folders, "--resume"]

    def weights(out: str) -> bytes:
        return (tmp_path / out / "detectors/swift/weights.safetensors").read_bytes()

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command("whole"), cwd=ROOT, env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        command("killed"), cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 600
    # past the imports and the first epoch
    while not list((tmp_path / "killed").glob("checkpoints/*.safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(command("killed"), cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert "Continuing after epoch" in done.stdout + done.stderr
    assert weights("killed") == weights("whole")


def test_validation_split_is_stratified_and_parts_no_duplicates() -> None:
    generator = np.random.default_rng(0)
    sha256 = np.array([f"{value:064x}" for value in generator.integers(0, 1500, 2000)])
    labels = np.array([int(digest[-1], 16) % 2 for digest in sha256], np.uint8)
    held = validation_split(sha256, labels, 0.1, seed=0)
    assert not set(sha256[held]) & set(sha256[~held])
    for label in (0, 1):
        unique = set(sha256[labels == label])
        assert len(set(sha256[held & (labels == label)])) == round(0.1 * len(unique))
    assert (held == validation_split(sha256, labels, 0.1, seed=0)).all()
    assert (held != validation_split(sha256, labels, 0.1, seed=1)).any()
    assert not validation_split(sha256, labels, 0.0, seed=0).any()


def test_temperature_agrees_with_logistic_regression() -> None:
    generator = np.random.default_rng(0)
    margins = generator.normal(0, 6, 4000).astype(np.float32)
    labels = (generator.random(4000) < expit(margins / 2.5)).astype(int)
    slope = LogisticRegression(C=1e9, fit_intercept=False).fit(margins[:, None], labels).coef_[0, 0]
    assert fit_temperature(margins, labels) == pytest.approx(1 / slope, rel=1e-3)


def test_channel_statistics_are_numpys(images: ImageSet) -> None:
    mean, std = channel_statistics(images.pixels, chunk=7)
    np.testing.assert_allclose(mean, (images.pixels / 255).mean((0, 1, 2)))
    np.testing.assert_allclose(std, (images.pixels / 255).std((0, 1, 2)), rtol=1e-6)


def test_a_diverging_training_says_so(images: ImageSet) -> None:
    with pytest.raises(TrainingInterrupted, match="not finite in epoch 1; lower the learning rate"):
        fit(replace(QUICK, learning_rate=1e30, average=0.0), images, device="cpu")


def test_images_of_another_side_make_a_detector_of_that_side(tmp_path: Path) -> None:
    images = load_image_set(write_set(tmp_path / "set", train=20), "train")
    detector = fit(replace(QUICK, epochs=1), images, checkpoints=tmp_path / "c", device="cpu").detector
    assert (detector.side, detector.layers["layer4"]) == (48, (6, 6))
    assert detector.full_pass(np.asarray(images.pixels[:2])).needed_maps.shape == (2, 6, 6)


def test_a_side_that_no_detector_can_have_is_refused_before_the_training(images: ImageSet, tmp_path: Path) -> None:
    tiny, lines = replace(images, pixels=np.asarray(images.pixels)[:, :4, :4]), []
    with pytest.raises(ValueError, match="size must be 8 to 1024 pixels, not 4"):
        fit(replace(QUICK, epochs=1), tiny, checkpoints=tmp_path, device="cpu", report=lines.append)
    assert not lines
    assert not list(tmp_path.glob("*.safetensors"))


def test_few_steps_are_averaged_too(images: ImageSet, tmp_path: Path) -> None:
    def weights(learning_rate: float) -> str:
        recipe = replace(QUICK, epochs=1, average=0.999, learning_rate=learning_rate, validation=0.0)
        # two steps, fewer than lie between two averages
        return fit(recipe, images.limited(32), checkpoints=tmp_path / str(learning_rate), device="cpu").detector.sha256

    assert weights(0.05) != weights(0.5)


def test_what_a_network_drops_at_random_depends_on_the_seed_alone(images: ImageSet, tmp_path: Path) -> None:
    recipe = replace(QUICK, arch="torchvision:mobilenet_v3_small", epochs=1, validation=0.0, average=0.0)

    def weights(state: int) -> str:
        torch.manual_seed(state)
        return fit(recipe, images.limited(32), checkpoints=tmp_path / str(state), device="cpu").detector.sha256

    assert weights(1) == weights(2)


def test_a_discarded_checkpoint_is_gone_before_the_first_epoch_ends(images: ImageSet, tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=2, batch_size=4)
    fit(recipe, images, checkpoints=tmp_path, device="cpu")

    def stop(_done: int, _total: int, _text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(recipe, images, checkpoints=tmp_path, device="cpu", restart=True, progress=stop)
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_same_training_twice_at_once_is_refused(images: ImageSet, tmp_path: Path) -> None:
    recipe = replace(QUICK, epochs=1)
    with (
        only_writer(checkpoint_file(recipe, images, tmp_path)),
        pytest.raises(TakenError, match="another process; wait for it"),
    ):
        fit(recipe, images, checkpoints=tmp_path, device="cpu")


def test_a_checkpoint_may_be_larger_than_a_detector(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(QUICK, epochs=1)
    fit(recipe, images, checkpoints=tmp_path, device="cpu")
    monkeypatch.setitem(LIMITS, ".safetensors", 10)
    lines: list[str] = []
    fit(recipe, images, checkpoints=tmp_path, device="cpu", resume=True, report=lines.append)
    assert lines == ["Continuing after epoch 1 of 1."]
