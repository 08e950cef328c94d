"""Counting the parts of a file before a decoder steps through them."""

import re
from collections.abc import Callable

from core.images.containers.contents import MAX_PARTS

# most compressed chunks of a PNG and most Exif segments of a JPEG: Pillow unpacks, or joins, each before any limit
MAX_PACKED = 64
MAX_EXIF_PARTS = 16
# JPEG markers without a length, and those that end the coded pixels of a scan: all but stuffed zeros and restarts
ALONE = re.compile(rb"\xff[\x01\xd0-\xd8]")
AFTER_SCAN = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")


def count_scans(data: bytes) -> int:
    """Return a JPEG's number of scans, 1 for other formats; 0 for a file of `MAX_PARTS` or more, or too many slow ones.

    Data after the end of the image, such as the video of a motion photo, is ignored.
    """
    walk = next((walk for begins, walk in WALKS.items() if data.startswith(begins)), None)
    return 1 if walk is None else walk(data)


def _walk_png(data: bytes) -> int:
    start, packed = 8, 0
    for _ in range(MAX_PARTS):
        kind = data[start + 4 : start + 8]
        if start + 8 > len(data) or kind == b"IEND":
            return 1
        packed += kind in (b"iCCP", b"zTXt", b"iTXt")
        if packed > MAX_PACKED:
            return 0
        start += 12 + int.from_bytes(data[start : start + 4], "big")
    return 0


def _walk_gif(data: bytes) -> int:
    flags = data[10] if len(data) > 10 else 0
    # after the header and the global colour table
    start, is_inside = 13 + (3 << ((flags & 7) + 1) if flags & 128 else 0), False
    for _ in range(MAX_PARTS):
        # walks the blocks before the first frame; the frame's own blocks hold its pixels
        if is_inside:
            size = data[start] if start < len(data) else 0
            is_inside, start = size > 0, start + 1 + size
        elif data[start : start + 1] == b"!":
            is_inside, start = True, start + 2
        elif start >= len(data) or data[start] in b",;":
            return 1
        else:
            # a stray byte between blocks, which decoders skip
            start += 1
    return 0


def _walk_jpeg(data: bytes) -> int:
    start, scans, exif = 2, 0, 0
    for _ in range(MAX_PARTS):
        marker = data[start : start + 2]
        if start + 4 > len(data) or marker == b"\xff\xd9":
            return max(1, scans)
        exif += marker == b"\xff\xe1" and data[start + 4 : start + 10] == b"Exif\0\0"
        if exif > MAX_EXIF_PARTS:
            return 0
        if ALONE.fullmatch(marker):
            start += 2
        elif marker[0] == 0xFF and marker[1] not in (0x00, 0xFF):
            start += 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
        else:
            # padding, which a reader skips byte by byte
            start += 1
        if marker == b"\xff\xda":
            scans += 1
            found = AFTER_SCAN.search(data, start)
            start = found.start() if found else len(data)
    return 0


# first bytes of a format -> what counts its scans, 0 where there are too many parts
WALKS: dict[bytes, Callable[[bytes], int]] = {
    b"\x89PNG\r\n\x1a\n": _walk_png,
    b"GIF87a": _walk_gif,
    b"GIF89a": _walk_gif,
    b"\xff\xd8": _walk_jpeg,
}
