"""The training loop and its checkpoints: a training that was stopped ends where an unbroken one does."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from core.detectors.detector import CPU
from core.images.labels import REAL
from core.images.loading import load_image_set
from core.storage.atomic import TakenError, only_writer
from core.training.fit import AVERAGE_EVERY, Training, TrainingInterrupted, checkpoint_file, fit
from core.training.held_out import fit_temperature
from core.training.recipe import Recipe, augment, learning_rate

QUICK = Recipe(name="quick", width=4, epochs=3, batch_size=16, learning_rate=0.05, validation=0.2, precision="float32")


@pytest.fixture
def images(cifake):
    return load_image_set(cifake, "train")


def trained(recipe, images, *, interrupted=False):
    """Fit and forget the checkpoint; where `interrupted`, with a stop in the last epoch and a resumption."""

    def stop(_done, _total, text):
        if text.startswith(f"epoch {recipe.epochs}/"):
            raise KeyboardInterrupt

    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            fit(recipe, images, device="cpu", progress=stop)
    result = fit(recipe, images, device="cpu", resume=interrupted)
    checkpoint_file(recipe, images).unlink()
    return result


# wide networks keep their weights in another memory format
@pytest.mark.parametrize("optimizer, width", [("sgd", 4), ("adam", 4), ("sgd", 16)])
def test_interrupted_and_resumed_ends_where_unbroken_ends(images, optimizer, width):
    # progress is reported every tenth step
    recipe = replace(QUICK, optimizer=optimizer, average=0.9, shift=1, width=width, batch_size=4)
    whole, resumed = trained(recipe, images), trained(recipe, images, interrupted=True)
    assert resumed.sha256 == whole.sha256
    for row, same in zip(resumed.manifest["history"], whole.manifest["history"], strict=True):
        assert row | {"seconds": 0} == same | {"seconds": 0}


def test_two_epochs_are_those_of_a_plain_loop(images):
    # 64 images are trained on, in 5 steps
    recipe = replace(QUICK, epochs=2, average=0.99, batch_size=13, shift=1, weight_decay=0.1)
    training = Training(recipe, images, CPU)
    assert (len(training.held), training.steps) == (16, 10)
    network, averaged = deepcopy(training.network).train(), deepcopy(training.network)
    pixels = torch.from_numpy(np.asarray(images.pixels)[training.train]).permute(0, 3, 1, 2).float()
    labels = torch.from_numpy(images.labels[training.train]).long()
    # of the images that are trained on alone
    spread = torch.std_mean(pixels.double() / 255, dim=(0, 2, 3), correction=0, keepdim=True)
    std, mean = (own.float() for own in spread)
    kernels = [own for own in network.parameters() if own.ndim > 1]
    others = [own for own in network.parameters() if own.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": 0.1}, {"params": others}]
    optimizer, orders = torch.optim.SGD(groups, 0.0, momentum=0.9, nesterov=True), []
    for epoch in range(2):
        row = training.run_epoch()
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
        orders.append(torch.randperm(len(pixels), generator=generator))
        outputs = []
        for number, indices in enumerate(orders[-1].split(13)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, 5 * epoch + number, 10)
            batch = augment(recipe, pixels[indices], generator)
            outputs.append(network((batch / 255 - mean) / std))
            optimizer.zero_grad()
            cross_entropy(outputs[-1], labels[indices], label_smoothing=0.1).backward()
            optimizer.step()
        step = 5 * epoch + 5
        weight = 1 - min(0.99**AVERAGE_EVERY, (1 + step) / (50 + step))
        for name, value in averaged.state_dict().items():
            now = network.state_dict()[name]
            value.copy_(value.lerp(now, weight) if value.is_floating_point() else now)
        assert (row["epoch"], row["learning_rate"]) == (epoch + 1, group["lr"])
        logits = torch.cat(outputs)
        loss = cross_entropy(logits, labels[orders[-1]], label_smoothing=0.1)
        assert row["loss"] == pytest.approx(loss.item(), rel=1e-2)
        right = (logits.argmax(1) == labels[orders[-1]]).float().mean()
        assert row["train_accuracy"] == pytest.approx(right.item(), abs=1.01 / len(pixels))
    assert not torch.equal(*orders)
    for found, expected in ((training.network, network), (training.averaged, averaged)):
        assert_close(dict(found.state_dict()), dict(expected.state_dict()), rtol=1e-3, atol=5e-3)
    assert training.best is training.averaged
    detector = training.finish()
    margins = detector.margins(np.asarray(images.pixels)[training.held])
    is_real = images.labels[training.held] == REAL
    assert row["val_accuracy"] == pytest.approx(np.mean((margins > 0) == is_real), abs=1 / 16)
    assert detector.temperature == fit_temperature(margins, is_real) != 1


def test_a_start_has_the_same_split_and_normalisation(images):
    start = trained(replace(QUICK, epochs=1), images)
    start.manifest["training_set_fingerprint"] = images.fingerprint
    begun = Training(QUICK, images, CPU, start)
    assert_close(dict(begun.network.state_dict()), dict(start.network.state_dict()))
    for other in (replace(QUICK, normalise="unit"), replace(QUICK, seed=1), replace(QUICK, validation=0.3)):
        with pytest.raises(ValueError, match="trained on other images"):
            Training(other, images, CPU, start)


def test_a_checkpoint_is_kept_unless_resumed(images):
    recipe, lines = replace(QUICK, epochs=1), []
    fit(recipe, images, device="cpu")
    with pytest.raises(TrainingInterrupted, match="pass --resume to continue, or delete it"):
        fit(recipe, images, device="cpu")
    fit(recipe, images, device="cpu", resume=True, report=lines.append)
    assert lines == ["Continuing after epoch 1 of 1."]
    with only_writer(checkpoint_file(recipe, images)), pytest.raises(TakenError):
        fit(recipe, images, device="cpu", resume=True)


def test_a_checkpoint_that_cannot_be_used_is_a_sentence(images):
    training = Training(QUICK, images, CPU)
    training.write_checkpoint()
    other = Training(replace(QUICK, width=2), images, training.device)
    whole, other.file = training.file.read_bytes(), training.file
    # another network's, cut short, and none at all
    for reader, data in ((other, whole), (training, whole[:-10]), (training, None)):
        training.file.unlink() if data is None else training.file.write_bytes(data)
        with pytest.raises(TrainingInterrupted, match="cannot be used .* delete it to begin again"):
            reader.read_checkpoint()


def test_a_diverging_training_says_so(images):
    with pytest.raises(TrainingInterrupted, match="not finite in epoch 1; lower the learning rate"):
        fit(replace(QUICK, learning_rate=1e30, average=0.0), images, device="cpu")
