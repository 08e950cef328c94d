"""What a detector offers to the methods that explain it."""

from collections.abc import Mapping
from typing import Protocol

from core.detectors.capabilities import Capability


class Offers(Protocol):
    """What a method needs to know of a detector before it runs; a `Detector` has all of it."""

    @property
    def side(self) -> int:
        """Pixels along each side of the square that it takes."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Its capabilities."""

    @property
    def layers(self) -> Mapping[str, tuple[int, int]]:
        """Layer -> positions (height, width)."""

    @property
    def target_layer(self) -> str:
        """The layer that is looked at unless another is asked for."""
