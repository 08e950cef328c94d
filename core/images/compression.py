"""How an image file was compressed, in words that are equal where it was compressed alike."""

import hashlib
import io
from functools import lru_cache

from PIL import Image, JpegImagePlugin

from core.images.decoding import FORMATS

SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
Tables = tuple[tuple[int, ...], ...]


def compression_of(data: bytes) -> str | None:
    """Format, quantisation tables and chroma subsampling of a file, for instance "JPEG quality 75, 4:2:0".

    The quality is said where the tables are libjpeg's own; others are told apart by a hash. Only the header is read.

    Args:
        data: the bytes of a file that `core.images.decode` accepts.

    Returns:
        None where the file is no image of an allowed format.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile):
                return str(image.format)
            tables = _tables(image)
            sampling = SAMPLING.get(JpegImagePlugin.get_sampling(image), "no subsampling known")
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError):
        # Pillow's plugins raise all of these on damaged input
        return None
    quality = _qualities().get(tables)
    named = f"quality {quality}" if quality else f"tables {hashlib.sha256(repr(tables).encode()).hexdigest()[:6]}"
    return f"JPEG {named}, {sampling}"


def _tables(image: JpegImagePlugin.JpegImageFile) -> Tables:
    return tuple(tuple(values) for _, values in sorted(image.quantization.items()))


@lru_cache(maxsize=1)
def _qualities() -> dict[Tables, int]:
    """The tables that libjpeg writes at each quality, of colour and of grey images."""
    known: dict[Tables, int] = {}
    for quality in range(100, 0, -1):
        for mode in ("RGB", "L"):
            buffer = io.BytesIO()
            Image.new(mode, (8, 8)).save(buffer, "JPEG", quality=quality)
            with Image.open(buffer, formats=("JPEG",)) as image:
                if isinstance(image, JpegImagePlugin.JpegImageFile):
                    known.setdefault(_tables(image), quality)
    return known
