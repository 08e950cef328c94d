"""The training loop and its checkpoints: a training that was stopped ends where an unbroken one does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from core.detectors.detector import Detector
from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.storage import TakenError, only_writer
from core.training.fit import Training, TrainingInterrupted, checkpoint_file, fit
from core.training.recipe import Recipe

QUICK = Recipe(name="quick", width=4, epochs=3, batch_size=16, learning_rate=0.05, validation=0.2, precision="float32")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own."""
    monkeypatch.setenv("TELLTALE_CACHE", str(tmp_path / "cache"))


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


# wide networks keep their weights in another memory format
@pytest.mark.parametrize(("optimizer", "width"), [("sgd", 4), ("adam", 4), ("sgd", 16)])
def test_interrupted_and_resumed_ends_where_unbroken_ends(images: ImageSet, optimizer: str, width: int) -> None:
    # progress is reported every tenth step
    recipe = replace(QUICK, optimizer=optimizer, average=0.9, shift=1, width=width, batch_size=4)
    whole, resumed = trained(recipe, images), trained(recipe, images, interrupted=True)
    assert resumed.sha256 == whole.sha256
    for row, same in zip(resumed.manifest["history"], whole.manifest["history"], strict=True):
        assert row | {"seconds": 0} == same | {"seconds": 0}


def test_a_checkpoint_is_kept_unless_resumed(images: ImageSet) -> None:
    recipe, lines = replace(QUICK, epochs=1), list[str]()
    fit(recipe, images, device="cpu")
    with pytest.raises(TrainingInterrupted, match="pass --resume to continue, or delete it"):
        fit(recipe, images, device="cpu")
    fit(recipe, images, device="cpu", resume=True, report=lines.append)
    assert lines == ["Continuing after epoch 1 of 1."]
    with only_writer(checkpoint_file(recipe, images)), pytest.raises(TakenError):
        fit(recipe, images, device="cpu", resume=True)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_checkpoint_holds_weights_moments_and_progress(images: ImageSet, optimizer: str) -> None:
    recipe = replace(QUICK, optimizer=optimizer)
    training, other = (Training(recipe, images, CPU) for _ in range(2))
    training.run_epoch()
    training.write_checkpoint()
    other.read_checkpoint()
    assert (other.epoch, other.step, other.history) == (1, training.step, training.history)
    for name, network in training.networks.items():
        for key, value in network.state_dict().items():
            assert torch.equal(other.networks[name].state_dict()[key], value)
    pairs = zip(training.network.parameters(), other.network.parameters(), strict=True)
    for parameter, same in pairs:
        assert other.optimizer.state[same].keys() == training.optimizer.state[parameter].keys() != set()
        for key, value in training.optimizer.state[parameter].items():
            assert torch.equal(other.optimizer.state[same][key], value)
    # cut short, another network's, and none at all
    whole = training.file.read_bytes()
    for data, reader in ((whole[:-10], other), (whole, Training(replace(recipe, width=2), images, CPU))):
        reader.file = training.file
        training.file.write_bytes(data)
        with pytest.raises(TrainingInterrupted, match="cannot be used .* delete it to begin again"):
            reader.read_checkpoint()
    training.file.unlink()
    with pytest.raises(TrainingInterrupted, match="cannot be used"):
        other.read_checkpoint()


def test_a_diverging_training_says_so(images: ImageSet) -> None:
    with pytest.raises(TrainingInterrupted, match="not finite in epoch 1; lower the learning rate"):
        fit(replace(QUICK, learning_rate=1e30, average=0.0), images, device="cpu")
