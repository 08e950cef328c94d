"""Deliveries that make a picture smaller."""

from functools import partial

import numpy as np
from PIL import Image

from core.images.decoding import RESAMPLING
from core.perturbations.delivery.delivery import Delivery, Picture

# the filters of browsers, editors and image libraries; "nearest" is for pixel art
FILTERS = ("box", "bilinear", "bicubic", "lanczos")


def scaled(picture: Picture, factor: float, filter_: str) -> Picture:
    """Scale uint8 (height, width, 3) by a factor above 0 with one of `RESAMPLING`'s filters."""
    height, width = picture.shape[:2]
    size = max(1, round(factor * width)), max(1, round(factor * height))
    return np.asarray(Image.fromarray(picture).resize(size, RESAMPLING[filter_]))


DELIVERIES = tuple(
    Delivery(
        f"scale_{round(100 * factor)}_{name}", f"{factor:.0%} {name}", partial(scaled, factor=factor, filter_=name)
    )
    for factor in (0.75, 0.5)
    for name in FILTERS
)
