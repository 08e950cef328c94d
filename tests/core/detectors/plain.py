"""A kind of detector that the project does not know: a plain network for 48 x 48 pixels with a single output."""

import torch
from torch import nn

from core.detectors.detector import Detector
from core.detectors.manifest import Classes
from core.detectors.registry import Kind
from core.images.preprocessing import Preprocessing

SIDE = 48
# the one output says how sure it is that a picture was generated
CLASSES = Classes(("generated",), ("generated",))
PREPROCESSING = Preprocessing(SIDE, interpolation="box", mean=(0.5, 0.4, 0.6), std=(0.2, 0.3, 0.25))


class Plain(nn.Module):
    """Three convolutions, of which the last has 8 x 6 positions, and two layers on their mean."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Conv2d(3, width, 5, padding=2)
        self.second = nn.Conv2d(width, 2 * width, 3, stride=(3, 4), padding=1)
        self.third = nn.Conv2d(2 * width, 3 * width, 3, stride=2, padding=1)
        self.head = nn.Sequential(nn.Linear(3 * width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, inputs):
        """(N, 3, 48, 48) to (N, 1)."""
        activations = self.third(self.second(self.first(inputs).relu()).relu())
        return self.head(activations.relu().mean(dim=(2, 3)))


class PlainDetector(Detector):
    """Nothing beyond what every network has."""

    kind = "plain"


def make_plain():
    """A random one whose answers differ from image to image."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Plain(4)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    return PlainDetector(network, PREPROCESSING, CLASSES, config={"width": 4})


KIND = Kind(build=lambda config: Plain(config["width"]), detector=PlainDetector)
