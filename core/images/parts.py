"""The parts of an image file: counted before a decoder steps through them, and strips of those that are large."""

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pillow_heif
from PIL import Image

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
# rows at once, a multiple of every factor
STRIP = 64


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


def heif_strips(data: bytes) -> Iterator[Image.Image]:
    """Cut the primary picture of a HEIC into strips, without the copies that a picture of Pillow's takes."""
    pictures = pillow_heif.open_heif(data)
    pixels = np.asarray(pictures[pictures.primary_index])
    width = pictures[pictures.primary_index].size[0]
    for top in range(0, len(pixels), STRIP):
        yield Image.fromarray(np.ascontiguousarray(pixels[top : top + STRIP, :width]))
