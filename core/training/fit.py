"""The training loop with its checkpoints; every hyper-parameter is in `recipe.py`."""

import json
import time
from collections import defaultdict
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from core.arrays import Positions
from core.detectors.detector import Detector, fastest_format, move_network, normalise, pick_device
from core.detectors.manifest import About, Classes
from core.detectors.registry import find_kind, load_weights
from core.detectors.resnet import round_to_float16
from core.images.image_set import ImageSet
from core.images.preprocessing import Preprocessing
from core.storage.atomic import cache_dir, only_writer, write_data
from core.storage.limits import digest_of, first_line
from core.storage.shards import ShardProgress, silent
from core.training.held_out import channel_statistics, fit_temperature, split_of, validation_split
from core.training.recipe import Recipe, architecture_of, augment, autocast, build_for, learning_rate, precision_on

# weights move little in five steps, and averaging at every step costs 4 %
AVERAGE_EVERY = 5
# steps from one call of `progress` to the next
REPORT_EVERY = 10


class TrainingInterrupted(ValueError):
    """A training that stopped early or cannot continue; the message says what is kept and how to continue."""


def fit(
    recipe: Recipe,
    images: ImageSet,
    *,
    start: Detector | None = None,
    device: str = "auto",
    resume: bool = False,
    report: Callable[[str], None] = print,
    progress: ShardProgress = silent,
) -> Detector:
    """Train a detector; its checkpoint stays until `checkpoint_file` is removed.

    Args:
        recipe: every hyper-parameter.
        images: the training split.
        start: the detector of `recipe.start` and `recipe.start_sha256`, trained on the same images.
        device: "auto", "cpu", "cuda", "mps".
        resume: continue from the last checkpoint; on one CPU this gives the weights of an uninterrupted training.
        report: called with a line per epoch.
        progress: called with (steps done, all steps, text) every tenth step.

    Returns:
        The detector, rounded to float16, not saved yet. Its manifest has the recipe, the history (a row per epoch), and
        precision and device under `computed_in`.

    Raises:
        TrainingInterrupted: a checkpoint exists and `resume` is not set, or the loss is not finite.
        TakenError: another process is at this very training.
        ValueError: there is no such device here, `start` is not the recipe's or does not fit, or holding images out
            leaves none to train on.
    """
    training = Training(recipe, images, pick_device(device), start)
    with only_writer(training.file):
        if training.file.exists():
            if not resume:
                raise TrainingInterrupted(
                    f"There is a checkpoint ({training.file}); pass --resume to continue, or delete it to begin again."
                )
            training.read_checkpoint()
            report(f"Continuing after epoch {training.epoch} of {recipe.epochs}.")
        while training.epoch < recipe.epochs:
            row = training.run_epoch(progress)
            training.write_checkpoint()
            text = f"epoch {training.epoch}/{recipe.epochs}  loss {row['loss']:.4f}"
            text += f"  training accuracy {row['train_accuracy']:.4f}"
            if "val_accuracy" in row:
                text += f"  validation accuracy {row['val_accuracy']:.4f}"
            report(f"{text}  {row['seconds']:.0f} s")
        return training.finish()


