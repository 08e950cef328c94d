"""The training loop with its checkpoints; every hyper-parameter is in `recipe.py`."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from core.detectors.detector import Detector, Normalisation
from core.detectors.devices import fastest_format, move_network, pick_device
from core.detectors.manifest import About, Classes
from core.detectors.registry import find_kind
from core.detectors.resnet import round_to_float16
from core.images.image_set import ImageSet
from core.images.preprocessing import Preprocessing
from core.storage import cache_dir, check_file, only_writer, write_bytes_atomically
from core.training.held_out import channel_statistics, fit_temperature, split_of, validation_split
from core.training.recipe import Recipe, architecture_of, augment, autocast, build_for, learning_rate, precision_on

# weights move little in five steps, and averaging at every step costs 4 %
AVERAGE_EVERY = 5
# steps from one call of `progress` to the next
REPORT_EVERY = 10
# bytes of a checkpoint: the network, its average and the optimizer's state in float32
LARGEST = 2**35


class TrainingInterrupted(RuntimeError):
    """A training that stopped early or cannot continue; the message says what is kept and how to continue."""


@dataclass
class Progress:
    """How far a training is.

    Attributes:
        epoch: epochs done.
        step: steps done.
        history: a row per epoch.
        computed: precision and device of each epoch.
    """

    epoch: int = 0
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)


def fit(
    recipe: Recipe,
    images: ImageSet,
    *,
    start: Detector | None = None,
    device: str = "auto",
    resume: bool = False,
    report: Callable[[str], None] = print,
    progress: Callable[[int, int, str], None] | None = None,
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
        return training.finish()


class Training:
    """The state of one training, which a checkpoint holds, and the steps that change it."""

    def __init__(self, recipe: Recipe, images: ImageSet, device: torch.device, start: Detector | None = None) -> None:
        self.recipe, self.device = recipe, device
        if recipe.shift >= images.side:
            raise ValueError(f"shift cannot be {recipe.shift} on images of {images.side} pixels a side")
        self.file = checkpoint_file(recipe, images)
        held = validation_split(images.rows["sha256"].to_numpy(), images.labels, recipe.validation, seed=recipe.seed)
        if held.all():
            raise ValueError(
                f"Holding out {recipe.validation:.0%} of each class leaves none of {len(images)} training images; use "
                "more images or hold out fewer."
            )
        # pixels of a set that could not be cached are read once, and not in every epoch
        self.pixels = np.asarray(images.pixels)
        self.labels = torch.from_numpy(images.labels.astype(np.int64)).to(device)
        self.train, self.held = torch.from_numpy(np.flatnonzero(~held)), np.flatnonzero(held)
        # a side that no detector can have is refused before the training
        self.preprocessing = Preprocessing(images.side)
        if recipe.normalise == "dataset":
            mean, std = channel_statistics(images.pixels[np.flatnonzero(~held)])
            self.preprocessing = Preprocessing(images.side, mean=mean, std=std)
        self.network, self.averaged = (build_for(recipe, images.side) for _ in range(2))
        self.format = fastest_format(self.network, device)
        if start is not None or recipe.start_sha256:
            self._begin_with(start, images)
        for network in (self.network, self.averaged):
            move_network(network, device, self.format)
        self.networks = {"network": self.network, "averaged": self.averaged}
        self.best = self.averaged if recipe.average else self.network
        groups: list[dict[str, object]] = [
            {"params": [p for p in self.network.parameters() if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in self.network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer: torch.optim.Optimizer = (
            torch.optim.Adam(groups, recipe.learning_rate)
            if recipe.optimizer == "adam"
            else torch.optim.SGD(groups, recipe.learning_rate, momentum=0.9, nesterov=True)
        )
        full, rest = divmod(len(self.train), recipe.batch_size)
        self.steps = recipe.epochs * (full + (rest > 1 or full == 0))
        self.done = Progress()
        self._normalised = Normalisation(self.preprocessing.mean, self.preprocessing.std, device)

    def _begin_with(self, start: Detector | None, images: ImageSet) -> None:
        """Load a detector's weights, or refuse one that is another than the recipe's or does not fit."""
        recipe = self.recipe
        if start is None or recipe.start_sha256 != start.sha256:
            raise ValueError("the recipe begins with the weights of another detector than the one that is given")
        split = {"training_set_fingerprint": images.fingerprint, "validation": recipe.validation, "seed": recipe.seed}
        same = [
            np.allclose(getattr(start.preprocessing, key), getattr(self.preprocessing, key), atol=1e-6)
            for key in ("mean", "std")
        ]
        try:
            if split_of(start.manifest) != split or not all(same) or start.classes != Classes():
                raise ValueError("it was trained on other images, among them such as are held out here")
            for network in (self.network, self.averaged):
                network.load_state_dict(start.network.state_dict())
        except (ValueError, RuntimeError) as error:
            reason = error if isinstance(error, ValueError) else "its weights do not fit the network of this recipe"
            raise ValueError(
                f"the training cannot begin with {start.name}: {reason}; name a detector of this architecture, width "
                "and training set, with its --limit, --validation and --seed"
            ) from None

    def run_epoch(self, progress: Callable[[int, int, str], None] | None = None) -> dict[str, float]:
        """Train for one epoch and return its row of the history; arguments as for `fit`."""
        recipe, start = self.recipe, time.perf_counter()
        # order and augmentation depend only on seed and epoch, so a resumed training repeats them
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.done.epoch)
        order = self.train[torch.randperm(len(self.train), generator=generator)]
        loss_sum, correct = (torch.zeros((), device=self.device) for _ in range(2))
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
            # a short memory at first, or the random start would linger for a thousand steps
            weight = 1 - min(recipe.average**AVERAGE_EVERY, (1 + self.done.step) / (50 + self.done.step))
            values = zip(self.averaged.state_dict().values(), self.network.state_dict().values(), strict=True)
            with torch.no_grad():
                for mean, value in values:
                    mean.copy_(mean.lerp(value, weight) if mean.is_floating_point() else value)
        return loss, logits, labels

    def batch(self, indices: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return an augmented, normalised batch and its labels."""
        pixels = augment(self.recipe, self._floats(indices.numpy()), generator)
        return self._normalised(pixels).contiguous(memory_format=self.format), self.labels[indices.to(self.device)]

    def _floats(self, indices: NDArray[np.intp]) -> Tensor:
        # a set of large images may not fit into the memory of a GPU
        return torch.from_numpy(self.pixels[indices]).to(self.device).permute(0, 3, 1, 2).float()

    def _held_accuracy(self) -> float:
        """Compute the accuracy of the averaged network on the images held out."""
        network, correct = self.best.eval(), 0
        with torch.inference_mode(), autocast(self.recipe, self.device):
            for start in range(0, len(self.held), 512):
                indices = self.held[start : start + 512]
                predictions = network(self._normalised(self._floats(indices))).argmax(1)
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
        counts = Counter(self.done.computed)
        epochs = {where: f" ({n} epoch{'s' * (n > 1)})" if len(counts) > 1 else "" for where, n in counts.items()}
        detector.manifest = {
            "recipe": self.recipe.settings(),
            "history": self.done.history,
            "computed_in": ", ".join(where + suffix for where, suffix in epochs.items()),
        }
        return detector


