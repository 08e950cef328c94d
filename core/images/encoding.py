"""Encoding arrays as pictures: files, and text that a browser shows."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# pixels along a side up to which an image is sent to a browser as it is
CRISP = 64


def encode_png(pixels: NDArray[np.uint8], *, scale: int = 1) -> bytes:
    """Encode a (height, width, 3 or 4) uint8 array as PNG, each pixel enlarged to a crisp scale x scale square."""
    buffer = io.BytesIO()
    Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1)).save(buffer, format="PNG")
    return buffer.getvalue()


def thumbnail_url(image: NDArray[np.uint8], most: int) -> str:
    """Encode an image as text that a browser shows at up to `most` pixels a side.

    Small images are PNGs with every pixel as it is. Of larger ones a page of PNGs would be too long: they are WebPs.

    Args:
        image: uint8 (height, width, 3 or 4).
        most: pixels of the longer side.
    """
    height, width = image.shape[:2]
    if max(height, width) <= CRISP:
        return data_url(image)
    share = min(1.0, most / max(height, width))
    small = Image.fromarray(image).resize((max(1, round(share * width)), max(1, round(share * height))))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=85)
    return data_url(buffer.getvalue(), mime="image/webp")


def data_url(content: NDArray[np.uint8] | bytes, *, mime: str = "image/png") -> str:
    """Encode a picture as text that a browser shows; (height, width, 3 or 4) uint8 pixels become a PNG."""
    data = content if isinstance(content, bytes) else encode_png(content)
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
