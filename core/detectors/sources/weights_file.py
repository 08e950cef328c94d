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

from core.detectors.registry import SourceError
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
        loaded: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise SourceError(
            f"{path} holds more than plain tensors and could run code, so it was not opened; save the network's "
            "state_dict as safetensors"
        ) from None
    except Exception as error:  # noqa: BLE001 - a damaged file makes torch raise anything
        raise SourceError(f"{path} is no whole file of torch ({type(error).__name__}); fetch it again") from None
    if isinstance(loaded, Mapping):
        loaded = next((loaded[key] for key in INSIDE if isinstance(loaded.get(key), Mapping)), loaded)
    if not isinstance(loaded, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in loaded.items()
    ):
        raise SourceError(f"{path} does not hold tensors by name; save the network's state_dict as safetensors")
    return dict(loaded)


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load weights by name into a network, in place; all must be present and fit.

    Raises:
        SourceError: a weight is missing, unknown, of another shape or not finite.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise SourceError(f"{printable(name)} holds a number that is not finite; save the weights again")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        # the first line names the class, the second the first weight that does not fit
        reason = printable(str(error).splitlines()[1].strip())[:200]
        raise SourceError(f"the weights do not fit the network ({reason}); check its name and the classes") from None
