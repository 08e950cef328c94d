"""The Adapter: how one kind of source becomes a network with settings, and what the source says of itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.detectors.classes import Outputs


class SourceError(ValueError):
    """A source that cannot become a detector; the message says what is wrong with it and what to do."""


class OpenError(SourceError):
    """A source that does not state every required setting.

    Attributes:
        options: the command-line options that supply the missing settings.
    """

    def __init__(self, source: str, options: tuple[str, ...]) -> None:
        super().__init__(f"{source} does not say everything; say it with {', '.join(options)}")
        self.options = options


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


@dataclass(frozen=True)
class Adapter:
    """The part of a `Kind` that reads sources.

    Attributes:
        source: the form of such a source, for help and error messages.
        takes: source -> whether it is of this kind.
        read: request -> the network and the settings that the source states; raises SourceError.
    """

    source: str
    takes: Callable[[str], bool]
    read: Callable[[Request], Brought]


class Stored(nn.Module):
    """A file's bytes as a buffer in a network: as submodule "model" with suffix "onnx" it is saved as `model.onnx`."""

    def __init__(self, suffix: str, data: bytes) -> None:
        super().__init__()
        self.register_buffer(suffix, torch.frombuffer(bytearray(data), dtype=torch.uint8))


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
        missing = not isinstance(error, ModuleNotFoundError) or error.name != package
        why = f" ({package} is installed and cannot be imported: {error})" if missing else ""
        raise SourceError(f"{purpose} needs the package {package}: pip install {package}{why}") from None


def version_of(package: str) -> str:
    """Return an installed package's version."""
    return version(package)


def stated(config: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    """Return settings of a stored detector.

    Raises:
        ValueError: one is missing.
    """
    if missing := [name for name in names if name not in config]:
        raise ValueError(f"its architecture lacks {missing[0]}")
    return tuple(config[name] for name in names)
