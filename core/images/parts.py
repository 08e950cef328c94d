"""The parts of an image file, counted before a decoder steps through them."""

import re
import struct

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
    start = 8
    packed = 0
    for _ in range(MAX_PARTS):
        kind = data[start + 4 : start + 8]
        if start + 8 > len(data) or kind == b"IEND":
            return int(packed <= MAX_PACKED)
        packed += kind in (b"iCCP", b"zTXt", b"iTXt")
        start += 12 + int.from_bytes(data[start : start + 4], "big")
    return 0


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
            if tag in TILE_SIDES and _number(data, entry, order) > MAX_TILE:
                return 0
        if tags > MAX_TAGS or size > len(data) or values > MAX_VALUES or len(directories) > 1 + len(DIRECTORIES):
            return 0
    return 1


def _number(data: bytes, entry: int, order: str) -> int:
    """Return the one number of a TIFF entry, of type SHORT or another that is as long as an offset."""
    (kind,) = struct.unpack_from(order + "H", data, entry + 2)
    (value,) = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + 8)
    return int(value)
