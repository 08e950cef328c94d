"""The parts of an image file: counted before a decoder steps through them, and decoded strip by strip.

A picture of more than `WHOLE` pixels, larger than any detector reads, is halved, or halved twice, strip by strip, so
that it is never in memory whole. Others are never touched.
"""

import io
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np
import pillow_heif
from PIL import Image

from core.arrays import Pixels

# parts of one file; an honest one has dozens, a hostile one makes a decoder step through millions
MAX_PARTS = 10_000
# compressed chunks of a PNG and Exif segments of a JPEG: Pillow unpacks, or joins, each before any limit
MAX_PACKED = 64
MAX_EXIF_PARTS = 4
# JPEG markers without a length, and those that end the coded pixels of a scan: all but stuffed zeros and restarts
ALONE = re.compile(rb"\xff[\x01\xd0-\xd8]")
AFTER_SCAN = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
PNG = b"\x89PNG\r\n\x1a\n"
TIFF = (b"II*\0", b"MM\0*")
# tags of a TIFF directory, and their values other than bytes or text: the offsets of 16,384 strips and their sizes
MAX_TAGS = 200
MAX_VALUES = 40_000
# tags that point to another directory (EXIF, GPS, interoperability), and the sides of a tile with their limit in pixels
DIRECTORIES = (0x8769, 0x8825, 0xA005)
TILE_SIDES = (322, 323)
MAX_TILE = 1024
BYTES = (1, 2, 6, 7)
# pixels of a picture that is read as it is
WHOLE = 24_500_000
# rows at once, a multiple of every factor
STRIP = 64
# bytes of a pixel by the colour type of a PNG's header
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def count_scans(data: bytes) -> int:
    """Return a JPEG's number of scans, 1 for other formats; 0 for a file of `MAX_PARTS` or more, or too many slow ones.

    Data after the end of the image, such as the video of a motion photo, is ignored.
    """
    if data.startswith(b"\xff\xd8"):
        return _walk_jpeg(data)
    if data.startswith(PNG):
        return _walk_png(data)
    if data.startswith(TIFF):
        return _walk_tiff(data)
    return 1


def _walk_png(data: bytes) -> int:
    kinds = [kind for kind, _ in islice(_chunks(data), MAX_PARTS)]
    packed = sum(map(kinds.count, (b"iCCP", b"zTXt", b"iTXt")))
    return int(len(kinds) < MAX_PARTS and packed <= MAX_PACKED)


def _walk_jpeg(data: bytes) -> int:
    start = 2
    scans = 0
    exif = 0
    for _ in range(MAX_PARTS):
        marker = data[start : start + 2]
        if exif > MAX_EXIF_PARTS:
            return 0
        if start + 4 > len(data) or marker == b"\xff\xd9":
            return max(1, scans)
        exif += marker == b"\xff\xe1" and data[start + 4 : start + 10] == b"Exif\0\0"
        if ALONE.fullmatch(marker):
            start += 2
        elif marker[0] == 0xFF and marker[1] not in (0x00, 0xFF):
            start += 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
        else:
            # padding, which a reader skips byte by byte
            start += 1
        if marker == b"\xff\xda":
            scans += 1
            end = AFTER_SCAN.search(data, start)
            if end:
                start = end.start()
            else:
                start = len(data)
    return 0


def _walk_tiff(data: bytes) -> int:
    """Return 0 if the directory of a TIFF, or one that it points to, holds more than an image needs."""
    order = {b"I": "<", b"M": ">"}[data[:1]]
    directories = [data[4:8]]
    size = values = 0
    for at in directories:
        (start,) = struct.unpack(order + "I", at.ljust(4, b"\0"))
        (tags,) = struct.unpack(order + "H", data[start : start + 2].ljust(2, b"\0"))
        for entry in range(start + 2, min(start + 2 + 12 * tags, len(data) - 11), 12):
            tag, kind, count = struct.unpack_from(order + "HHI", data, entry)
            if kind in BYTES:
                size += count
            else:
                values += count
            if tag in DIRECTORIES:
                directories.append(data[entry + 8 : entry + 12])
            # a number of type SHORT, or of another that is as long as an offset
            (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)
            if tag in TILE_SIDES and value > MAX_TILE:
                return 0
        if tags > MAX_TAGS or size > len(data) or values > MAX_VALUES or len(directories) > 1 + len(DIRECTORIES):
            return 0
    return 1


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
    parts = (_chunk(kind, body) for kind, body in _chunks(data) if kind not in (b"IDAT", b"fdAT"))
    return PNG + b"".join(parts) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of a PNG's chunks before its end."""
    start = 8
    while start + 8 <= len(data) and data[start + 4 : start + 8] != b"IEND":
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
