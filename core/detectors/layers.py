"""Networks of others as data: a sequence of plain layers, for detectors that are known by name.

Their weights are tensors in the order of the layers, whatever their authors called them.
"""

from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import Detector
from core.detectors.known import find_known
from core.detectors.registry import Brought, Kind, Request, load_in_order
from core.detectors.target_layers import LayerShapes
from core.storage.limits import printable


class Gradient(nn.Module):
    """The same fixed filter on each channel, padded with zeros; `kernel` has rows of equal length."""

    def __init__(self, *kernel: list[float]) -> None:
        super().__init__()
        # no file of weights holds it, so it has memory wherever the rest is built
        values = torch.tensor(kernel, dtype=torch.float32, device="cpu")
        self.register_buffer("kernel", values, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, h, w)."""
        kernel = self.get_buffer("kernel").expand(inputs.shape[1], 1, -1, -1)
        return nn.functional.conv2d(inputs, kernel, padding="same", groups=inputs.shape[1])


# name -> the module, and the greatest number of integers that it is made of
LAYERS = {
    # the last of eight is 0 or 1: without or with a bias
    "conv": (nn.Conv2d, 8),
    "norm": (nn.BatchNorm2d, 1),
    "relu": (nn.ReLU, 0),
    "pool": (nn.MaxPool2d, 3),
    "mean": (nn.AdaptiveAvgPool2d, 1),
    "flatten": (nn.Flatten, 0),
    "linear": (nn.Linear, 2),
}
GRADIENT = "gradient"
# of a configuration, which may be a stranger's
MAX_LAYERS = 1000
MAX_NUMBER = 2**16
# numbers in one layer's output for one picture: 256 MB
MAX_VALUES = 2**26


def build(config: Record) -> nn.Module:
    """Build the layers of a configuration without memory for their weights: on torch's meta device.

    Args:
        config: "layers", each a name of `LAYERS` and its integers, or `GRADIENT` and the rows of its filter.

    Raises:
        ValueError: it is no list of such layers, or they cannot have these numbers.
    """
    layers = config["layers"]
    if not isinstance(layers, list) or len(layers) > MAX_LAYERS:
        raise ValueError(f"its layers are no list of at most {MAX_LAYERS:,} layers")
    with torch.device("meta"):
        return nn.Sequential(*map(_build_layer, layers))


def _build_layer(layer: Any) -> nn.Module:
    # no such name, or numbers that do not go together
    with suppress(LookupError, TypeError, ValueError, ArithmeticError, RuntimeError):
        name, *numbers = layer
        if name == GRADIENT:
            return Gradient(*numbers)
        module, most = LAYERS[name]
        if len(numbers) <= most and all(isinstance(number, int) and 0 <= number <= MAX_NUMBER for number in numbers):
            return module(*numbers)
    raise ValueError(f"there is no layer {printable(str(layer))[:100]}")


class LayersDetector(Detector):
    """A network of plain layers, which is refused if a layer's output would take too much memory."""

    def _try_network(self, wanted: str | None) -> tuple[int, LayerShapes]:
        channels = 3
        # at most: layers without padding make it smaller
        side = self.side
        for name, *numbers in self.config["layers"]:
            if name == "conv":
                channels = numbers[1]
                side += 2 * sum(numbers[4:5])
            elif name == "pool":
                side += 2 * sum(numbers[2:])
            elif name == "mean":
                (side,) = numbers
            if channels * side**2 > MAX_VALUES:
                what = f"a layer {name!r} that may give {channels * side**2:,} numbers for a picture"
                raise ValueError(f"it has {what}, and at most {MAX_VALUES:,} are computed")
        return super()._try_network(wanted)


def read(request: Request) -> Brought:
    """Read the weights of a known detector in the order of its layers."""
    config = {"layers": find_known(request.source.partition(":")[2]).layers}
    network = build(config)
    load_in_order(network, request)
    return Brought(network, config)


KIND = Kind(build=build, detector=LayersDetector, read=read)
