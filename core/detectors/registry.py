"""The registry of detector kinds. The module of a kind is imported when it is needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.detectors.network import NetworkDetector

# name -> the module that defines it as `KIND`
KINDS: dict[str, str] = {
    "resnet": "core.detectors.resnet",
}


@dataclass(frozen=True)
class Kind:
    """A kind of detector, built from its manifest.

    Attributes:
        name: a key of `KINDS`.
        describe: settings -> a description in words; raises ValueError for impossible settings.
        build: settings -> the network, with any weights.
        wrap: (network, `About`, temperature=, manifest=, device=) -> the detector.
        shapes: settings -> shapes of weights to check before the network is built.
        is_halved: (weight, its name) -> whether the file stores it as float16.
    """

    name: str
    describe: Callable[[Mapping[str, Any]], str]
    build: Callable[[Mapping[str, Any]], "nn.Module"]
    wrap: "Callable[..., NetworkDetector]"
    shapes: Callable[[Mapping[str, Any]], Mapping[str, tuple[int, ...]]] = lambda _config: {}
    is_halved: "Callable[[Tensor, str], bool]" = lambda _tensor, _name: False


def find_kind(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind of detector {name!r}; there are {', '.join(KINDS)}")
    kind: Kind = import_module(KINDS[name]).KIND
    return kind
