"""Checkpoints of a training: one file for each recipe and training set, in the cache."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from core.images.image_set import ImageSet
from core.storage import cache_dir, check_file, write_bytes_atomically
from core.training.recipe import Recipe

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
            state = json.loads(opened.metadata()["training"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
        for name, network in networks.items():
            prefix = f"{name}."
            network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        _load_optimizer(optimizer, {n: t for n, t in tensors.items() if n.startswith("optimizer.")})
        # absent from checkpoints of older versions
        computed = state.get("computed", ["unknown"] * state["epoch"])
        return Progress(state["epoch"], state["step"], state["history"], computed)
    except OSError as error:
        raise TrainingInterrupted(
            f"The checkpoint {file} cannot be read ({error}); it is kept, so see to that and try again."
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError):
        raise TrainingInterrupted(
            f"The checkpoint {file} is damaged or of another version; delete it to start again."
        ) from None


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state = optimizer.state_dict()
    state["state"] = {}
    for name, tensor in tensors.items():
        _, index, key = name.split(".", 2)
        state["state"].setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for key, value in moments.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # in the weights' memory format, as in an uninterrupted training
                moments[key] = torch.empty_like(parameter).copy_(value)
