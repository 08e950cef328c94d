"""The paper's detector: a ResNet-18 (He et al. 2016) of any width whose stem keeps the size of small images.

Names and order of the layers are torchvision's. The network is defined here to avoid importing torchvision, which pulls
in torch's compiler: that takes longer than torch itself and would slow down every command and a server's first
explanation.
"""

from typing import Any

import torch
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import Detector, fold_norms, grouped, move_network
from core.detectors.manifest import OLD_SIDE, Classes
from core.detectors.registry import Kind
from core.images.preprocessing import Preprocessing

STAGES = ("layer1", "layer2", "layer3", "layer4")
LEVELS = ("fc", *reversed(STAGES), "conv1")


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them.

    Args:
        channels_in: of the input.
        channels: of the output; where they differ, the first convolution and the shortcut halve the side.
        groups: of channels that do not see each other.
    """

    def __init__(self, channels_in: int, channels: int, *, groups: int = 1) -> None:
        super().__init__()
        stride = 1
        shortcut = None
        if channels_in != channels:
            stride = 2
            shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride=stride, groups=groups, bias=False), nn.BatchNorm2d(channels)
            )
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(channels)
        self.downsample = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, channels_in, S, S) to (N, channels, S / stride, S / stride)."""
        output = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(inputs)))))
        if self.downsample is not None:
            inputs = self.downsample(inputs)
        output += inputs
        return self.relu(output)


class ResNet18(nn.Module):
    """Four stages of two blocks, for images of any size; pooled over all positions before a classifier of two outputs.

    Args:
        width: channels of the first stage; the last has 8 * width. The paper's network has width 64.
        groups: networks side by side, each of width / groups, that share nothing but the sum of their outputs.

    Raises:
        ValueError: a width that is not from 1 to 1,024, or one that `groups` does not divide; TypeError: no numbers.
    """

    def __init__(self, width: int, groups: int = 1) -> None:
        if not 1 <= width <= 1024:
            raise ValueError(f"width must be from 1 to 1024, not {width}")
        super().__init__()
        self.width = width
        self.groups = groups
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        for number, stage in enumerate(STAGES):
            channels = width * 2**number
            before = width * 2 ** max(0, number - 1)
            blocks = (BasicBlock(before, channels, groups=groups), BasicBlock(channels, channels, groups=groups))
            setattr(self, stage, nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, 2)
        for module in self.modules():
            # to draw numbers without memory for them, torch would import its compiler
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
                # He et al. 2015; the fan-out of all groups together would make the weights of each too small
                for part in module.weight.detach().chunk(groups):
                    nn.init.kaiming_normal_(part, mode="fan_out", nonlinearity="relu")

    def activations(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to layer4's output (N, 8 * width, s, s), where s is S / 8 rounded up."""
        activations = self.relu(self.bn1(self.conv1(inputs)))
        for stage in STAGES:
            activations = self.get_submodule(stage)(activations)
        return activations

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to (N, 2)."""
        return self.fc(self.avgpool(self.activations(inputs)).flatten(1))


def build_network(width: int, *, groups: int = 1, seed: int) -> ResNet18:
    """Build the network with random weights.

    Args:
        width, groups: see `ResNet18`.
        seed: of the initial weights; torch's global generator is not touched.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResNet18(width, groups)


def build(config: Record) -> ResNet18:
    """Build the network of a detector's settings without memory for its weights.

    `load_state_dict(..., assign=True)` gives it that.
    """
    with torch.device("meta"):
        return ResNet18(config["width"], config.get("groups", 1))


def fused_groups(network: ResNet18) -> list[ResNet18]:
    """Copy each group of a network in evaluation mode, its batch normalisations folded into its convolutions.

    The copies share no weights with the network and have no classifier. They are for passes that need neither gradients
    nor hooks, one group after the other, because grouped convolutions take a third longer.
    """
    copies = []
    for group in range(network.groups):
        part = build({"width": network.width // network.groups})
        del part.fc
        state = network.state_dict()
        own = {
            name: state[name].chunk(network.groups)[group] if state[name].ndim else state[name]
            for name in part.state_dict()
        }
        part.load_state_dict(own, assign=True)
        fold_norms(part.eval())
        copies.append(part.requires_grad_(False))
    return copies


class ResNetDetector(Detector):
    """The paper's network: average pooling and one linear layer follow its last stage, so a forward pass gives the map.

    Args:
        network: from `build_network`.
        preprocessing, classes, settings: see `Detector`; by default 32 x 32 pixels in 0..1, and FAKE before REAL.
    """

    kind = "resnet"
    channels_last = True
    network: ResNet18

    def __init__(
        self,
        network: ResNet18,
        preprocessing: Preprocessing = Preprocessing(OLD_SIDE),  # noqa: B008 - frozen
        classes: Classes = Classes(),  # noqa: B008 - frozen
        **settings: Any,
    ) -> None:
        settings["config"] = {"width": network.width}
        if network.groups > 1:
            settings["config"]["groups"] = network.groups
        super().__init__(network, preprocessing, classes, **settings)
        self._groups = fused_groups(self.network)
        for group in self._groups:
            move_network(group, self.device, self.format)

    @property
    def instant(self) -> bool:
        """True where the last stage is the target layer."""
        return self.target_layer == STAGES[-1]

    @property
    def bias(self) -> float | None:
        """b_REAL - b_FAKE, the margin minus the mean of a margin map."""
        if self.instant:
            return float(self._direction(self.network.fc.bias))
        return None

    @property
    def levels(self) -> tuple[str, ...]:
        """The classifier, the stages, and the first convolution with its normalisation."""
        return LEVELS

    def _randomise(self, network: nn.Module, levels: tuple[str, ...], seed: int) -> None:
        fresh = build_network(self.network.width, groups=self.network.groups, seed=seed)
        parts = list(levels)
        if "conv1" in levels:
            parts.append("bn1")
        for part in parts:
            network.get_submodule(part).load_state_dict(fresh.get_submodule(part).state_dict())

    def _pass_with_map(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute logits, pooled features and margin maps at the cost of one forward pass."""
        if not self.instant:
            return super()._pass_with_map(inputs)
        activations = self._activations(inputs)
        features = activations.mean(dim=(2, 3))
        # NHWC @ (C,) is a matrix product without a copy
        maps = activations.permute(0, 2, 3, 1) @ self._direction(self.network.fc.weight)
        return grouped(self.network.fc(features), self.classes), features, maps

    def _direction(self, classifier: Tensor) -> Tensor:
        """Subtract FAKE's row of the classifier's weights or biases from REAL's."""
        return classifier[self.classes.real_outputs[0]] - classifier[self.classes.fake_outputs[0]]

    def _activations(self, inputs: Tensor) -> Tensor:
        return torch.cat([group.activations(inputs) for group in self._groups], dim=1)

    def _forward(self, inputs: Tensor) -> Tensor:
        return grouped(self.network.fc(self._activations(inputs).mean(dim=(2, 3))), self.classes)


def round_to_float16(network: nn.Module) -> None:
    """Round convolution and classifier weights to float16 in place, so that the shipped weights are the measured ones.

    Batch-normalisation statistics stay float32: they are few, and small variances vanish in float16.

    Raises:
        ValueError: a weight is not finite in float16.
    """
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.ndim > 1 or name.startswith("fc."):
                if not tensor.half().isfinite().all():
                    raise ValueError(f"{name} has values that float16 cannot hold; the training has diverged")
                tensor.copy_(tensor.half())


KIND = Kind(build=build, detector=ResNetDetector)
