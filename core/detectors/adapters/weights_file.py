"""Weights that others saved: safetensors, or a `.pth` that holds plain tensors and nothing else."""

import io
import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from core.detectors.adapters.adapter import SourceError
from core.detectors.weights import COUNTER
from core.storage import LIMITS, printable, read_bytes

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# where training scripts put the weights in a file that holds more
INSIDE = ("state_dict", "model_state_dict", "model")
# what torch.nn.DataParallel puts before every name
PARALLEL = "module."


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read weights by name. Nothing in the file is executed: a pickle may hold tensors and plain containers alone.

    Raises:
        SourceError: the file is missing, of another kind, or holds anything but tensors.
    """
    with suppress(RuntimeError):
        # of a user that does not exist
        path = path.expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(f"{path} is no file of weights; give a .safetensors, or a .pth of plain tensors")
    try:
        data = read_bytes(path, limit=LIMITS[".safetensors"])
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); check the name after --weights") from None
    if path.suffix.lower() == ".safetensors":
        try:
            tensors = load(data)
        except (SafetensorError, KeyError, ValueError, TypeError) as error:
            raise SourceError(f"{path} is no whole safetensors file ({error}); fetch it again") from None
    else:
        tensors = _unpickled(path, data)
    if not tensors:
        raise SourceError(f"{path} holds no weights; name the file with the trained network's")
    if all(name.startswith(PARALLEL) for name in tensors):
        tensors = {name.removeprefix(PARALLEL): tensor for name, tensor in tensors.items()}
    return tensors


def _unpickled(path: Path, data: bytes) -> dict[str, Tensor]:
    try:
        found: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise SourceError(
            f"{path} holds more than plain tensors and could run code, so it was not opened; save the network's "
            "state_dict as safetensors"
        ) from None
    except Exception as error:  # noqa: BLE001 - a damaged file makes torch raise anything
        raise SourceError(f"{path} is no whole file of torch ({type(error).__name__}); fetch it again") from None
    if isinstance(found, Mapping):
        found = next((found[key] for key in INSIDE if isinstance(found.get(key), Mapping)), found)
    if not isinstance(found, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in found.items()
    ):
        raise SourceError(f"{path} does not hold tensors by name; save the network's state_dict as safetensors")
    return dict(found)


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load weights into a network; all must be present and fit.

    Args:
        network: changed in place; weights are converted to its dtypes.
        tensors: by name.
        source: the file's name, for messages.

    Raises:
        SourceError: a weight is missing, unknown, of another shape or not finite; the message names the first.
    """
    state = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    given = {name: tensor for name, tensor in tensors.items() if not name.endswith(COUNTER)}
    what = "check the architecture and the classes"
    if lacking := [name for name in state if name not in given]:
        raise SourceError(f"{source} lacks {lacking[0]} and {len(lacking) - 1} more of the network's weights; {what}")
    if unknown := [name for name in given if name not in state]:
        first = printable(unknown[0])
        raise SourceError(f"{source} holds {first} and {len(unknown) - 1} more that the network does not have; {what}")
    for name, tensor in given.items():
        if tensor.shape != state[name].shape:
            sizes = " and the network's ".join(str(tuple(one.shape)) for one in (tensor, state[name]))
            raise SourceError(f"{source} holds {name} of shape {sizes}; {what}")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise SourceError(f"{source} holds a number in {name} that is not finite; save the weights again")
    network.load_state_dict(given, strict=False)
