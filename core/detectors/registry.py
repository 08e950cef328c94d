"""The registry of detector kinds. The module of a kind is imported when it is needed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.detectors.adapters.adapter import Adapter
    from core.detectors.network import NetworkDetector

# name -> the module that defines it as `KIND`
KINDS: dict[str, str] = {
    "resnet": "core.detectors.resnet",
    "transformers": "core.detectors.adapters.transformers_folder",
    "timm": "core.detectors.adapters.timm_name",
    "torchvision": "core.detectors.adapters.torchvision_name",
    "onnx": "core.detectors.adapters.onnx_file",
    "python": "core.detectors.adapters.python_code",
}


@dataclass(frozen=True)
class Kind:
    """A kind of detector, built from its manifest.

    Attributes:
        name: a key of `KINDS`.
        describe: settings -> a description in words; raises ValueError for impossible settings.
        build: settings plus the contents of `files` by name -> the network; stored weights are loaded afterwards.
        wrap: (network, `About`, temperature=, manifest=, device=) -> the detector.
        shapes: settings -> shapes of weights to check before the network is built.
        is_halved: (weight, its name) -> whether the file stores it as float16.
        files: uint8 entries of the network's state that are stored as separate files of the same name.
        adapter: reads sources of this kind for `python -m core.detectors add`; None if it cannot add them.
    """

    name: str
    describe: Callable[[Mapping[str, Any]], str]
    build: Callable[[Mapping[str, Any]], "nn.Module"]
    wrap: "Callable[..., NetworkDetector]"
    shapes: Callable[[Mapping[str, Any]], Mapping[str, tuple[int, ...]]] = lambda _config: {}
    is_halved: "Callable[[Tensor, str], bool]" = lambda _tensor, _name: False
    files: tuple[str, ...] = ()
    adapter: "Adapter | None" = None


def find_kind(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in KINDS:
        raise ValueError(f"there is no kind of detector {name!r}; there are {', '.join(KINDS)}")
    kind: Kind = import_module(KINDS[name]).KIND
    return kind
