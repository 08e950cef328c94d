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

import numpy as np
import torch
from torch import Tensor, nn

from core.arrays import Float32, Pixels
from core.detectors.target_layers import HOOKS, hooked

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
    network: nn.Module, layer: str, margins: Callable[[Tensor], Tensor], images: Tensor
) -> LinearHead | None:
    """Find the linear function of a layer's mean that a margin is; None where it is none.

    Args:
        network: in evaluation mode.
        layer: name of its last module with positions.
        margins: computes (N,) from inputs with a forward pass through the layer.
        images: two of them, (2, 3, S, S).
    """
    trials = [_try_layer(network.get_submodule(layer), margins, image[None], seed) for seed, image in enumerate(images)]
    gradients = torch.cat([gradient for gradient, _ in trials])
    weights = gradients.mean(dim=(0, 2, 3))
    largest = gradients.abs().max()
    even = bool((gradients - weights[:, None, None]).abs().max() <= LINEAR * largest)
    # a path around the layer would make the bias differ between images
    bias, other_bias = (bias for _, bias in trials)
    if not largest > 0 or not even or abs(bias - other_bias) > LINEAR * (1 + abs(bias)):
        return None
    positions = gradients.shape[2] * gradients.shape[3]
    return LinearHead(layer, weights * positions, bias)


def _try_layer(
    module: nn.Module, margins: Callable[[Tensor], Tensor], image: Tensor, seed: int
) -> tuple[Tensor, float]:
    """Compute the margin's gradient by a layer's output that is replaced by noise, and the constant term."""
    noise = []

    def replace_output(_name: str, _module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        drawn = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed))
        noise.append(drawn.to(output).requires_grad_(True))
        return noise[-1].clone()

    with torch.inference_mode(False), torch.enable_grad(), HOOKS, hooked({"": module}, replace_output):
        margin = margins(image.clone()).sum()
        (gradient,) = torch.autograd.grad(margin, noise[-1])
    return gradient, float((margin - (gradient * noise[-1]).sum()).detach())


def head_scores(network: nn.Module, head: LinearHead, margins: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Compute the local scores (N, h, w), whose mean is the margin, by a forward pass."""
    outputs = []

    def keep(_name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        # what follows may write into it
        outputs.append(output.clone())

    with HOOKS, hooked({"": network.get_submodule(head.layer)}, keep):
        margins(inputs)
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

    def is_beyond(position: int, pixel: int) -> bool:
        return not sees(position, slice(pixel, None))

    def is_within(pixel: int) -> bool:
        return sees(count - 1, slice(0, pixel))

    if count < 2 or sees(0, slice(side - 1, None)) or sees(count - 1, slice(0, 1)):
        return None
    pixels = range(1, side)
    # one beyond the last pixel that a position sees
    end = 1 + bisect_left(pixels, True, key=partial(is_beyond, 0))
    step = 1 + bisect_left(pixels, True, key=partial(is_beyond, 1)) - end
    # the last field starts inside the picture, the first may start before it
    last_start = bisect_left(pixels, True, key=is_within)
    first_start = last_start - (count - 1) * step
    if not _is_square(scores, inputs, end, count):
        return None
    return Fields(end - first_start, step, first_start)


def _is_square(scores: Callable[[Tensor], Tensor], inputs: Tensor, end: int, count: int) -> bool:
    """Check whether the rows of a map have the columns' number, `count`, and first field, which ends before `end`."""
    marked = inputs.clone()
    marked[:, :, end:] = torch.nan
    clean = scores(marked)[0].isfinite().any(dim=1).tolist()
    return clean[:2] == [True, False] and len(clean) == count


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
    # the smallest picture whose sides leave the same remainders has its positions rounded alike
    steps_of_field = math.ceil(fields.size / fields.step)
    least_size = [steps_of_field * fields.step + side % fields.step for side in picture.shape[:2]]
    least_rows, least_columns = scores(np.zeros((*least_size, 3), np.uint8)).shape
    rows = least_rows + (picture.shape[0] - least_size[0]) // fields.step
    columns = least_columns + (picture.shape[1] - least_size[1]) // fields.step
    whole = np.full((rows, columns), np.nan, np.float32)
    stride = max(1, TILE // fields.step)
    for top in range(0, rows, stride):
        bottom = min(top + stride, rows)
        above, below = _span(fields, top, bottom, rows, picture.shape[0])
        for left in range(0, columns, stride):
            right = min(left + stride, columns)
            before, after = _span(fields, left, right, columns, picture.shape[1])
            part = scores(picture[above:below, before:after])
            first_row = top - above // fields.step
            first_column = left - before // fields.step
            part = part[first_row : first_row + bottom - top, first_column : first_column + right - left]
            whole[top:bottom, left:right] = part
            yield WholeScores(whole, float(np.isfinite(whole).mean()))


def _span(fields: Fields, first: int, end: int, count: int, side: int) -> tuple[int, int]:
    """Return the pixels from which these positions along a side are computed, from a multiple of the step on."""
    start = max(0, (fields.start + first * fields.step) // fields.step * fields.step)
    if end == count:
        return start, side
    return start, min(side, fields.start + (end - 1) * fields.step + fields.size)
