"""The kinds of detectors that there are, by name. A kind's module is read when it is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.detectors.network import NetworkDetector

# name -> the module that holds it as `KIND`
KINDS: dict[str, str] = {
    "resnet": "core.detectors.resnet",
}


@dataclass(frozen=True)
class Kind:
    """One kind of detector: how it is built from its manifest.

    Attributes:
        name: a key of `KINDS`.
        told: what it is, in words, from its settings; raises ValueError where these cannot be.
        build: its network with any weights, from its settings.
        wrap: (network, what its manifest says, temperature=, manifest=, device=) -> the detector.
        shapes: weights that must have these shapes before a network is built for them.
        is_halved: (weight, its name) -> whether the file keeps it in float16.
    """

    name: str
    told: Callable[[Mapping[str, Any]], str]
    build: Callable[[Mapping[str, Any]], "nn.Module"]
    wrap: "Callable[..., NetworkDetector]"
    shapes: Callable[[Mapping[str, Any]], Mapping[str, tuple[int, ...]]] = lambda _config: {}
    is_halved: "Callable[[Tensor, str], bool]" = lambda _tensor, _name: False


def find_kind(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind of detector {name!r}; there are {', '.join(KINDS)}")
    kind: Kind = import_module(KINDS[name]).KIND
    return kind
