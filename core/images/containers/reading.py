"""Which container a file is, by its first bytes."""

from core.images.containers import boxes, gif, jpeg, png, webp
from core.images.containers.contents import Contents


def format_of(data: bytes) -> str:
    """Return "PNG", "JPEG", "WebP", "GIF", "AVIF" or "HEIC", "" for any other file."""
    if data.startswith(png.MAGIC):
        return "PNG"
    if data.startswith(jpeg.MAGIC):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return "GIF" if data[:6] in (b"GIF87a", b"GIF89a") else boxes.format_of(data)


def read_contents(data: bytes) -> Contents:
    """Read the metadata of a file; an unknown container gives empty `Contents`."""
    readers = {"PNG": png, "JPEG": jpeg, "WebP": webp, "GIF": gif, "AVIF": boxes, "HEIC": boxes}
    reader = readers.get(format_of(data))
    return reader.read(data) if reader else Contents()
