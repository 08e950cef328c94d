"""Networks of others as data: a sequence of plain layers, for detectors that are known by name.

Their weights are tensors in the order of the layers, whatever their authors called them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from core.arrays import Record
from core.detectors.detector import Detector
from core.detectors.known import find_known
from core.detectors.registry import Brought, Kind, Request, load_in_order
from core.storage.limits import printable


class Gradient(nn.Module):
    """The same fixed filter on each channel, padded with zeros; `kernel` has rows of odd length."""

    def __init__(self, *kernel: list[float]) -> None:
        super().__init__()
        # no file of weights holds it, so it has memory wherever the rest is built
        values = torch.tensor(kernel, dtype=torch.float32, device="cpu")
        self.register_buffer("kernel", values, persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, h, w)."""
        kernel = self.get_buffer("kernel").expand(inputs.shape[1], 1, -1, -1)
        return nn.functional.conv2d(inputs, kernel, padding="same", groups=inputs.shape[1])


class Layer(NamedTuple):
    """A kind of layer: its module, and the least and greatest number of integers that it is made of."""

    module: type[nn.Module]
    least: int
    most: int


LAYERS = {
    # the last of eight is 0 or 1: without or with a bias
    "conv": Layer(nn.Conv2d, 3, 8),
    "norm": Layer(nn.BatchNorm2d, 1, 1),
    "relu": Layer(nn.ReLU, 0, 0),
    "pool": Layer(nn.MaxPool2d, 1, 3),
    "mean": Layer(nn.AdaptiveAvgPool2d, 1, 1),
    "flatten": Layer(nn.Flatten, 0, 0),
    "linear": Layer(nn.Linear, 2, 2),
}
GRADIENT = "gradient"
# of a configuration, which may be a stranger's
MAX_LAYERS = 1000
MAX_NUMBER = 2**16
MAX_KERNEL = 31
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


def _build_layer(layer: object) -> nn.Module:
    impossible = ValueError(f"there is no layer {printable(str(layer))[:100]}")
    if not isinstance(layer, list) or not layer or not isinstance(layer[0], str):
        raise impossible
    name, *numbers = layer
    try:
        if name == GRADIENT and len(numbers) <= MAX_KERNEL and len(numbers) % 2:
            return Gradient(*numbers)
        kind = LAYERS[name]
        if kind.least <= len(numbers) <= kind.most and all(map(_is_size, numbers)):
            return kind.module(*numbers)
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError):
        # no such name, or numbers that do not go together
        raise impossible from None
    raise impossible


def _is_size(number: object) -> bool:
    return isinstance(number, int) and 0 <= number <= MAX_NUMBER


class LayersDetector(Detector):
    """A network of plain layers, which is refused if a layer's output would take too much memory."""

    kind = "layers"

    def _find_layers(self, wanted: str | None) -> dict[str, tuple[int, int]]:
        channels = 3
        side = self.side
        for name, *numbers in self.config["layers"]:
            if name == "conv":
                _, channels, *window = numbers
                side = _side_after(side, *window[:4])
            elif name == "pool":
                # its stride is its kernel, unless it has its own
                side = _side_after(side, *(numbers if len(numbers) > 1 else 2 * numbers))
            elif name == "mean":
                (side,) = numbers
            if channels * side**2 > MAX_VALUES:
                what = f"a layer {name!r} that gives {channels * side**2:,} numbers for a picture"
                raise ValueError(f"it has {what}, and at most {MAX_VALUES:,} are computed")
        return super()._find_layers(wanted)


def _side_after(side: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """Return the side of the output of a convolution or pooling; a stride of 0 is refused where it is computed."""
    return (side + 2 * padding - dilation * (kernel - 1) - 1) // max(1, stride) + 1


def read(request: Request) -> Brought:
    """Read the weights of a known detector in the order of its layers."""
    config = {"layers": find_known(request.source.partition(":")[2]).layers}
    network = build(config)
    load_in_order(network, request)
    return Brought(network, config)


KIND = Kind("layers", build=build, detector=LayersDetector, read=read)