def checkpoint_file(recipe: Recipe, images: ImageSet) -> Path:
    """Return the checkpoint's path: one per recipe and training set."""
    key = hashlib.sha256(json.dumps([recipe.settings(), images.fingerprint]).encode()).hexdigest()[:16]
    return cache_dir() / "checkpoints" / f"{recipe.name}-{key}.safetensors"


def write_checkpoint(
    file: Path, networks: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write the networks under their names, the optimizer's state, and the progress.

    Raises:
        WriteError: the file cannot be written; one that was there is kept.
    """
    tensors = {f"{name}.{key}": v for name, network in networks.items() for key, v in network.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in state.items()}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    data = save(tensors, {"training": json.dumps(asdict(progress))})
    write_bytes_atomically(file, lambda path: path.write_bytes(data))


def read_checkpoint(file: Path, networks: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> Progress:
    """Load the networks and the optimizer's state in place, and return the progress.

    Raises:
        TrainingInterrupted: the file cannot be read, is damaged, or is of another version.
    """
    try:
        check_file(file, limit=LARGEST)
        with safe_open(file, framework="pt", device="cpu") as opened:
            done = json.loads(opened.metadata()["training"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        for name, network in networks.items():
            prefix = f"{name}."
            network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        state = optimizer.state_dict() | {"state": {}}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state["state"].setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict(state)
        for parameter, moments in optimizer.state.items():
            for key, value in moments.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    # in the weights' memory format, as in an uninterrupted training
                    moments[key] = torch.empty_like(parameter).copy_(value)
        # absent from checkpoints of older versions
        return Progress(**{"computed": ["unknown"] * done["epoch"]} | done)
    except OSError as error:
        raise TrainingInterrupted(
            f"The checkpoint {file} cannot be read ({error}); it is kept, so see to that and try again."
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        raise TrainingInterrupted(
            f"The checkpoint {file} is damaged or of another version; delete it to start again."
        ) from None
