"""The training loop and its checkpoints: a training that was stopped ends where an unbroken one does."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from core.detectors.detector import Detector
from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.storage import LIMITS, TakenError, only_writer
from core.training.fit import Progress, TrainingInterrupted, checkpoint_file, fit, read_checkpoint, write_checkpoint
from core.training.recipe import Recipe
from tests.core.any_detector import write_set

QUICK = Recipe(name="quick", width=4, epochs=3, batch_size=16, learning_rate=0.05, validation=0.2, precision="float32")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def images(cifake: Path) -> ImageSet:
    return load_image_set(cifake, "train")


def trained(recipe: Recipe, images: ImageSet, *, interrupted: bool = False) -> Detector:
    """Fit and forget the checkpoint; where `interrupted`, with a stop in the last epoch and a resumption."""

    def stop(_done: int, _total: int, text: str) -> None:
        if text.startswith(f"epoch {recipe.epochs}/"):
            raise KeyboardInterrupt

    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            fit(recipe, images, device="cpu", progress=stop)
    result = fit(recipe, images, device="cpu", resume=interrupted)
    checkpoint_file(recipe, images).unlink()
    return result


def test_training_learns_and_reports(images: ImageSet) -> None:
    lines: list[str] = []
    result = fit(replace(QUICK, epochs=8, average=0.5), images, report=lines.append, device="cpu")
    assert result.manifest["history"][-1]["loss"] < result.manifest["history"][0]["loss"]
    assert result.manifest["history"][-1]["val_accuracy"] > 0.8
    assert len(lines) == 8
    predictions = result.margins(np.asarray(images.pixels)) > 0
    assert (predictions == images.labels).mean() > 0.8


# wide networks keep their weights in another memory format
@pytest.mark.parametrize(("optimizer", "width"), [("sgd", 4), ("adam", 4), ("sgd", 16)])
def test_interrupted_and_resumed_ends_where_unbroken_ends(images: ImageSet, optimizer: str, width: int) -> None:
    # progress is reported every tenth step
    recipe = replace(QUICK, optimizer=optimizer, average=0.9, shift=1, width=width, batch_size=4)
    whole, resumed = trained(recipe, images), trained(recipe, images, interrupted=True)
    assert resumed.sha256 == whole.sha256
    for row, same in zip(resumed.manifest["history"], whole.manifest["history"], strict=True):
        assert row | {"seconds": 0} == same | {"seconds": 0}


def test_a_checkpoint_is_kept_unless_resumed(images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, lines = replace(QUICK, epochs=1), list[str]()
    fit(recipe, images, device="cpu")
    with pytest.raises(TrainingInterrupted, match="pass --resume to continue, or delete it"):
        fit(recipe, images, device="cpu")
    # it may be larger than a detector
    monkeypatch.setitem(LIMITS, ".safetensors", 10)
    fit(recipe, images, device="cpu", resume=True, report=lines.append)
    assert lines == ["Continuing after epoch 1 of 1."]
    with only_writer(checkpoint_file(recipe, images)), pytest.raises(TakenError):
        fit(recipe, images, device="cpu", resume=True)


def test_a_diverging_training_says_so(images: ImageSet) -> None:
    with pytest.raises(TrainingInterrupted, match="not finite in epoch 1; lower the learning rate"):
        fit(replace(QUICK, learning_rate=1e30, average=0.0), images, device="cpu")


def test_images_of_another_side_make_a_detector_of_that_side(images: ImageSet, tmp_path: Path) -> None:
    large = load_image_set(write_set(tmp_path / "set", train=20), "train")
    detector = fit(replace(QUICK, epochs=1), large, device="cpu")
    assert (detector.side, detector.layers["layer4"]) == (48, (6, 6))
    tiny = replace(images, pixels=np.asarray(images.pixels)[:, :4, :4])
    with pytest.raises(ValueError, match="size must be 8 to 1024 pixels, not 4"):
        fit(QUICK, tiny, device="cpu")


def state(*, seed: int = 0, steps: int = 0) -> tuple[dict[str, nn.Module], torch.optim.Optimizer]:
    """Two networks whose weights lie channels last, and an optimizer of the first after some steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks: dict[str, nn.Module] = {
            name: nn.Sequential(nn.Conv2d(16, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
            for name in ("network", "averaged")
        }
        optimizer = torch.optim.Adam(networks["network"].parameters(), 0.01)
        for _ in range(steps):
            networks["network"](torch.randn(2, 16, 8, 8)).relu().sum().backward()
            optimizer.step()
    return networks, optimizer


def test_a_checkpoint_holds_weights_moments_and_progress(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    networks, optimizer = state(steps=3)
    progress = Progress(2, 3, [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}], ["float32 on cpu"] * 2)
    write_checkpoint(file, networks, optimizer, progress)
    others, other = state(seed=1, steps=1)
    assert read_checkpoint(file, others, other) == progress
    exact = {"rtol": 0, "atol": 0, "check_stride": True}
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            torch.testing.assert_close(others[name].state_dict()[key], value, **exact)
    pairs = zip(networks["network"].parameters(), others["network"].parameters(), strict=True)
    for parameter, same in pairs:
        assert other.state[same].keys() == optimizer.state[parameter].keys() >= {"exp_avg", "exp_avg_sq"}
        for key, value in optimizer.state[parameter].items():
            torch.testing.assert_close(other.state[same][key], value, **exact)
    # an older one does not say what its epochs were computed in
    older = {"epoch": 2, "step": 1, "history": []}
    file.write_bytes(save(load(file.read_bytes()), {"training": json.dumps(older)}))
    assert read_checkpoint(file, networks, optimizer) == Progress(2, 1, [], ["unknown", "unknown"])


def test_a_checkpoint_that_cannot_be_used_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    networks, optimizer = state(steps=1)
    write_checkpoint(file, networks, optimizer, Progress())
    with pytest.raises(TrainingInterrupted, match="is damaged or of another version; delete it"):
        read_checkpoint(file, {"network": nn.Linear(2, 2)}, optimizer)
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(TrainingInterrupted, match="is damaged or of another version; delete it"):
        read_checkpoint(file, networks, optimizer)
    with pytest.raises(TrainingInterrupted, match="cannot be read .* it is kept"):
        read_checkpoint(tmp_path, networks, optimizer)
