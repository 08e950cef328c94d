"""The classes of a network's outputs, and which of them are FAKE. Needs no torch."""

from dataclasses import dataclass
from typing import Literal, get_args

Outputs = Literal["logits", "probabilities"]
MAX_CLASSES = 10_000


@dataclass(frozen=True)
class Classes:
    """The classes of a network, one per output.

    Attributes:
        names: one per output, in order; for a network with a single output, the class that it scores.
        fake: the names that count as FAKE; all others count as REAL.
        outputs: the type of the outputs, "logits" or "probabilities" (after a sigmoid or a softmax).
    """

    names: tuple[str, ...] = ("FAKE", "REAL")
    fake: tuple[str, ...] = ("FAKE",)
    outputs: Outputs = "logits"

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= MAX_CLASSES or len(set(self.names)) < len(self.names):
            raise ValueError("classes must be distinct names")
        if self.outputs not in get_args(Outputs):
            raise ValueError(f"outputs must be {' or '.join(get_args(Outputs))}, not {self.outputs!r}")
        if not set(self.fake) <= set(self.names) or len(set(self.fake)) < len(self.fake):
            raise ValueError(f"{', '.join(map(repr, self.fake))} must be among the classes")
        if len(self.names) > 1 and not 0 < len(self.fake) < len(self.names):
            raise ValueError("of two or more classes at least one must be FAKE and one REAL")

    @property
    def fake_outputs(self) -> tuple[int, ...]:
        """Indices of the outputs that speak for FAKE."""
        return tuple(number for number, name in enumerate(self.names) if name in self.fake)

    @property
    def real_outputs(self) -> tuple[int, ...]:
        """Indices of the outputs that speak for REAL."""
        return tuple(number for number, name in enumerate(self.names) if name not in self.fake)
