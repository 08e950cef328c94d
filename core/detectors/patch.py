"""A detector that explains itself: its margin is the mean of the scores of small patches.

The scores are its explanation, and exact (BagNet: Brendel and Bethge 2019, arXiv 1904.00760; LaDeDa: Cavia et al. 2024,
arXiv 2406.09398). No convolution is padded, so that each score depends on its own patch alone. Patches
begin at even pixels and have odd sides, so that none reaches the last row and column of 32 x 32: 63 of 1,024 pixels.
"""

import torch
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import Detector
from core.detectors.registry import Kind

# sides of the patches that can be trained, in pixels
PATCH_SIDES = (5, 9, 13, 17)
# pixels from one patch to the next
STRIDE = 2
# module that computes the features, from which a linear layer computes the scores
FEATURES = "features"


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


def build(config: Record) -> PatchNetwork:
    """Build the network of a detector's settings."""
    return PatchNetwork(config["field"])


KIND = Kind(build=build, detector=PatchDetector)
