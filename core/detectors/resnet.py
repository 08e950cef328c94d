"""The paper's modified ResNet-18 as a detector, with a fused fast path and margin maps at no extra cost."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from core.detectors.detector import Detector
from core.detectors.manifest import OLD_SIDE, About, Capability, Classes
from core.detectors.registry import Kind
from core.detectors.resnet18 import FusedNetwork, ResNet18, build_network, empty_network
from core.images.preprocessing import Channels, Preprocessing

STAGES = ("layer1", "layer2", "layer3", "layer4")
LEVELS = ("fc", *reversed(STAGES), "conv1")


class ResNetDetector(Detector):
    """The paper's network: average pooling and one linear layer follow its last stage, so a forward pass gives the map.

    Args:
        network: from `build_network`.
        width: channels of its first stage.
        groups: of its channels, see `build_network`.
        mean, std: per channel, of pixels scaled to 0..1, for normalisation.
        preprocessing: replaces `mean`, `std` and the default input of 32 x 32 pixels.
        classes: which of the two outputs is FAKE.
        settings: see `Detector`.
    """

    kind = "resnet"
    network: ResNet18

    def __init__(
        self,
        network: ResNet18,
        width: int,
        mean: Channels = (0.0, 0.0, 0.0),
        std: Channels = (1.0, 1.0, 1.0),
        *,
        groups: int = 1,
        preprocessing: Preprocessing | None = None,
        classes: Classes | None = None,
        **settings: Any,
    ) -> None:
        self.width, self.groups = width, groups
        preprocessing = preprocessing or Preprocessing(OLD_SIDE, mean=mean, std=std)
        config = {"width": width} | ({"groups": groups} if groups > 1 else {})
        super().__init__(network, preprocessing, classes or Classes(), config=config, **settings)
        self._fused = FusedNetwork(self.network, groups)

    @classmethod
    def from_about(cls, network: nn.Module, about: About, **settings: Any) -> "ResNetDetector":
        """Make a detector of a network and its description."""
        assert isinstance(network, ResNet18)  # noqa: S101 - its kind builds no other
        width, groups = _shape(about.config)
        return cls(
            network,
            width,
            groups=groups,
            preprocessing=about.preprocessing,
            classes=about.classes,
            target_layer=about.target_layer or None,
            temperature=about.temperature,
            **settings,
        )

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All capabilities; the instant map only where the last stage is the target layer."""
        return frozenset(Capability) if self._instant else super().capabilities

    @property
    def bias(self) -> float | None:
        """b_REAL - b_FAKE, the margin minus the mean of a margin map."""
        return float(self._direction(self.network.fc.bias)) if self._instant else None

    @property
    def levels(self) -> tuple[str, ...]:
        """The classifier, the stages, and the first convolution with its normalisation."""
        return LEVELS

    def randomised(self, level: str, *, seed: int) -> "ResNetDetector":
        """Return a copy with random weights from the classifier down to `level`."""
        fresh, network = _fresh(self.width, self.groups, seed), deepcopy(self.network)
        for upper in LEVELS[: LEVELS.index(level) + 1]:
            for part in ("conv1", "bn1") if upper == "conv1" else (upper,):
                network.get_submodule(part).load_state_dict(fresh.get_submodule(part).state_dict())
        return ResNetDetector(
            network,
            self.width,
            groups=self.groups,
            manifest={"name": f"{self.name} random to {level}"},
            device=self.device,
            batch_size=self.batch_size,
            preprocessing=self.preprocessing,
            classes=self.classes,
            target_layer=self.target_layer,
        )

    def _pass_with_map(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute logits, pooled features and margin maps at the cost of one forward pass."""
        if not self._instant:
            return super()._pass_with_map(inputs)
        activations = self._fused.activations(inputs)
        features = activations.mean(dim=(2, 3))
        # NHWC @ (C,) is a matrix product without a copy
        maps = activations.permute(0, 2, 3, 1) @ self._direction(self.network.fc.weight)
        return self._grouped(self.network.fc(features)), features, maps

    @property
    def _instant(self) -> bool:
        return self.target_layer == STAGES[-1]

    def _direction(self, classifier: Tensor) -> Tensor:
        """Subtract FAKE's row of the classifier's weights or biases from REAL's."""
        return classifier[self.classes.real_outputs[0]] - classifier[self.classes.fake_outputs[0]]

    def _forward(self, inputs: Tensor) -> Tensor:
        return self._grouped(self._fused(inputs))

    def _find_layers(self, wanted: str | None) -> dict[str, tuple[int, int]]:
        # each stage but the first halves the size, rounded up
        positions = {name: -(-self.side // 2**number) for number, name in enumerate(STAGES)}
        if wanted is not None and wanted not in positions:
            raise ValueError(f"its layers are {', '.join(positions)}, not {wanted!r}")
        if len(self.classes.names) != 2:
            raise ValueError(f"its network has two outputs and {len(self.classes.names)} classes")
        self.channels = self.width * 2 ** STAGES.index(wanted or STAGES[-1])
        return {name: (side, side) for name, side in positions.items()}


@lru_cache(maxsize=1)
def _fresh(width: int, groups: int, seed: int) -> nn.Module:
    """Build random weights, shared by all levels of one randomised detector."""
    network: nn.Module = build_network(width, groups=groups, seed=seed)
    return network


def round_to_float16(network: nn.Module) -> None:
    """Round convolution and classifier weights to float16 in place, so that the shipped weights are the measured ones.

    Batch-normalisation statistics stay float32: they are few, and small variances vanish in float16.

    Raises:
        ValueError: a weight is not finite in float16.
    """
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim > 1 or name.startswith("fc."):
                rounded = tensor.half()
                if not bool(torch.isfinite(rounded).all()):
                    raise ValueError(f"{name} has values that float16 cannot hold; the training has diverged")
                tensor.copy_(rounded)


def _shape(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return width and groups from a manifest."""
    width, groups = config.get("width"), config.get("groups", 1)
    if type(width) is not int or not 1 <= width <= 1024:
        raise ValueError(f"width must be from 1 to 1024, not {width!r}")
    if type(groups) is not int or groups < 1 or width % groups:
        raise ValueError(f"groups must be a divisor of width {width}, not {groups!r}")
    return width, groups


KIND = Kind(
    ResNetDetector,
    build=lambda config: empty_network(*_shape(config)),
    describe=lambda config: f"width-{_shape(config)[0]} detector of {_shape(config)[1]} groups",
)
