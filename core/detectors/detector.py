"""The Detector type: a network with its preprocessing, classes and target layer as data.

It scores an image by one number, the **margin**: above 0 the prediction is REAL, otherwise FAKE. With several classes
that is the logsumexp of the REAL classes' logits minus that of the FAKE ones' (with two, logit_REAL - logit_FAKE); with
a single output, its logit, negated if its class is FAKE. `capabilities` state what else a detector can do.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from core.detectors.identity import Identity
from core.detectors.manifest import Classes, Offers
from core.images.labels import FAKE, REAL
from core.images.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Progress = Callable[[int, int], None]


class Pass(NamedTuple):
    """Outputs of one full pass over N images.

    Attributes:
        logits: float32 (N, 2), columns FAKE and REAL.
        features: float32 (N, C), the target layer's output averaged over its positions; None without layers.
        maps: float32 (N, h, w), the signed margin map: at each position of the target layer, the sum of its channels,
            weighted by their effect on the margin. If only average pooling and one linear layer follow, a map's mean is
            the margin minus the bias (class activation mapping, Zhou et al. 2016). None without layers or gradients.
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
            ValueError: the detector has none.
        """
        if self.maps is None:
            raise ValueError("this detector has no layers to read a map from; choose a method that needs none")
        return self.maps


class Detector(Offers, Protocol):
    """The interface of every kind of detector; `side` is S below.

    Attributes:
        manifest: recipe, history and provenance; empty for a detector that was not trained here.
        temperature: margins are divided by it before they become probabilities.
        device: that it computes on.
        batch_size: images per forward pass; None for what suits the device.
        network: in evaluation mode, for explanations that need gradients or hooks.
    """

    manifest: Mapping[str, Any]
    temperature: float
    device: "torch.device"
    batch_size: int | None
    network: "nn.Module"

    @property
    def name(self) -> str:
        """The name of its folder; "unnamed" before it is saved."""

    @property
    def sha256(self) -> str:
        """sha256 of its weights."""

    @property
    def identity(self) -> Identity:
        """Everything that its answers depend on, as computed from its files."""

    @property
    def cache_key(self) -> str:
        """The cache key of its outputs: fingerprint and device type, because devices round differently."""

    @property
    def preprocessing(self) -> Preprocessing:
        """The steps from an image of any size to the network's square input."""

    @property
    def classes(self) -> Classes:
        """The classes of its outputs."""

    @property
    def channels(self) -> int:
        """Number of features per image, the channels of the target layer; 0 where it has none."""

    @property
    def bias(self) -> float | None:
        """The margin minus the mean of its map, the same for every image; None if that difference is not constant."""

    @property
    def levels(self) -> tuple[str, ...]:
        """The parts whose weights can be randomised, from the output down; empty where there are none."""

    def randomised(self, level: str, *, seed: int) -> "Detector":
        """Return a copy with random weights from the output down to `level`.

        Args:
            level: one of `levels`.
            seed: of the new weights.
        """

    def inputs(self, pixels: "NDArray[np.uint8] | Tensor") -> "Tensor":
        """Convert uint8 (N, S, S, 3) to the network's normalised float32 (N, 3, S, S), on the device."""

    def scores(self, inputs: "Tensor") -> "Tensor":
        """Compute differentiable scores of the two verdicts.

        Args:
            inputs: float32 (N, 3, S, S), from `inputs`.

        Returns:
            (N, 2), columns FAKE and REAL; the margin is their difference.
        """

    def margins(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Compute the margins of N images.

        Args:
            pixels: uint8 (N, S, S, 3).
            batch_size: images per forward pass; the detector's own when None.
            progress: called with (images done, N) after each batch.

        Returns:
            float32 (N,).

        Raises:
            ValueError: `pixels` has another shape or dtype.
        """

    def logits(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> NDArray[np.float32]:
        """Compute float32 (N, 2) scores of the two verdicts, columns FAKE and REAL; arguments as for `margins`."""

    def full_pass(
        self, pixels: NDArray[np.uint8], *, batch_size: int | None = None, progress: Progress | None = None
    ) -> Pass:
        """Compute logits, and pooled features and margin maps where there are layers; arguments as for `margins`."""

    def p_real(self, margins: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn float32 (N,) margins into calibrated probabilities of REAL, 0..1."""


def probabilities(margins: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Turn float32 (N,) margins into probabilities of REAL, 0..1, at a temperature."""
    scaled = np.asarray(margins, np.float64) / temperature
    return (0.5 * (1 + np.tanh(scaled / 2))).astype(np.float32)
