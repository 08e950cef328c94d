"""The registry of detector kinds, and what a kind reads from sources that others made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.detectors.detector import Detector
from core.detectors.manifest import Outputs
from core.storage import printable

# name -> the module that defines it as `KIND`, or module:NAME; it is imported when it is needed
KINDS: dict[str, str] = {
    "resnet": "core.detectors.resnet",
    "transformers": "core.detectors.sources.transformers_folder",
    "timm": "core.detectors.sources.libraries:TIMM",
    "torchvision": "core.detectors.sources.libraries:TORCHVISION",
    "onnx": "core.detectors.sources.onnx_file",
    "python": "core.detectors.sources.python_code",
}


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
        output_name: the output with the scores, for an ONNX file with several.
        preprocess: fields of `Preprocessing`, and "scale".
        may_run_code: True if the user allowed running the source's code.
    """

    source: str
    weights: Path | None = None
    classes: tuple[str, ...] | None = None
    fake: tuple[str, ...] | None = None
    outputs: Outputs | None = None
    output_name: str | None = None
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    may_run_code: bool = False


@dataclass(frozen=True)
class Brought:
    """A source's network and the settings that the source states.

    Attributes:
        network: maps (N, 3, S, S) to (N, K), with its weights.
        config: JSON-able settings from which its kind rebuilds the network.
        preprocess: those fields of `Preprocessing` that the source states, and "scale", by which pixels of 0..255 are
            multiplied before the mean is subtracted.
        classes: names of the outputs, in order; None if the source does not state them.
        outputs: "logits" or "probabilities"; None if the source does not state which.
    """

    network: nn.Module
    config: Mapping[str, Any]
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    outputs: Outputs | None = None


class Stored(nn.Module):
    """A file's bytes as a buffer in a network: as submodule "model" with suffix "onnx" it is saved as `model.onnx`."""

    def __init__(self, suffix: str, data: bytes) -> None:
        super().__init__()
        self.register_buffer(suffix, torch.frombuffer(bytearray(data), dtype=torch.uint8))


@dataclass(frozen=True)
class Kind:
    """A kind of detector: how to build its network from a manifest, and from sources that others made.

    Attributes:
        detector: its class; the class's `kind` is a key of `KINDS`.
        build: settings plus the contents of `files` by name -> the network; stored weights are loaded afterwards,
            into a network on torch's meta device too.
        describe: settings -> a description in words; raises ValueError for impossible settings.
        files: uint8 entries of the network's state that are stored as separate files of the same name.
        source: the form of the sources that `python -m core detectors add` takes; "" where there are none.
        takes: source -> whether it is of this kind.
        read: request -> the network and the settings that the source states; raises SourceError.
    """

    detector: type[Detector]
    build: Callable[[Mapping[str, Any]], nn.Module]
    describe: Callable[[Mapping[str, Any]], str]
    files: tuple[str, ...] = ()
    source: str = ""
    takes: Callable[[str], bool] = lambda _source: False
    read: Callable[[Request], Brought] | None = None


def find_kind(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind of detector {name!r}; there are {', '.join(KINDS)}")
    module, _, attribute = KINDS[name].partition(":")
    kind: Kind = getattr(import_module(module), attribute or "KIND")
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


def stated(config: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    """Return settings of a stored detector.

    Raises:
        ValueError: one is missing.
    """
    if missing := [name for name in names if name not in config]:
        raise ValueError(f"its architecture lacks {missing[0]}")
    return tuple(config[name] for name in names)


def first_line(error: Exception) -> str:
    """Return the first line of what a library of others says, or the error's type."""
    return printable(str(error).strip().partition("\n")[0]) or type(error).__name__
