"""Describe how an image file was compressed; equal descriptions mean equal compression."""

import hashlib
import io
from functools import lru_cache

from PIL import Image, JpegImagePlugin

from core.images.decoding import registered

SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
Tables = tuple[tuple[int, ...], ...]


def compression_of(data: bytes) -> str | None:
    """Describe a file's format, quantisation tables and chroma subsampling, for instance "JPEG quality 75, 4:2:0".

    Tables that libjpeg writes are named by their quality, others by a hash. Only the header is read.

    Args:
        data: the bytes of a file.

    Returns:
        The description; None if the file's header is damaged or its format is not one of `registered`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=registered()) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile):
                return str(image.format)
            tables = _tables(image)
            sampling = SAMPLING.get(JpegImagePlugin.get_sampling(image), "no subsampling known")
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, RuntimeError):
        # Pillow's plugins raise all of these on damaged input
        return None
    quality = _qualities().get(tables)
    named = f"quality {quality}" if quality else f"tables {hashlib.sha256(repr(tables).encode()).hexdigest()[:6]}"
    return f"JPEG {named}, {sampling}"


def _tables(image: JpegImagePlugin.JpegImageFile) -> Tables:
    return tuple(tuple(values) for _, values in sorted(image.quantization.items()))


@lru_cache(maxsize=1)
def _qualities() -> dict[Tables, int]:
    """Map the tables that libjpeg writes for colour and grey images to their quality."""
    known: dict[Tables, int] = {}
    for quality in range(100, 0, -1):
        for mode in ("RGB", "L"):
            buffer = io.BytesIO()
            Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=quality)
            with Image.open(buffer, formats=("JPEG",)) as image:
                if isinstance(image, JpegImagePlugin.JpegImageFile):
                    known.setdefault(_tables(image), quality)
    return known
