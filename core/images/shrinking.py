"""Shrinking pictures that are larger than any detector reads, strip by strip, so that they are never in memory whole.

Such a picture is halved, or halved twice. One of `WHOLE` pixels or fewer is never touched.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pillow_heif
from PIL import Image

from core.arrays import Pixels
from core.images.parts import PNG

# pixels of a picture that is read as it is
WHOLE = 24_500_000
# rows at once, a multiple of every factor
STRIP = 64
# bytes of a pixel by the colour type of a PNG's header
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def factor_of(size: tuple[int, int]) -> int:
    """Return by how much (width, height) is shrunk: 1, 2 or 4."""
    return next(factor for factor in (1, 2, 4) if size[0] * size[1] <= WHOLE * factor**2)


def reduced(
    strips: Iterable[Image.Image], size: tuple[int, int], factor: int, convert: Callable[[Image.Image], Image.Image]
) -> Pixels:
    """Shrink a picture by the mean of each square of pixels.

    Args:
        strips: from top to bottom, of `STRIP` rows each but for the last.
        size: (width, height) of all of it.
        factor: pixels along each side of a square.
        convert: makes a strip RGB.

    Returns:
        uint8 (height, width, 3), rounded up.
    """
    width, height = (-(-side // factor) for side in size)
    pixels = np.empty((height, width, 3), np.uint8)
    step = STRIP // factor
    for number, strip in enumerate(strips):
        pixels[number * step : (number + 1) * step] = np.asarray(convert(strip).reduce(factor))
    return pixels


def has_png_strips(data: bytes) -> bool:
    """Check whether a PNG can be read strip by strip: 8 bits a channel, not interlaced."""
    return data.startswith(PNG) and data[24] == 8 and data[25] in CHANNELS and data[28] == 0


def png_strips(data: bytes) -> Iterator[Image.Image]:
    """Decode a PNG of `has_png_strips` strip by strip; raises OSError for one that ends early.

    Rows refer to the row above, so each strip becomes a small PNG that begins with the last row of the one before.
    """
    width, height = struct.unpack(">II", data[16:24])
    length = 1 + width * CHANNELS[data[25]]
    head = b"".join(_chunk(kind, body) for kind, body in _chunks(data) if kind in (b"PLTE", b"tRNS"))
    rows = _unpacked(data)
    above = b""
    for top in range(0, height, STRIP):
        count = min(STRIP, height - top)
        body = above + rows(count * length)
        size = struct.pack(">II", width, count + bool(above))
        strip = PNG + _chunk(b"IHDR", size + data[24:29]) + head
        strip += _chunk(b"IDAT", zlib.compress(body, 0)) + _chunk(b"IEND", b"")
        with Image.open(io.BytesIO(strip), formats=("PNG",)) as image:
            image.load()
            yield image.crop((0, bool(above), width, image.height))
            # filter 0, then the row as it is
            above = b"\0" + image.crop((0, image.height - 1, width, image.height)).tobytes()


def without_pixels(data: bytes) -> bytes:
    """Return a PNG with all its parts but the pixels, which are read when it is opened; any other file as it is."""
    if not data.startswith(PNG):
        return data
    parts = (_chunk(kind, body) for kind, body in _chunks(data) if kind not in (b"IDAT", b"fdAT", b"IEND"))
    return PNG + b"".join(parts) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    start = 8
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8], data[start + 8 : end]
        start = end + 4


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _unpacked(data: bytes) -> Callable[[int], bytes]:
    """Return a function that unpacks the next so many bytes of a PNG's pixels."""
    packed = (body for kind, body in _chunks(data) if kind == b"IDAT")
    unpacker = zlib.decompressobj()

    def read(size: int) -> bytes:
        pieces = []
        while size:
            waiting = unpacker.unconsumed_tail or next(packed, b"")
            piece = unpacker.decompress(waiting, size)
            if not waiting and not piece:
                raise OSError("it ends early")
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    return read


def heif_strips(data: bytes) -> Iterator[Image.Image]:
    """Cut the primary picture of a HEIC into strips, without the copies that a picture of Pillow's takes."""
    pictures = pillow_heif.open_heif(data)
    pixels = np.asarray(pictures[pictures.primary_index])
    width = pictures[pictures.primary_index].size[0]
    for top in range(0, len(pixels), STRIP):
        yield Image.fromarray(np.ascontiguousarray(pixels[top : top + STRIP, :width]))
