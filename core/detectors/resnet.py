"""The paper's modified ResNet-18 as a detector, with a fused fast path and margin maps at no extra cost."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from core.detectors.capabilities import Capability
from core.detectors.classes import Classes
from core.detectors.fused import fuse_batch_norm
from core.detectors.manifest import OLD_SIDE
from core.detectors.network import CPU, NetworkDetector
from core.detectors.registry import Kind
from core.detectors.resnet18 import BasicBlock, ResNet18, halving_stage, initialise
from core.detectors.weights import COUNTER
from core.images.preprocessing import Channels, Preprocessing

STAGES = ("layer1", "layer2", "layer3", "layer4")
LEVELS = ("fc", *reversed(STAGES), "conv1")
_PARTS = {level: (level,) for level in LEVELS} | {"conv1": ("conv1", "bn1")}


def build_network(width: int = 64, *, groups: int = 1, seed: int | None = None) -> ResNet18:
    """Build a ResNet-18 for 32 x 32 pixels: `conv1` 3x3 with stride 1, no max-pooling, two outputs.

    Args:
        width: channels of the first stage, 64 in the paper; the last stage has 8 * width.
        groups: networks side by side, each of width / groups, that share nothing but the sum of their outputs.
        seed: of the initial weights; torch's global generator is not touched.

    Raises:
        ValueError: a width below 1, or one that `groups` does not divide.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width}")
    if groups < 1 or width % groups:
        raise ValueError(f"width {width} cannot be divided into {groups} groups")
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        network = ResNet18(outputs=2)
        network.conv1 = nn.Conv2d(3, width, kernel_size=3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
        if width != 64 or groups > 1:
            network.bn1 = nn.BatchNorm2d(width)
            network.layer1 = nn.Sequential(*(BasicBlock(width, width, groups=groups) for _ in range(2)))
            for stage in range(2, 5):
                setattr(network, f"layer{stage}", halving_stage(width * 2 ** (stage - 1), groups=groups))
            network.fc = nn.Linear(8 * width, 2)
        initialise(network, groups=groups)
    return network


def empty_network(width: int, *, groups: int = 1) -> ResNet18:
    """Build the same network for weights that are loaded next: drawing random ones would take longer than loading.

    Until then its values are undefined, but for the counters of batch normalisation, which no file holds.

    Raises:
        ValueError: as `build_network` does.
    """
    network = deepcopy(_outline(width, groups)).to_empty(device="cpu")
    for name, buffer in network.named_buffers():
        if name.endswith(COUNTER):
            buffer.zero_()
    return network


@lru_cache(maxsize=8)
def _outline(width: int, groups: int) -> ResNet18:
    """The network without memory for its weights."""
    with torch.device("meta"):
        return build_network(width, groups=groups)


class ResNetDetector(NetworkDetector):
    """The paper's network: average pooling and one linear layer follow its last stage, so a forward pass gives the map.

    Args:
        network: from `build_network`.
        width: channels of its first stage.
        groups: of its channels, see `build_network`.
        mean, std: per channel, of pixels scaled to 0..1, for normalisation.
        temperature, manifest, device, batch_size, target_layer: see `NetworkDetector`.
        preprocessing: replaces `mean`, `std` and the default input of 32 x 32 pixels.
        classes: which of the two outputs is FAKE.
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
        temperature: float = 1.0,
        manifest: Mapping[str, Any] | None = None,
        device: torch.device = CPU,
        batch_size: int | None = None,
        preprocessing: Preprocessing | None = None,
        classes: Classes | None = None,
        target_layer: str | None = None,
    ) -> None:
        self.width, self.groups = width, groups
        super().__init__(
            network,
            preprocessing or Preprocessing(OLD_SIDE, mean=mean, std=std),
            classes or Classes(),
            config={"width": width} | ({"groups": groups} if groups > 1 else {}),
            target_layer=target_layer,
            temperature=temperature,
            manifest=manifest,
            device=device,
            batch_size=batch_size,
        )
        self._fused = fuse_batch_norm(self.network)

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
            for part in _PARTS[upper]:
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
            if _is_rounded(tensor, name):
                rounded = tensor.half()
                if not bool(torch.isfinite(rounded).all()):
                    raise ValueError(f"{name} has values that float16 cannot hold; the training has diverged")
                tensor.copy_(rounded)


def _is_rounded(tensor: Tensor, name: str) -> bool:
    return tensor.ndim > 1 or name.startswith("fc.")


def _width(config: Mapping[str, Any]) -> int:
    width = config.get("width")
    if not isinstance(width, int) or isinstance(width, bool) or not 1 <= width <= 1024:
        raise ValueError(f"width must be from 1 to 1024, not {width!r}")
    return width


def _groups(config: Mapping[str, Any]) -> int:
    groups, width = config.get("groups", 1), _width(config)
    if not isinstance(groups, int) or isinstance(groups, bool) or groups < 1 or width % groups:
        raise ValueError(f"groups must be a divisor of width {width}, not {groups!r}")
    return groups


KIND = Kind(
    name=ResNetDetector.kind,
    describe=lambda config: f"width-{_width(config)} detector" + f" of {_groups(config)} groups" * ("groups" in config),
    # checked before memory for a network of that width is allocated
    shapes=lambda config: {
        "conv1.weight": (_width(config), 3, 3, 3),
        "layer4.1.conv2.weight": (8 * _width(config), 8 * _width(config) // _groups(config), 3, 3),
    },
    build=lambda config: empty_network(_width(config), groups=_groups(config)),
    wrap=lambda network, about, **more: ResNetDetector(
        network,
        _width(about.config),
        groups=_groups(about.config),
        preprocessing=about.preprocessing,
        classes=about.classes,
        target_layer=about.target_layer or None,
        **more,
    ),
    is_halved=_is_rounded,
)