class Training:
    """The state of one training, which a checkpoint holds, and the steps that change it.

    Attributes:
        step, steps: steps done, and all.
        history: a row per epoch done.
        networks: the trained one, and the moving average of its weights.
    """

    def __init__(self, recipe: Recipe, images: ImageSet, device: torch.device, start: Detector | None = None) -> None:
        self.recipe = recipe
        self.device = device
        self.file = checkpoint_file(recipe, images)
        self.step = 0
        self.history = list[dict[str, float]]()
        if recipe.shift >= images.side:
            raise ValueError(f"shift cannot be {recipe.shift} on images of {images.side} pixels a side")
        held = validation_split(images.rows["sha256"].to_numpy(), images.labels, recipe.validation, seed=recipe.seed)
        if held.all():
            raise ValueError(
                f"Holding out {recipe.validation:.0%} of each class leaves none of {len(images)} training images; use "
                "more images or hold out fewer."
            )
        # pixels of a set that could not be cached are read once, and not in every epoch
        self.pixels = np.asarray(images.pixels)
        self.labels = torch.from_numpy(images.labels.astype(np.int64)).to(device)
        self.train = torch.from_numpy(np.flatnonzero(~held))
        self.held = np.flatnonzero(held)
        self.preprocessing = Preprocessing(images.side)
        if recipe.normalise == "dataset":
            mean, std = channel_statistics(self.pixels[~held])
            self.preprocessing = replace(self.preprocessing, mean=mean, std=std)
        self.network = build_for(recipe, images.side)
        if start is not None:
            self._begin_with(start, images)
        self.format = fastest_format(self.network, device)
        move_network(self.network, device, self.format)
        self.averaged = deepcopy(self.network)
        self.networks = nn.ModuleDict({"network": self.network, "averaged": self.averaged})
        self.best = self.averaged if recipe.average else self.network
        groups = [
            {"params": [p for p in self.network.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in self.network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer: torch.optim.Optimizer
        if recipe.optimizer == "adam":
            self.optimizer = torch.optim.Adam(groups, recipe.learning_rate)
        else:
            self.optimizer = torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9, nesterov=True)
        full, rest = divmod(len(self.train), recipe.batch_size)
        self.steps = recipe.epochs * (full + (rest > 1 or full == 0))

    def _begin_with(self, start: Detector, images: ImageSet) -> None:
        """Load a detector's weights, or refuse one that was trained otherwise or does not fit."""
        split = split_of({"training_set_fingerprint": images.fingerprint, "recipe": asdict(self.recipe)})
        theirs = start.preprocessing
        own = self.preprocessing
        same = np.allclose([*theirs.mean, *theirs.std], [*own.mean, *own.std], atol=1e-6) and start.classes == Classes()
        if not same or split_of(start.manifest) != split:
            raise ValueError(
                f"the training cannot begin with {start.name}: it was trained on other images, among them such as are "
                "held out here; name a detector of this training set, with its --limit, --validation and --seed"
            )
        load_weights(self.network, start.network.state_dict(), Path(start.name))

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    def run_epoch(self, progress: ShardProgress = silent) -> dict[str, float]:
        """Train for one epoch and return its row of the history; arguments as for `fit`."""
        recipe = self.recipe
        begun = time.perf_counter()
        epoch = self.epoch
        # order and augmentation depend only on seed and epoch, so a resumed training repeats them
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + epoch)
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
                for group in self.optimizer.param_groups:
                    group["lr"] = learning_rate(recipe, self.step, self.steps)
                inputs = normalise(augment(recipe, self._floats(indices.numpy()), generator), self.preprocessing)
                labels = self.labels[indices.to(self.device)]
                with autocast(recipe, self.device):
                    logits = self.network(inputs.contiguous(memory_format=self.format))
                loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
                self.optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                self.step += 1
                self._average()
                loss_sum += loss.detach() * len(indices)
                correct += (logits.argmax(1) == labels).sum()
                seen += len(indices)
                if self.step % REPORT_EVERY == 0:
                    loss_now = float(loss_sum) / seen
                    progress(self.step, self.steps, f"epoch {epoch + 1}/{recipe.epochs}  loss {loss_now:.4f}")
        if not np.isfinite(float(loss_sum)):
            raise TrainingInterrupted(f"The loss is not finite in epoch {epoch + 1}; lower the learning rate.")
        row = {
            "epoch": epoch + 1,
            "loss": float(loss_sum) / seen,
            "train_accuracy": float(correct) / seen,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        if len(self.held):
            row["val_accuracy"] = self._held_accuracy()
        row["seconds"] = time.perf_counter() - begun
        self.history.append(row)
        return row

    def _average(self) -> None:
        """Move the averaged network towards the trained one, every few steps."""
        step = self.step
        # a training shorter than AVERAGE_EVERY steps is averaged once, at its end, or its random start would be kept
        if not self.recipe.average or (step % AVERAGE_EVERY and not step == self.steps < AVERAGE_EVERY):
            return
        # a short memory at first, or the random start would linger for a thousand steps
        weight = 1 - min(self.recipe.average**AVERAGE_EVERY, (1 + step) / (50 + step))
        with torch.no_grad():
            states = self.averaged.state_dict().values(), self.network.state_dict().values()
            for mean, value in zip(*states, strict=True):
                if mean.is_floating_point():
                    mean.lerp_(value, weight)
                else:
                    mean.copy_(value)

    def _floats(self, indices: Positions) -> Tensor:
        # a set of large images may not fit into the memory of a GPU
        return torch.from_numpy(self.pixels[indices]).to(self.device).permute(0, 3, 1, 2).float()

    def _held_accuracy(self) -> float:
        """Compute the accuracy of the averaged network on the images held out."""
        network = self.best.eval()
        correct = 0
        with torch.inference_mode(), autocast(self.recipe, self.device):
            # 512 of 32 x 32 pixels, of larger ones fewer
            size = max(1, min(512, 2**19 // self.preprocessing.size**2))
            for indices in np.array_split(self.held, -(-len(self.held) // size)):
                predictions = network(normalise(self._floats(indices), self.preprocessing)).argmax(1)
                correct += int((predictions == self.labels[indices]).sum())
        return correct / len(self.held)

    def finish(self) -> Detector:
        """Return the detector, rounded to float16 and calibrated on the images held out; see `fit`."""
        round_to_float16(self.best.eval())
        kind, config = architecture_of(self.recipe, self.preprocessing.size)
        about = About(kind, config, self.preprocessing)
        detector = find_kind(kind).detector.from_about(self.best, about, device=self.device)
        if len(self.held):
            margins = detector.margins(self.pixels[self.held])
            detector.temperature = fit_temperature(margins, self.labels[self.held].cpu().numpy())
        detector.manifest = {
            "recipe": self.recipe.settings(),
            "history": self.history,
            "computed_in": f"{precision_on(self.recipe, self.device)} on {self.device.type}",
        }
        return detector

    def write_checkpoint(self) -> None:
        """Write the networks under their names, the optimizer's state, and the progress.

        Raises:
            WriteError: the file cannot be written; one that was there is kept.
        """
        tensors = self.networks.state_dict()
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        data = save(tensors, {"training": json.dumps([self.step, self.history])})
        write_data(self.file, data)

    def read_checkpoint(self) -> None:
        """Load the networks, the optimizer's state and the progress.

        Raises:
            TrainingInterrupted: the file cannot be read, is damaged, or is of another version.
        """
        weights = {}
        state: dict[int, dict[str, Tensor]] = defaultdict(dict)
        try:
            with safe_open(self.file, framework="pt", device="cpu") as opened:
                self.step, self.history = json.loads(opened.metadata()["training"])
                for name in opened.keys():  # noqa: SIM118 - no mapping
                    if name.startswith("optimizer."):
                        _, index, key = name.split(".")
                        state[int(index)][key] = opened.get_tensor(name)
                    else:
                        weights[name] = opened.get_tensor(name)
            self.networks.load_state_dict(weights)
            self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": state})
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise TrainingInterrupted(
                f"The checkpoint {self.file} cannot be used ({first_line(error)}); delete it to begin again"
            ) from None


def checkpoint_file(recipe: Recipe, images: ImageSet) -> Path:
    """Return the checkpoint's path: one per recipe and training set."""
    key = digest_of(json.dumps([recipe.settings(), images.fingerprint]))[:16]
    return cache_dir() / "checkpoints" / f"{recipe.name}-{key}.safetensors"
