"""Choices that command lines, manifests and code share; here, because a command line is read before any library."""

from typing import Literal, get_args

Crop = Literal["before", "before_fit", "after", "after_floor", "none", "native"]
Outputs = Literal["logits", "probabilities"]
CROPS = get_args(Crop)
OUTPUTS = get_args(Outputs)
# filters of resampling, by Pillow's names
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
