"""The paper's network: a ResNet-18 (He et al. 2016) whose stem keeps the size of small images, of any width.

Names and order of the layers are torchvision's. Defined here to avoid importing torchvision, which pulls in torch's
compiler: that takes longer than torch itself and would slow down every command and a server's first explanation.
"""

from copy import deepcopy
from functools import lru_cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.detectors.devices import fastest_format, move_network


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them.

    Args:
        channels_in: of the input.
        channels: of the output; where they differ, the first convolution and the shortcut halve the side.
        groups: of channels that do not see each other.
    """

    def __init__(self, channels_in: int, channels: int, *, groups: int = 1) -> None:
        super().__init__()
        stride = 1 if channels_in == channels else 2
        shortcut = None
        if stride > 1:
            shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride=stride, groups=groups, bias=False), nn.BatchNorm2d(channels)
            )
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, channels_in, S, S) to (N, channels, S / stride, S / stride)."""
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        output = self.relu(self.bn1(self.conv1(inputs)))
        output = self.bn2(self.conv2(output))
        output += shortcut
        activations: Tensor = self.relu(output)
        return activations


class ResNet18(nn.Module):
    """Four stages of two blocks, for images of any size; pooled over all positions before a classifier of two outputs.

    Args:
        width: channels of the first stage; the last has 8 * width.
        groups: networks side by side, each of width / groups, that share nothing but the sum of their outputs.
    """

    def __init__(self, width: int, groups: int = 1) -> None:
        super().__init__()
        # torchvision's own is drawn first, as it was for the shipped detectors: random weights depend on it
        self.layer1: nn.Module
        self.layer2: nn.Module
        self.layer3: nn.Module
        self.layer4: nn.Module
        self.conv1 = nn.Conv2d(3, 64, 7, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity()
        self._add_stages(64, 1)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * 64, 2)
        self._initialise(1)
        self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
        if width != 64 or groups > 1:
            self.bn1 = nn.BatchNorm2d(width)
            self._add_stages(width, groups)
            self.fc = nn.Linear(8 * width, 2)
        self._initialise(groups)

    def _add_stages(self, width: int, groups: int) -> None:
        for stage in range(4):
            channels, before = width * 2**stage, width * 2 ** max(0, stage - 1)
            blocks = (BasicBlock(before, channels, groups=groups), BasicBlock(channels, channels, groups=groups))
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))

    def _initialise(self, groups: int) -> None:
        """Draw the weights of all convolutions, in module order (He et al. 2015), each group by itself."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                # the fan-out of all groups together would make the weights of each too small
                for part in module.weight.detach().chunk(groups):
                    nn.init.kaiming_normal_(part, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to (N, 2)."""
        activations = self.maxpool(self.relu(self.bn1(self.conv1(inputs))))
        activations = self.layer4(self.layer3(self.layer2(self.layer1(activations))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(activations), 1))
        return logits


def build_network(width: int = 64, *, groups: int = 1, seed: int | None = None) -> ResNet18:
    """Build the network with random weights.

    Args:
        width, groups: see `ResNet18`; the paper's has width 64.
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
        return ResNet18(width, groups)


def empty_network(width: int, groups: int = 1) -> ResNet18:
    """Build the same network without memory for its weights, which `load_state_dict(..., assign=True)` gives it.

    Raises:
        ValueError: as `build_network` does.
    """
    return deepcopy(_outline(width, groups))


@lru_cache(maxsize=8)
def _outline(width: int, groups: int) -> ResNet18:
    with torch.device("meta"):
        return build_network(width, groups=groups)


class FusedNetwork(nn.Module):
    """A faster copy of a network in evaluation mode, each batch normalisation folded into its convolution.

    For passes that need neither gradients nor hooks. Groups of channels are computed one after the other, because
    grouped convolutions take a third longer.
    """

    def __init__(self, network: ResNet18, groups: int) -> None:
        super().__init__()
        blocks = [block for stage in range(1, 5) for block in getattr(network, f"layer{stage}")]
        stem = _fuse(network.conv1, network.bn1, groups)
        parts = zip(stem, *(_fuse_block(block, groups) for block in blocks), strict=True)
        self.groups = nn.ModuleList(nn.Sequential(first, nn.ReLU(inplace=True), *rest) for first, *rest in parts)
        self.fc = network.fc
        device = network.fc.weight.device
        move_network(self.eval().requires_grad_(False), device, fastest_format(network, device))

    def activations(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to layer4's output (N, 8 * width, s, s), where s is S / 8 rounded up."""
        outputs: list[Tensor] = [group(inputs) for group in self.groups]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to logits (N, 2)."""
        logits: Tensor = self.fc(self.activations(inputs).mean(dim=(2, 3)))
        return logits


class _FusedBlock(nn.Module):
    def __init__(self, first: nn.Conv2d, second: nn.Conv2d, shortcut: nn.Conv2d | None) -> None:
        super().__init__()
        self.first, self.second, self.shortcut = first, second, shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        residual = inputs if self.shortcut is None else self.shortcut(inputs)
        output: Tensor = self.second(self.first(inputs).relu_())
        return output.add_(residual).relu_()


def _fuse_block(block: BasicBlock, groups: int) -> list[_FusedBlock]:
    """Fuse a block, each group of channels by itself."""
    shortcuts: list[nn.Conv2d | None] = [None] * groups
    if block.downsample is not None:
        # two modules, of which a Sequential does not say what they are
        convolution, norm = cast("tuple[nn.Conv2d, nn.BatchNorm2d]", block.downsample)
        shortcuts = [*_fuse(convolution, norm, groups)]
    firsts, seconds = _fuse(block.conv1, block.bn1, groups), _fuse(block.conv2, block.bn2, groups)
    return [_FusedBlock(*parts) for parts in zip(firsts, seconds, shortcuts, strict=True)]


def _fuse(convolution: nn.Conv2d, norm: nn.BatchNorm2d, groups: int) -> list[nn.Conv2d]:
    """Fold a normalisation into its convolution, and split that into its groups of output channels."""
    fused = fuse_conv_bn_eval(convolution, norm)
    if groups == 1:
        return [fused]
    parts = []
    state = fused.state_dict()
    for weight, bias in zip(state["weight"].chunk(groups), state["bias"].chunk(groups), strict=True):
        # a kernel of a known size keeps the side but for the stride
        side, stride = weight.shape[-1], int(convolution.stride[0])
        part = nn.Conv2d(weight.shape[1], len(weight), side, stride=stride, padding=side // 2, device="meta")
        part.load_state_dict({"weight": weight, "bias": bias}, assign=True)
        parts.append(part)
    return parts
