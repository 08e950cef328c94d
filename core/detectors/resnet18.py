"""The layers of torchvision's ResNet-18 (He et al. 2016), by the same names and in the same order.

Defined here to avoid importing torchvision, which pulls in torch's compiler: that takes longer than torch itself and
would slow down every command and a server's first explanation.
"""

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut around them.

    Args:
        channels_in: of the input.
        channels: of the output.
        stride: of the first convolution.
        downsample: brings the shortcut to the output's shape; none where it has that already.
        groups: of channels that do not see each other.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        stride: int = 1,
        downsample: nn.Sequential | None = None,
        *,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, groups=groups, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, channels_in, S, S) to (N, channels, S / stride, S / stride)."""
        shortcut = inputs if self.downsample is None else self.downsample(inputs)
        output = self.relu(self.bn1(self.conv1(inputs)))
        output = self.bn2(self.conv2(output))
        output += shortcut
        activations: Tensor = self.relu(output)
        return activations


class ResNet18(nn.Module):
    """Four stages of two blocks, for images of any size; pooled over all positions before the classifier.

    Args:
        outputs: of the classifier.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv1: nn.Conv2d = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool: nn.Module = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = halving_stage(128)
        self.layer3 = halving_stage(256)
        self.layer4 = halving_stage(512)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512, outputs)
        initialise(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to (N, outputs)."""
        activations = self.maxpool(self.relu(self.bn1(self.conv1(inputs))))
        activations = self.layer4(self.layer3(self.layer2(self.layer1(activations))))
        logits: Tensor = self.fc(torch.flatten(self.avgpool(activations), 1))
        return logits


def halving_stage(channels: int, *, groups: int = 1) -> nn.Sequential:
    """Build a stage of two blocks that halves the side and doubles the number of channels, to `channels`."""
    before = channels // 2
    shortcut = nn.Sequential(
        nn.Conv2d(before, channels, 1, stride=2, groups=groups, bias=False), nn.BatchNorm2d(channels)
    )
    return nn.Sequential(
        BasicBlock(before, channels, 2, shortcut, groups=groups), BasicBlock(channels, channels, groups=groups)
    )


def initialise(network: nn.Module, *, groups: int = 1) -> None:
    """Reinitialise the weights of all convolutions, in module order (He et al. 2015), each group by itself."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # the fan-out of all groups together would make the weights of each too small
            for part in module.weight.detach().chunk(groups):
                nn.init.kaiming_normal_(part, mode="fan_out", nonlinearity="relu")
