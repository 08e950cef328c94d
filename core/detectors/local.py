"""Local scores: where a margin is linear in the mean of a layer's positions, each position has a share of it.

Found by trying the network, whatever its name is: the rest of the network after its last layer with positions must be
the same linear function of the mean on any picture. What a position can see is found by marking pixels as NaN, which
every convolution, pooling, normalisation and comparison passes on.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from core.arrays import Float32, Pixels
from core.detectors.target_layers import HOOKS, margin_gradient
from core.images.labels import FAKE, REAL

# the largest difference of gradients, as a share of the largest gradient, that is rounding
LINEAR = 1e-4
# rows of pixels, of pictures of many columns, that receptive fields are searched in
LEAST_ROWS = 16
# pixels of a picture along each side that are scored at once, besides the overlap
TILE = 768


@dataclass(frozen=True, eq=False)
class LinearHead:
    """The rest of a network after a layer, as it is computed from the layer's mean.

    Attributes:
        layer: the module's name.
        weights: (C,), the weight of each channel's mean in the margin.
        bias: the constant term of the margin.
    """

    layer: str
    weights: Tensor
    bias: float


@dataclass(frozen=True)
class Fields:
    """The receptive fields of positions, along both sides of a picture.

    Attributes:
        size: pixels along each side of a field.
        step: pixels from one field to the next.
        start: the first pixel of the first field; below 0 where the network pads the picture.
    """

    size: int
    step: int
    start: int


def find_linear_head(
    network: nn.Module, layer: str, scores: Callable[[Tensor], Tensor], images: Tensor
) -> LinearHead | None:
    """Find the linear function of a layer's mean that a margin is; None where it is none.

    The layer's output is replaced by noise, once for each image.

    Args:
        network: in evaluation mode.
        layer: name of its last module with positions.
        scores: computes (N, 2) scores of FAKE and REAL from inputs with a forward pass through the layer.
        images: two of them, (2, 3, S, S).
    """
    gradients = []
    biases = []
    for seed, image in enumerate(images):
        replace = partial(_noise_like, seed=seed)
        outputs, noise, gradient = margin_gradient(network.get_submodule(layer), scores, image[None], replace)
        gradients.append(gradient)
        biases.append(float(outputs[0, REAL] - outputs[0, FAKE] - (gradient * noise).sum()))
    gradient = torch.cat(gradients)
    weights = gradient.mean(dim=(0, 2, 3))
    largest = gradient.abs().max()
    even = bool((gradient - weights[:, None, None]).abs().max() <= LINEAR * largest)
    # a path around the layer would make the bias differ between images
    bias, other_bias = biases
    if not largest > 0 or not even or abs(bias - other_bias) > LINEAR * (1 + abs(bias)):
        return None
    return LinearHead(layer, weights * gradient[0, 0].numel(), bias)


def _noise_like(output: Tensor, *, seed: int) -> Tensor:
    # drawn on the CPU, because every device has other random numbers
    return torch.randn(output.shape, generator=torch.Generator().manual_seed(seed)).to(output)


def head_scores(network: nn.Module, head: LinearHead, scores: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Compute the local scores (N, h, w), whose mean is the margin, by a forward pass."""
    outputs = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        # what follows may write into it
        outputs.append(output.clone())

    with HOOKS, network.get_submodule(head.layer).register_forward_hook(keep):
        scores(inputs)
    return torch.einsum("nchw,c->nhw", outputs[-1].float(), head.weights) + head.bias


def find_fields(scores: Callable[[Tensor], Tensor], inputs: Tensor) -> Fields | None:
    """Find what each position of a map can see; None where that is not smaller than the picture, or not square.

    Args:
        scores: computes (1, h, w) from (1, 3, S, S).
        inputs: one finite picture, (1, 3, S, S).
    """
    side = inputs.shape[-1]
    # what a position sees along one side shows in a few rows, where the network takes so few
    strip = inputs[:, :, : max(LEAST_ROWS, side // 8)]
    try:
        count = scores(strip).shape[-1]
    except RuntimeError:
        strip = inputs
        count = scores(strip).shape[-1]

    def sees(position: int, pixels: slice) -> bool:
        """Check whether positions in this column see any of these columns of pixels."""
        marked = strip.clone()
        marked[..., pixels] = torch.nan
        return bool(scores(marked)[0, :, position].isnan().any())

    def end_of(position: int) -> int:
        """Return one beyond the last pixel that positions in this column see."""
        return 1 + bisect_left(pixels, True, key=lambda pixel: not sees(position, slice(pixel, None)))

    if count < 2 or sees(0, slice(side - 1, None)) or sees(count - 1, slice(0, 1)):
        return None
    pixels = range(1, side)
    end = end_of(0)
    step = end_of(1) - end
    # the last field starts inside the picture, the first may start before it
    last_start = bisect_left(pixels, True, key=lambda pixel: sees(count - 1, slice(0, pixel)))
    first_start = last_start - (count - 1) * step
    marked = inputs.clone()
    marked[:, :, end:] = torch.nan
    unmarked = scores(marked)[0].isfinite().any(dim=1).tolist()
    # the rows of the map are as many as the columns, and the first field is as high as it is wide
    if len(unmarked) != count or unmarked[:2] != [True, False]:
        return None
    return Fields(end - first_start, step, first_start)


@dataclass(frozen=True, eq=False)
class WholeScores:
    """Local scores of a whole picture, as far as they are computed.

    Attributes:
        scores: float32 (h, w), above 0 for REAL; NaN where they are still to come.
        done: share of them that is there, 1 with the last.
    """

    scores: Float32
    done: float

    @property
    def margin(self) -> float:
        """The mean of those that are there, which at the end is the margin of the whole picture."""
        return float(np.nanmean(self.scores, dtype=np.float64))


def score_whole(
    scores: Callable[[Pixels], Float32],
    fields: Fields,
    picture: Pixels,
) -> Iterator[WholeScores]:
    """Compute the local scores of a picture of any size in tiles, whose overlap makes them those of the whole.

    Args:
        scores: of a picture, uint8 (H, W, 3) -> float32 (h, w).
        fields: of its positions.
        picture: uint8 (height, width, 3), no side shorter than a field.

    Yields:
        The same array, a tile fuller each time.
    """
    size = np.array(picture.shape[:2])
    # the smallest picture whose sides leave the same remainders has its positions rounded alike
    least = math.ceil(fields.size / fields.step) * fields.step + size % fields.step
    counts = scores(np.zeros((*least, 3), np.uint8)).shape + (size - least) // fields.step
    whole = np.full(counts, np.nan, np.float32)
    rows, columns = (_tiles(fields, int(count)) for count in counts)
    for down, across in product(rows, columns):
        part = scores(picture[down.pixels, across.pixels])
        whole[down.positions, across.positions] = part[down.own, across.own]
        yield WholeScores(whole, float(np.isfinite(whole).mean()))


class Tile(NamedTuple):
    """Positions along one side of a picture, the pixels that they are computed from, and the same positions there."""

    positions: slice
    pixels: slice
    own: slice


def _tiles(fields: Fields, count: int) -> list[Tile]:
    """Divide all positions along a side into tiles, each computed from a multiple of the step on."""
    tiles = []
    most = max(1, TILE // fields.step)
    for first in range(0, count, most):
        end = min(first + most, count)
        skipped = max(0, fields.start // fields.step + first)
        stop = None
        if end < count:
            stop = fields.start + (end - 1) * fields.step + fields.size
        own = slice(first - skipped, end - skipped)
        tiles.append(Tile(slice(first, end), slice(skipped * fields.step, stop), own))
    return tiles
