"""Networks whose margin is the mean of scores of parts of a picture: these scores are its explanation, and exact.

Patches: BagNet (Brendel and Bethge 2019, arXiv 1904.00760) and LaDeDa (Cavia et al. 2024, arXiv 2406.09398). No
convolution is padded, so that each score depends on its own patch alone. Patches begin at even pixels and have odd
sides, so that none reaches the last row and column of 32 x 32: 63 of 1,024 pixels.

FerretNet (Liang et al. 2025, "FerretNet: Efficient Synthetic Image Detection via Local Pixel Dependencies", arXiv
2509.20890) reads what a picture's pixels keep from their neighbours: it sees each pixel less the median of its
neighbourhood. Its output is linear in the mean of its last layer's positions.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from core.arrays import Record
from core.detectors.detector import CPU, Detector, fold_norms, grouped, move_network
from core.detectors.registry import Brought, Kind, Request, load_in_order

# sides of the patches that can be trained, in pixels
PATCH_SIDES = (5, 9, 13, 17)
# pixels from one patch to the next
STRIDE = 2
# module that computes the features of patches, from which a linear layer computes the scores
FEATURES = "features"
# channels of the second convolution in the published small FerretNet
WIDTH = 32
# windows that pass through the layers of many positions together: more leave a processor's caches
AT_ONCE = 2


class PatchNetwork(nn.Module):
    """3 x 3 convolutions without padding, the second with stride 2, and 1 x 1 convolutions that score each position.

    Args:
        field: side of a patch in pixels, of `PATCH_SIDES`: 5 uses two 3 x 3 convolutions, each 4 pixels more add one.

    Raises:
        ValueError: another field.
    """

    def __init__(self, field: int) -> None:
        if field not in PATCH_SIDES:
            raise ValueError(f"the side of a patch must be {', '.join(map(str, PATCH_SIDES))} pixels, not {field!r}")
        super().__init__()
        self.field = field
        self.stride = STRIDE
        more_layers = (field - 5) // 4
        # inputs, outputs, kernel, stride
        shapes = [(3, 32, 3, 1), (32, 64, 3, STRIDE), (64, 128, 3 if more_layers else 1, 1)]
        shapes += [(128, 128, 3, 1)] * (more_layers - 1) + [(128, 128, 1, 1)]
        layers = []
        for inputs, outputs, kernel, stride in shapes:
            layers += [nn.Conv2d(inputs, outputs, kernel, stride, bias=False), nn.BatchNorm2d(outputs)]
            layers += [nn.ReLU(inplace=True)]
        self.features = nn.Sequential(*layers)
        self.scores = nn.Conv2d(128, 1, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, S, S) to logits (N, 2) of FAKE and REAL: minus and plus half the mean of the patches' scores."""
        half = self.scores(self.features(inputs)).float().mean((1, 2, 3)) / 2
        return torch.stack([-half, half], dim=1)


class PatchDetector(Detector):
    """A network of `PatchNetwork`; by default its features are explained, of which the scores are a weighted sum."""

    channels_last = True
    default_layer = FEATURES
    network: PatchNetwork

    @property
    def bias(self) -> float | None:
        """The bias of all scores: the margin minus the mean of a margin map."""
        if self.target_layer == FEATURES:
            return float(self.network.scores.bias)  # type: ignore[arg-type]
        return None

    def _local_scores(self, inputs: Tensor) -> Tensor:
        sign = 1 if self.classes.fake_outputs == (0,) else -1
        return sign * self.network.scores(self.network.features(inputs))[:, 0].float()


def build_patch(config: Record) -> PatchNetwork:
    """Build the network of a detector's settings."""
    return PatchNetwork(config["field"])


def median_of_neighbours(values: Tensor) -> Tensor:
    """Compute the median of each value's eight neighbours and a 0 in its own place; beyond the border there are 0s.

    The columns of each window are sorted first, which its neighbours share; then the median of nine is that of the
    greatest least, the middle middle and the least greatest of its columns (Smith 1996).

    Args:
        values: (N, C, H, W).

    Returns:
        (N, C, H, W).
    """
    padded = pad(values, (1, 1, 1, 1))
    above = padded[:, :, :-2]
    below = padded[:, :, 2:]
    lower = torch.minimum(above, below)
    upper = torch.maximum(above, below)
    level = padded[:, :, 1:-1]
    # of a window's left or right column
    least = torch.minimum(lower, level)
    middle = torch.maximum(lower, torch.minimum(upper, level))
    greatest = torch.maximum(upper, level)
    # of its central one, where 0 stands for the pixel itself
    lower = lower[..., 1:-1]
    upper = upper[..., 1:-1]
    greatest_least = torch.maximum(torch.maximum(least[..., :-2], least[..., 2:]), lower.clamp(max=0))
    least_greatest = torch.minimum(torch.minimum(greatest[..., :-2], greatest[..., 2:]), upper.clamp(min=0))
    middle_middle = _median_of_three(middle[..., :-2], middle[..., 2:], torch.maximum(lower, upper.clamp(max=0)))
    return _median_of_three(greatest_least, middle_middle, least_greatest)


