"""The training loop, with checkpoints and resume; every hyper-parameter is in `recipe.py`."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from core.detectors.detector import Detector, Normalisation
from core.detectors.devices import fastest_format, move_network, pick_device
from core.detectors.manifest import About, Classes
from core.detectors.registry import find_kind
from core.detectors.resnet import round_to_float16
from core.images.image_set import ImageSet
from core.images.preprocessing import Preprocessing
from core.storage import only_writer
from core.training.checkpoints import (
    Progress,
    TrainingInterrupted,
    checkpoint_file,
    read_checkpoint,
    write_checkpoint,
)
from core.training.held_out import channel_statistics, fit_temperature, split_of, validation_split
from core.training.recipe import Recipe, architecture_of, augment, autocast, build_for, learning_rate, precision_on

# weights move little in five steps, and averaging at every step costs 4 %
AVERAGE_EVERY = 5
# steps from one call of `progress` to the next
REPORT_EVERY = 10


@dataclass(frozen=True)
class Trained:
    """The outcome of `fit`.

    Attributes:
        detector: rounded to float16.
        history: a row per epoch.
        computed_in: precision and device, and for how many epochs each where a resumed training had several.
    """

    detector: Detector
    history: list[dict[str, float]]
    computed_in: str


def fit(
    recipe: Recipe,
    images: ImageSet,
    *,
    start: Detector | None = None,
    device: str = "auto",
    resume: bool = False,
    report: Callable[[str], None] = print,
    progress: Callable[[int, int, str], None] | None = None,
) -> Trained:
    """Train a detector; its checkpoint stays until `checkpoint_file` is removed.

    Args:
        recipe: every hyper-parameter.
        images: the training split.
        start: the detector of `recipe.start` and `recipe.start_sha256`, trained on the same images.
        device: "auto", "cpu", "cuda", "mps".
        resume: continue from the last checkpoint; on one CPU this gives the weights of an uninterrupted training.
        report: called with a line per epoch.
        progress: called with (steps done, all steps, text) every tenth step.

    Raises:
        TrainingInterrupted: a checkpoint exists and `resume` is not set, or the loss is not finite.
        TakenError: another process is at this very training.
        ValueError: there is no such device here, `start` is not the recipe's or does not fit, or holding images out
            leaves none to train on.
    """
    training = Training(recipe, images, pick_device(device), start)
    with only_writer(training.file, remedy="wait for it"):
        if training.file.exists() and not resume:
            raise TrainingInterrupted(
                f"There is a checkpoint ({training.file}); pass --resume to continue, or delete it to begin again."
            )
        if training.file.exists():
            training.done = read_checkpoint(training.file, training.networks, training.optimizer)
            report(f"Continuing after epoch {training.done.epoch} of {recipe.epochs}.")
        while training.done.epoch < recipe.epochs:
            row = training.run_epoch(progress)
            write_checkpoint(training.file, training.networks, training.optimizer, training.done)
            validation = f"  validation accuracy {row['val_accuracy']:.4f}" if "val_accuracy" in row else ""
            report(
                f"epoch {training.done.epoch}/{recipe.epochs}  loss {row['loss']:.4f}  "
                f"training accuracy {row['train_accuracy']:.4f}{validation}  {row['seconds']:.0f} s"
            )
        return Trained(training.finish(), training.done.history, training.computed_in)


class Training:
    """The state of one training, which a checkpoint holds, and the steps that change it."""

    def __init__(
        self,
        recipe: Recipe,
        images: ImageSet,
        device: torch.device,
        start: Detector | None = None,
    ) -> None:
        self.recipe, self.device, self.side = recipe, device, images.side
        # a side that no detector can have is refused before the training
        Preprocessing(images.side)
        if recipe.shift >= images.side:
            raise ValueError(f"shift cannot be {recipe.shift} on images of {images.side} pixels a side")
        self.file = checkpoint_file(recipe, images)
        held = validation_split(images.rows["sha256"].to_numpy(), images.labels, recipe.validation, seed=recipe.seed)
        # pixels of a set that could not be cached are read once, and not in every epoch
        self.pixels = np.asarray(images.pixels)
        self.labels = torch.from_numpy(images.labels.astype(np.int64)).to(device)
        if held.all():
            raise ValueError(
                f"Holding out {recipe.validation:.0%} of each class leaves none of {len(images)} training images; use "
                "more images or hold out fewer."
            )
        self.train = torch.from_numpy(np.flatnonzero(~held))
        self.held = np.flatnonzero(held)
        self.mean, self.std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        if recipe.normalise == "dataset":
            self.mean, self.std = channel_statistics(images.pixels[np.flatnonzero(~held)])
        self.network, self.averaged = (build_for(recipe, images.side) for _ in range(2))
        self.format = fastest_format(self.network, device)
        if recipe.start_sha256 != ("" if start is None else start.sha256):
            raise ValueError("the recipe begins with the weights of another detector than the one that is given")
        if start is not None:
            self._check_start(start, images)
        for network in (self.network, self.averaged):
            if start is not None:
                network.load_state_dict(start.network.state_dict())
            move_network(network, device, self.format)
        self.networks = {"network": self.network, "averaged": self.averaged}
        self.optimizer = _optimizer(recipe, self.network)
        self.steps = recipe.epochs * _steps_an_epoch(len(self.train), recipe.batch_size)
        self.done = Progress()
        self._normalised = Normalisation(self.mean, self.std, device)

    def run_epoch(self, progress: Callable[[int, int, str], None] | None = None) -> dict[str, float]:
        """Train for one epoch and return its row of the history; arguments as for `fit`."""
        recipe, start = self.recipe, time.perf_counter()
        # order and augmentation depend only on seed and epoch, so a resumed training repeats them
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.done.epoch)
        order = self.train[torch.randperm(len(self.train), generator=generator)]
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device)
        seen = 0
        self.network.train()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            # some networks drop activations at random, from torch's own generator
            torch.manual_seed(generator.initial_seed())
            for indices in torch.split(order, recipe.batch_size):
                if len(indices) == 1 and len(order) > 1:
                    continue
                loss, logits, labels = self._step(indices, generator)
                loss_sum += loss.detach() * len(indices)
                correct += (logits.argmax(1) == labels).sum()
                seen += len(indices)
                if progress is not None and self.done.step % REPORT_EVERY == 0:
                    text = f"epoch {self.done.epoch + 1}/{recipe.epochs}  loss {float(loss_sum) / seen:.4f}"
                    progress(self.done.step, self.steps, text)
        self.done.epoch += 1
        if not np.isfinite(float(loss_sum)):
            raise TrainingInterrupted(f"The loss is not finite in epoch {self.done.epoch}; lower the learning rate.")
        row = {
            "epoch": self.done.epoch,
            "loss": float(loss_sum) / seen,
            "train_accuracy": float(correct) / seen,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        if len(self.held):
            row["val_accuracy"] = self._held_accuracy()
        row["seconds"] = time.perf_counter() - start
        self.done.history.append(row)
        self.done.computed.append(f"{precision_on(recipe, self.device)} on {self.device.type}")
        return row

    @property
    def computed_in(self) -> str:
        """Precision and device; of several each with its number of epochs."""
        counts = Counter(self.done.computed)
        if len(counts) < 2:
            return "".join(counts)
        return ", ".join(f"{where} ({n} epoch{'s' * (n > 1)})" for where, n in counts.items())

    def _step(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        recipe = self.recipe
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, self.done.step, self.steps)
        inputs, labels = self.batch(indices, generator)
        with autocast(recipe, self.device):
            logits = self.network(inputs)
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.done.step += 1
        # a training shorter than AVERAGE_EVERY steps is averaged once, at its end, or its random start would be kept
        if recipe.average and (self.done.step % AVERAGE_EVERY == 0 or self.done.step == self.steps < AVERAGE_EVERY):
            _average(self.averaged, self.network, recipe.average, self.done.step)
        return loss, logits, labels

    def batch(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return an augmented, normalised batch and its labels."""
        pixels = augment(self.recipe, self._floats(indices.numpy()), generator)
        return self._normalised(pixels).contiguous(memory_format=self.format), self.labels[indices.to(self.device)]

    def _floats(self, indices: NDArray[np.intp]) -> Tensor:
        # a set of large images may not fit into the memory of a GPU
        return torch.from_numpy(self.pixels[indices]).to(self.device).permute(0, 3, 1, 2).float()

    def _best(self) -> nn.Module:
        return self.averaged if self.recipe.average else self.network

    def _held_accuracy(self) -> float:
        """Compute the accuracy of the averaged network on the images held out."""
        network, correct = self._best().eval(), 0
        with torch.inference_mode(), autocast(self.recipe, self.device):
            for start in range(0, len(self.held), 512):
                indices = self.held[start : start + 512]
                predictions = network(self._normalised(self._floats(indices))).argmax(1)
                correct += int((predictions == self.labels[indices]).sum())
        return correct / len(self.held)

    def finish(self) -> Detector:
        """Return the detector, rounded to float16 and calibrated on the images held out."""
        network = self._best().eval()
        round_to_float16(network)
        preprocessing = Preprocessing(self.side, mean=self.mean, std=self.std)
        kind, config = architecture_of(self.recipe, self.side)
        detector = find_kind(kind).detector.from_about(network, About(kind, config, preprocessing), device=self.device)
        if len(self.held):
            margins = detector.margins(self.pixels[self.held])
            detector.temperature = fit_temperature(margins, self.labels[self.held].cpu().numpy())
        return detector

    def _check_start(self, start: Detector, images: ImageSet) -> None:
        """Refuse a detector whose weights this training cannot begin with."""
        recipe = self.recipe
        mine = {"training_set_fingerprint": images.fingerprint, "validation": recipe.validation, "seed": recipe.seed}
        if split_of(start.manifest) != mine:
            raise ValueError(
                f"{start.name} was trained on other images, among them such as are held out here; begin with a "
                "detector of this training set, with its --limit, --validation and --seed"
            )
        theirs = (start.preprocessing.mean, start.preprocessing.std)
        if not np.allclose(theirs, (self.mean, self.std), atol=1e-6) or start.classes != Classes():
            raise ValueError(f"{start.name} normalises images otherwise or has other classes than this recipe")
        shapes = [{name: v.shape for name, v in n.state_dict().items()} for n in (start.network, self.network)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"the weights of {start.name} do not fit the network of this recipe; begin with a detector of its "
                "architecture and width"
            )


def _average(averaged: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    # a short memory at first, or the random start would linger for a thousand steps
    weight = 1 - min(decay**AVERAGE_EVERY, (1 + step) / (50 + step))
    with torch.no_grad():
        for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)


def _steps_an_epoch(images: int, batch_size: int) -> int:
    full, rest = divmod(images, batch_size)
    return full + (rest > 1 or full == 0)


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, recipe.learning_rate)
    return torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9, nesterov=True)
