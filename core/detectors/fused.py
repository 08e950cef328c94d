"""The paper's network with batch normalisation folded into its convolutions, for passes that need no gradients."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from core.detectors.devices import fastest_format, place
from core.detectors.resnet18 import BasicBlock, ResNet18


class FusedNetwork(nn.Module):
    """A ResNet in evaluation mode with each batch normalisation folded into its convolution.

    Groups of channels are computed one after the other, because grouped convolutions take a third longer.
    """

    def __init__(self, network: ResNet18) -> None:
        super().__init__()
        blocks = [block for stage in range(1, 5) for block in getattr(network, f"layer{stage}")]
        stem = _fuse(network.conv1, network.bn1, blocks[0].conv1.groups)
        groups = zip(stem, *map(_fused_blocks, blocks), strict=True)
        self.groups = nn.ModuleList(nn.Sequential(first, nn.ReLU(inplace=True), *rest) for first, *rest in groups)
        self.fc = network.fc

    def activations(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to layer4's output (N, 8 * width, s, s), where s is S / 8 rounded up."""
        found: list[Tensor] = [group(inputs) for group in self.groups]
        return found[0] if len(found) == 1 else torch.cat(found, dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to logits (N, 2)."""
        logits: Tensor = self.fc(self.activations(inputs).mean(dim=(2, 3)))
        return logits


def fuse_batch_norm(network: ResNet18) -> FusedNetwork:
    """Return a faster copy of `network` for passes that need neither gradients nor hooks."""
    fused = FusedNetwork(network).eval().requires_grad_(False)
    device = fused.fc.weight.device
    return place(fused, device, fastest_format(network, device))


class _FusedBlock(nn.Module):
    def __init__(self, first: nn.Conv2d, second: nn.Conv2d, shortcut: nn.Conv2d | None) -> None:
        super().__init__()
        self.first, self.second, self.shortcut = first, second, shortcut

    def forward(self, inputs: Tensor) -> Tensor:
        residual = inputs if self.shortcut is None else self.shortcut(inputs)
        output: Tensor = self.second(self.first(inputs).relu_())
        return output.add_(residual).relu_()


def _fused_blocks(block: BasicBlock) -> list[_FusedBlock]:
    """Fuse a block, each group of channels by itself."""
    groups = block.conv1.groups
    shortcuts: list[nn.Conv2d | None] = [None] * groups
    if block.downsample is not None:
        # two modules, of which a Sequential does not say what they are
        convolution, norm = cast("tuple[nn.Conv2d, nn.BatchNorm2d]", block.downsample)
        shortcuts = [*_fuse(convolution, norm, groups)]
    parts = zip(_fuse(block.conv1, block.bn1, groups), _fuse(block.conv2, block.bn2, groups), shortcuts, strict=True)
    return [_FusedBlock(*one) for one in parts]


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