def _median_of_three(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(first, second), torch.minimum(torch.maximum(first, second), third))


def convolve_and_norm(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Make a 3 x 3 convolution with batch normalisation and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class Block(nn.Module):
    """Two separable convolutions with a shortcut; the first looks at near and at dilated neighbours."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        distances = (1, 2)
        self.around = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 3, stride, padding=far, dilation=far, groups=inputs, bias=False)
            for far in distances
        )
        self.mix = nn.Sequential(nn.Conv2d(outputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.depthwise = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs, bias=False)
        self.pointwise = nn.Sequential(nn.Conv2d(outputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, inputs, h, w) to (N, outputs, h / stride, w / stride)."""
        around = sum(convolution(inputs) for convolution in self.around)
        outputs = self.pointwise(self.depthwise(self.mix(around).relu()))
        return (outputs + self.shortcut(inputs)).relu()


class FerretNet(nn.Module):
    """The network; with 32 channels, the published small one.

    Args:
        width: channels after the second convolution, even.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.first = convolve_and_norm(3, width // 2, 1)
        self.second = convolve_and_norm(width // 2, width, 2)
        blocks = [
            Block(width, 2 * width, 2),
            Block(2 * width, 2 * width, 1),
            Block(2 * width, 4 * width, 2),
            Block(4 * width, 4 * width, 1),
        ]
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(4 * width, 4 * width, 1, bias=False)
        self.classifier = nn.Linear(4 * width, 1)

    def features(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the input of the last layer (N, 4 * width, H / 8, W / 8)."""
        residual = inputs - median_of_neighbours(inputs)
        return self.blocks(self.second(self.first(residual)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, H, W) to logits (N, 1), above 0 for FAKE."""
        return self.classifier(self.last(self.features(inputs)).mean(dim=(2, 3)))


def fused(network: FerretNet) -> FerretNet:
    """Copy a network in evaluation mode with fewer layers, for passes without gradients and hooks.

    Batch normalisations are folded into convolutions, near and dilated ones added up to one of 5 x 5, and the last
    convolution is joined with the classifier, so that `last` gives local scores (N, 1, h, w).
    """
    copy = deepcopy(network)
    fold_norms(copy)
    for block in (module for module in copy.blocks if isinstance(module, Block)):
        near, dilated = (layer for layer in block.around if isinstance(layer, nn.Conv2d))
        both = nn.Conv2d(near.in_channels, near.out_channels, 5, near.stride[0], 2, groups=near.groups, bias=False)
        weight = pad(near.weight, (1, 1, 1, 1))
        weight[:, :, ::2, ::2] += dilated.weight
        both.weight = nn.Parameter(weight)
        block.around = nn.ModuleList([both])
    scores = nn.Conv2d(copy.last.in_channels, 1, 1)
    scores.weight = nn.Parameter((copy.classifier.weight @ copy.last.weight.flatten(1))[..., None, None])
    scores.bias = copy.classifier.bias
    copy.last = scores
    copy.add_module("classifier", nn.Identity())
    return copy.eval().requires_grad_(False)


class FerretDetector(Detector):
    """A detector with this network, which predicts with the fused copy."""

    kind = "ferretnet"
    channels_last = True
    network: FerretNet

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._fused = fused(self.network)
        move_network(self._fused, self.device, self.format)

    def _outputs(self, inputs: Tensor) -> Tensor:
        """Compute the network's output at each position, (N, 1, h, w), whose mean is that of the picture."""
        at_once = AT_ONCE
        if inputs.device != CPU:
            at_once = len(inputs)
        parts = [self._fused.features(part) for part in torch.split(inputs, at_once)]
        # the last layer, alone of all, rounds by the number of windows
        return self._fused.last(torch.cat(parts))

    def _local_scores(self, inputs: Tensor) -> Tensor:
        scores = self._outputs(inputs)
        return grouped(scores.permute(0, 2, 3, 1).reshape(-1, 1), self.classes).diff(dim=1).view(scores[:, 0].shape)

    def _forward(self, inputs: Tensor) -> Tensor:
        return grouped(self._outputs(inputs).mean(dim=(2, 3)), self.classes)


def build_ferretnet(config: Record) -> FerretNet:
    """Build the network without memory for its weights: on torch's meta device."""
    with torch.device("meta"):
        return FerretNet(config["width"])


def read_ferretnet(request: Request) -> Brought:
    """Read the published weights."""
    config = {"width": WIDTH}
    network = build_ferretnet(config)
    load_in_order(network, request)
    return Brought(network, config)


PATCH = Kind(build=build_patch, detector=PatchDetector)
FERRETNET = Kind(build=build_ferretnet, detector=FerretDetector, read=read_ferretnet)
