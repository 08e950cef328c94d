"""Chunks of a WebP."""

from core.images.containers.contents import CUT, MANY, MAX_PARTS, Contents


def read(data: bytes) -> Contents:
    """Read the chunks of a WebP's RIFF container."""
    found, start = Contents("WebP"), 12
    end, frames = min(len(data), 8 + int.from_bytes(data[4:8], "little")), 0
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        found.complain(CUT)
    for _ in range(MAX_PARTS):
        if start + 8 > end:
            found.frames = max(1, frames)
            return found
        kind, length = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        body = data[start + 8 : min(end, start + 8 + length)]
        start += 8 + length + length % 2
        if kind == b"EXIF":
            found.exif = found.exif or found.piece(body.removeprefix(b"Exif\0\0"))
        elif kind == b"XMP ":
            found.xmp = found.xmp or found.piece(body)
        elif kind == b"C2PA":
            found.credentials = True
        elif kind == b"ANMF":
            frames += 1
    found.frames = max(1, frames)
    found.complain(MANY)
    return found
