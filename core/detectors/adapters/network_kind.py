"""The kind of a detector that is any network."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from core.detectors.adapters.adapter import Adapter
from core.detectors.manifest import About
from core.detectors.network import NetworkDetector
from core.detectors.registry import Kind


def make_kind(
    detector: type[NetworkDetector],
    build: Callable[[Mapping[str, Any]], nn.Module],
    adapter: Adapter,
    *,
    describe: Callable[[Mapping[str, Any]], str],
    files: tuple[str, ...] = (),
) -> Kind:
    """Make a `Kind` whose network may be any torch module.

    Args:
        detector: the class of the detectors, with its `kind`.
        build: settings and the contents of `files` -> the network.
        adapter: reads sources of this kind.
        describe: settings -> a description in words.
        files: see `Kind`.
    """

    def wrap(network: nn.Module, about: About, **more: Any) -> NetworkDetector:
        layer = about.target_layer or None
        return detector(network, about.preprocessing, about.classes, config=about.config, target_layer=layer, **more)

    return Kind(detector.kind, describe=describe, build=build, wrap=wrap, files=files, adapter=adapter)
