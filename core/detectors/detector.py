"""What a detector is: a network with its preprocessing, its classes and its target layer as data.

Its one number is the **margin**: above 0 the verdict is REAL, below FAKE. It is the logsumexp of the logits of all REAL
classes less that of all FAKE ones (for two classes logit_REAL - logit_FAKE), and plus or minus the logit where there is
a single output. What a detector can do beyond that, its `capabilities` say.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.detectors.capabilities import Capability
from core.detectors.classes import Classes
from core.detectors.identity import Identity
from core.detectors.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

FAKE, REAL = 0, 1
Progress = Callable[[int, int], None]


class Pass(NamedTuple):
    """What one full pass says of N images.

    Attributes:
        logits: float32 (N, 2), columns FAKE and REAL.
        features: float32 (N, C), the target layer averaged over its positions; None of a detector without layers.
        maps: float32 (N, h, w), the signed margin map at the target layer's positions: its channels weighted by what
            each does to the margin. Where a mean over the positions and one linear layer follow the target layer, a
            map's mean is the margin but for the bias (class activation mapping, Zhou et al. 2016). None of a detector
            without layers or gradients.
    """

    logits: NDArray[np.float32]
    features: NDArray[np.float32] | None
    maps: NDArray[np.float32] | None

    @property
    def margins(self) -> NDArray[np.float32]:
        """float32 (N,): logit_REAL - logit_FAKE."""
        return self.logits[:, REAL] - self.logits[:, FAKE]

    @property
    def needed_maps(self) -> NDArray[np.float32]:
        """The maps.

        Raises:
            ValueError: the detector gives none.
        """
        if self.maps is None:
            raise ValueError("this detector has no layers to read a map from; choose a method that needs none")
        return self.maps


class Detector(Protocol):
    """What every kind of detector offers; `side` is S below.

    Attributes:
        manifest: recipe, history and provenance; empty for a detector that was never trained here.
        temperature: margins are divided by it before they become probabilities.
        device: where it computes.
        batch_size: images a forward pass; None until it is measured at the first large call.
        network: in evaluation mode; explanations that need gradients or hooks use this one.
    """

    manifest: Mapping[str, Any]
    temperature: float
    device: "torch.device"
    batch_size: int | None
    network: "nn.Module"

    @property
    def name(self) -> str:
        """Its folder's name, "unnamed" before it was saved."""

    @property
    def sha256(self) -> str:
        """Of its weights."""

    @property
    def identity(self) -> Identity:
        """Who it is: what its answers depend on, as computed."""

    @property
    def cache_key(self) -> str:
        """What its answers are kept under in a cache; those of another device differ in their last digits."""

    @property
    def side(self) -> int:
        """Pixels along each side of the square that it takes."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How any picture becomes that square."""

    @property
    def classes(self) -> Classes:
        """What its outputs stand for."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do."""

    @property
    def layers(self) -> dict[str, tuple[int, int]]:
        """The layers that a class activation map can be read from: module name -> positions (height, width)."""

    @property
    def target_layer(self) -> str:
        """The layer that is looked at unless another is asked for, one of `layers`; "" where it has none."""

    @property
    def channels(self) -> int:
        """How many features an image has: the channels of the target layer; 0 where it has none."""

    @property
    def bias(self) -> float | None:
        """What a margin map's mean lacks to be the margin; None where a map's mean is not the margin."""

    @property
    def levels(self) -> tuple[str, ...]:
        """The parts whose weights can be drawn anew, from the output down; none where it has no weights to draw."""

    def randomised(self, level: str, *, seed: int) -> "Detector":
        """A detector with everything from the output down to `level` drawn anew; this one is not touched.

        Args:
            level: one of `levels`.
            seed: of the new weights.
        """

    def inputs(self, pixels: "NDArray[np.uint8] | Tensor") -> "Tensor":
        """uint8 (N, S, S, 3) to the network's normalised float32 (N, 3, S, S), on the device."""

    def scores(self, inputs: "Tensor") -> "Tensor":
        """Differentiable scores of the two verdicts.

        Args:
            inputs: float32 (N, 3, S, S), from `inputs`.

        Returns:
            (N, 2), columns FAKE and REAL; the margin is their difference.
        """

    def margins(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Margins of N images.

        Args:
            pixels: uint8 (N, S, S, 3).
            batch_size: images a forward pass; the detector's own when None.
            progress: called with (images done, N) after each batch.

        Returns:
            float32 (N,).

        Raises:
            ValueError: `pixels` has another shape or dtype.
        """

    def logits(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """float32 (N, 2) scores of the two verdicts, columns FAKE and REAL; arguments as for `margins`."""

    def full_pass(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> Pass:
        """Logits, and pooled features and the signed margin map where it has layers; arguments as for `margins`."""

    def p_real(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (N,): probability of REAL, 0..1, of float32 (N,) margins, after temperature."""


def probabilities(margins: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """float32 (N,): probability of REAL, 0..1, of float32 (N,) margins at a temperature."""
    scaled = np.asarray(margins, np.float64) / temperature
    return (0.5 * (1 + np.tanh(scaled / 2))).astype(np.float32)
