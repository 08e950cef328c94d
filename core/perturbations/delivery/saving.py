"""Deliveries that save a picture in another format."""

import io
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from core.perturbations.delivery.delivery import Delivery, Picture


def saved(picture: Picture, kind: str, **options: Any) -> Picture:
    """Save uint8 (height, width, 3) in a format and read it again; `options` are those of Pillow's encoder."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    with Image.open(buffer, formats=(kind,)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg(picture: Picture, quality: int) -> Picture:
    """Save as JPEG at a quality from 1 to 95 with 4:2:0 chroma subsampling, the usual default of programs."""
    return saved(picture, "JPEG", quality=quality, subsampling="4:2:0")


DELIVERIES = (
    *(Delivery(f"jpeg_{quality}", f"JPEG {quality}", partial(jpeg, quality=quality)) for quality in (95, 85, 75, 50)),
    # the encoder's fastest method: the others make smaller files, but take seconds for a phone's photo
    Delivery("webp_80", "WebP 80", partial(saved, kind="WEBP", quality=80, method=0)),
    # lossless: no pixel changes, so any difference that it shows is due to chance
    Delivery("png", "PNG", partial(saved, kind="PNG", compress_level=0)),
)
