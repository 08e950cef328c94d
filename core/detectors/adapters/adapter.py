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
    """A source that leaves something open.

    Attributes:
        options: of the command line that say it.
    """

    def __init__(self, source: str, options: tuple[str, ...]) -> None:
        super().__init__(f"{source} does not say everything; say it with {', '.join(options)}")
        self.options = options


@dataclass(frozen=True)
class Request:
    """What a user says of a detector.

    Attributes:
        source: SOURCE of the command line.
        weights: a file of weights, for sources that have none of their own.
        classes: names of the outputs, in their order.
        fake: those of them that are FAKE.
        outputs: what the network gives.
        output_name: of a network with several outputs.
        preprocess: fields of `Preprocessing`, and "scale".
        may_run_code: True where the user has said that code may run.
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
    """A source's network, and what the source says of it.

    Attributes:
        network: maps (N, 3, S, S) to (N, K), with its weights.
        config: JSON-able settings from which the kind builds it again.
        preprocess: those fields of `Preprocessing` that the source states, and "scale", by which pixels of 0..255 are
            multiplied before the mean is subtracted.
        classes: names of the outputs, None where the source does not say.
        outputs: what the network gives, None where the source does not say.
    """

    network: nn.Module
    config: Mapping[str, Any]
    preprocess: Mapping[str, Any] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    outputs: Outputs | None = None


@dataclass(frozen=True)
class Adapter:
    """The side of a kind that reads sources.

    Attributes:
        source: how such a source is written, for help and messages.
        takes: whether a source is of this kind.
        read: request -> network and what the source says; raises SourceError.
    """

    source: str
    takes: Callable[[str], bool]
    read: Callable[[Request], Brought]


class Stored(nn.Module):
    """The bytes of a file as part of a network's state: at "model" with suffix "onnx" it is stored as `model.onnx`."""

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
