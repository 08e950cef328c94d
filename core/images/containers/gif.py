"""Blocks of a GIF."""

from core.images.containers.contents import CUT, MANY, MAX_PARTS, MAX_PIECE, Contents

XMP = b"XMP DataXMP"
# XMP is stored in a GIF without sub-blocks; this many bytes after it, and a 0, lead a block reader to its end
TRAILER = 257
# limit of the sub-blocks in a chain; even the largest accepted file has fewer full ones (255 bytes each)
MAX_BLOCKS = 100_000


def read(data: bytes) -> Contents:
    """Read the blocks of a GIF up to its end, and count its pictures."""
    found, frames = Contents("GIF"), 0
    start = 13 + _colours(data[10] if len(data) > 10 else 0)
    for _ in range(MAX_PARTS):
        kind = data[start : start + 1]
        if kind == b"\x21":
            label, start = data[start + 1 : start + 2], start + 2
            end = _end(data, start)
            _keep(found, label, data[start:end])
            start = end
        elif kind == b"\x2c":
            frames += 1
            flags = data[start + 9] if start + 9 < len(data) else 0
            start = _end(data, start + 11 + _colours(flags))
        else:
            if kind != b"\x3b":
                found.complain(CUT)
            break
    else:
        found.complain(MANY)
    found.frames = max(1, frames)
    return found


def _keep(found: Contents, label: bytes, blocks: bytes) -> None:
    if label == b"\xfe":
        found.add_text("comment", _joined(blocks).decode("utf-8", "replace"))
    elif label == b"\xff" and blocks[1:12] == XMP:
        found.xmp = found.xmp or found.piece(blocks[12 : -TRAILER - 1])
    elif label == b"\xff" and blocks[1:9] == b"C2PA_GIF":
        found.credentials = True


def _colours(flags: int) -> int:
    """Return the size in bytes of the colour table that `flags` announce, 0 if there is none."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _end(data: bytes, start: int) -> int:
    """Return the offset after a chain of length-prefixed sub-blocks and its terminator."""
    for _ in range(MAX_BLOCKS):
        if start >= len(data) or not data[start]:
            return start + 1
        start += 1 + data[start]
    # a chain without an end is taken to fill the file
    return len(data) + 1


def _joined(blocks: bytes) -> bytes:
    text, start = bytearray(), 0
    for _ in range(MAX_BLOCKS):
        if start >= len(blocks) or not blocks[start] or len(text) > MAX_PIECE:
            break
        text += blocks[start + 1 : start + 1 + blocks[start]]
        start += 1 + blocks[start]
    return bytes(text)
