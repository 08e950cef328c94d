"""The registry of detector kinds, and what a kind reads from sources that others made: settings and weights.

Weights are safetensors, or a `.pth` that holds plain tensors and nothing else; no file of weights is ever executed.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import Detector
from core.images.labels import Outputs
from core.storage.limits import LIMITS, printable, read_bytes

# name -> the module that defines it and its name there; it is imported when it is needed
KINDS = {
    "resnet": "core.detectors.resnet:KIND",
    "transformers": "core.detectors.libraries:TRANSFORMERS",
    "timm": "core.detectors.libraries:TIMM",
    "torchvision": "core.detectors.libraries:TORCHVISION",
    "onnx": "core.detectors.onnx_file:KIND",
    "python": "core.detectors.python_code:KIND",
    "function": "core.detectors.python_code:FUNCTION",
    "patch": "core.detectors.local_networks:PATCH",
    "ferretnet": "core.detectors.local_networks:FERRETNET",
    "layers": "core.detectors.layers:KIND",
}
# where training scripts put the weights in a file that holds more
INSIDE = ("state_dict", "model_state_dict", "model")
# what torch.nn.DataParallel puts before every name
PARALLEL = "module."


class SourceError(ValueError):
    """A source that cannot become a detector; the message says what is wrong with it and what to do."""


@dataclass(frozen=True)
class Request:
    """A user's request to add a detector; None where the user states nothing.

    Attributes:
        source: the command line's SOURCE.
        weights: a file of weights, for sources without their own.
        classes: names of the outputs, in order.
        fake: the classes that are FAKE.
        outputs: "logits" or "probabilities".
        threshold: see `Classes`.
        output_name: the output with the scores, for an ONNX file with several.
        preprocess: fields of `Preprocessing`.
        may_run_code: True if the user allowed running the source's code.
    """

    source: str
    weights: Path | None = None
    classes: tuple[str, ...] | None = None
    fake: tuple[str, ...] | None = None
    outputs: Outputs | None = None
    threshold: float | None = None
    output_name: str | None = None
    preprocess: Record = field(default_factory=dict)
    may_run_code: bool = False


@dataclass(frozen=True)
class Brought:
    """A source's network and the settings that the source states.

    Attributes:
        network: maps (N, 3, S, S) to (N, K), with its weights.
        config: JSON-able settings from which its kind rebuilds the network.
        preprocess: those fields of `Preprocessing` that the source states.
        classes: names of the outputs, in order; None if the source does not state them.
        outputs: "logits" or "probabilities"; None if the source does not state which.
        usual: options for the preprocessing that the source's library uses with weights of its own, which the source
            does not state: suggested, never taken.
    """

    network: nn.Module
    config: Record
    preprocess: Record = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    outputs: Outputs | None = None
    usual: Record = field(default_factory=dict)


class Stored(nn.Module):
    """A file's bytes as a buffer in a network: as submodule "model" with suffix "onnx" it is saved as `model.onnx`."""

    def __init__(self, suffix: str, data: bytes) -> None:
        super().__init__()
        self.register_buffer(suffix, torch.frombuffer(bytearray(data), dtype=torch.uint8))


@dataclass(frozen=True)
class Kind:
    """A kind of detector: how to build its network from a manifest, and from sources that others made.

    Attributes:
        build: settings plus the contents of `files` by name -> the network; stored weights are loaded afterwards,
            into a network on torch's meta device too. Raises ValueError for impossible settings.
        detector: its class.
        files: uint8 entries of the network's state that are stored as separate files of the same name.
        read: request -> the network and the settings that the source states; raises SourceError.
    """

    build: Callable[[Record], nn.Module]
    detector: type[Detector] = Detector
    files: tuple[str, ...] = ()
    read: Callable[[Request], Brought] | None = None


def find_kind(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind of detector {name!r}; there are {', '.join(KINDS)}")
    kind: Kind = resolve_name(KINDS[name])
    return kind


def require(package: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        package: its name, for Python and for pip.
        purpose: what needs it, as the beginning of a sentence.

    Raises:
        SourceError: it is not installed, or cannot be imported.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise SourceError(f"{purpose} needs the package {package}: pip install {package} ({error})") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read weights by name. Nothing in the file is executed: a pickle may hold tensors and plain containers alone.

    Raises:
        SourceError: the file is of another kind, or holds anything but tensors.
        OSError: it cannot be read, see `read_bytes`.
    """
    data = read_bytes(path, limit=LIMITS[".safetensors"])
    try:
        loaded: Any
        if path.suffix.lower() == ".safetensors":
            loaded = load(data)
        else:
            loaded = torch.load(io.BytesIO(data), "cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - a damaged or unsafe file makes both raise anything
        raise SourceError(
            f"{path} is no whole file of plain tensors, and nothing in it was run ({type(error).__name__}); save the "
            "network's state_dict as safetensors"
        ) from None
    if isinstance(loaded, Mapping):
        loaded = next((loaded[key] for key in INSIDE if isinstance(loaded.get(key), Mapping)), loaded)
    plain = isinstance(loaded, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in loaded.items()
    )
    if not plain or not loaded:
        raise SourceError(f"{path} does not hold tensors by name; save the network's state_dict as safetensors")
    if all(name.startswith(PARALLEL) for name in loaded):
        return {name.removeprefix(PARALLEL): tensor for name, tensor in loaded.items()}
    return dict(loaded)


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], file: Path) -> None:
    """Load weights by name into a network, in place, or into one on the meta device; all must be present and fit.

    Args:
        network: to load into.
        tensors: the weights.
        file: that holds them, for the message.

    Raises:
        SourceError: a weight is missing, unknown, of another shape or not finite.
    """
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise SourceError(f"{file} holds a number in {printable(name)} that is not finite; restore it")
    meta = any(parameter.is_meta for parameter in network.parameters())
    if meta:
        # a network without memory gets these tensors themselves, as float32 and in memory that can be written
        tensors = {name: torch.empty(tensor.shape).copy_(tensor) for name, tensor in tensors.items()}
    try:
        network.load_state_dict(tensors, assign=meta)
    except RuntimeError as error:
        # torch's first line names the class alone; each of the others is a reason
        reason = printable("; ".join(line.strip().rstrip(".") for line in str(error).splitlines()[1:]))[:300]
        raise SourceError(
            f"{file} does not hold the weights of this network ({reason}); check its name and classes, or restore it"
        ) from None


def load_in_order(network: nn.Module, request: Request) -> None:
    """Load a request's weights into its network in the order of the layers, whatever their authors called them.

    Raises:
        SourceError: there are none, or they do not fit.
    """
    if request.weights is None:
        raise SourceError(f"{request.source} does not say everything; say it with --weights")
    tensors = read_tensors(request.weights)
    names = list(network.state_dict())
    if len(tensors) != len(names):
        raise SourceError(f"{request.weights} holds {len(tensors)} tensors, and {request.source} has {len(names)}")
    load_weights(network, dict(zip(names, tensors.values(), strict=True)), request.weights)
