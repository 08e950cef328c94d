"""Networks of others as data: a sequence of plain layers, for detectors that are known by name.

Their weights are tensors in the order of the layers, whatever their authors called them.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core.detectors.known import find_known
from core.detectors.registry import Brought, Kind, Request, SourceError, load_weights, read_tensors


class Gradient(nn.Module):
    """The same fixed filter on each channel, padded with zeros; `kernel` has rows of odd length."""

    def __init__(self, *kernel: list[float]) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor(kernel, dtype=torch.float32), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (N, 3, h, w) to (N, 3, h, w)."""
        kernel: Tensor = self.get_buffer("kernel").expand(inputs.shape[1], 1, -1, -1)
        return nn.functional.conv2d(inputs, kernel, padding="same", groups=inputs.shape[1])


# name -> what its numbers are the arguments of
LAYERS: Mapping[str, type[nn.Module]] = {
    "conv": nn.Conv2d, "norm": nn.BatchNorm2d, "relu": nn.ReLU, "pool": nn.MaxPool2d, "mean": nn.AdaptiveAvgPool2d,
    "flatten": nn.Flatten, "linear": nn.Linear, "gradient": Gradient,
}  # fmt: skip


def build(config: Mapping[str, Any]) -> nn.Module:
    """Build the layers of a configuration, each a name of `LAYERS` and its numbers.

    Raises:
        KeyError, TypeError, ValueError: there is no such layer, or it cannot have these numbers.
    """
    return nn.Sequential(*(LAYERS[name](*numbers) for name, *numbers in config["layers"]))


def read(request: Request) -> Brought:
    """Read the weights of a known detector in the order of its layers."""
    config = {"layers": find_known(request.source.partition(":")[2]).layers}
    network = build(config)
    if request.weights is None:
        raise SourceError(f"{request.source} does not say everything; say it with --weights")
    tensors, own = read_tensors(request.weights), network.state_dict()
    if len(tensors) != len(own):
        raise SourceError(f"{request.weights} holds {len(tensors)} tensors, and {request.source} has {len(own)}")
    load_weights(network, dict(zip(own, tensors.values(), strict=True)), request.weights)
    return Brought(network, config)


KIND = Kind("layers", build=build, read=read)
