"""The properties of a detector that explanation methods depend on."""

from collections.abc import Mapping
from typing import Protocol

from core.detectors.capabilities import Capability


class Offers(Protocol):
    """The properties of a detector that an explanation method checks before it runs; every `Detector` has them."""

    @property
    def side(self) -> int:
        """Pixels along each side of its square input."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Its capabilities."""

    @property
    def layers(self) -> Mapping[str, tuple[int, int]]:
        """The layers that a class activation map can be read from: module name -> positions (height, width)."""

    @property
    def target_layer(self) -> str:
        """The default layer to explain, one of `layers`; "" where it has none."""
