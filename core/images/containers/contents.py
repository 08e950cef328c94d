"""The metadata of an image's container, and the limits on how much of it is read."""

import zlib
from dataclasses import dataclass, field

# parts of one file; an honest one has dozens, a hostile one makes a reader step through millions
MAX_PARTS = 10_000
# most bytes of one piece of metadata after decompression, and most characters of all texts together
MAX_PIECE = 2**20
MAX_TEXTS = 4 * 2**20
CUT = "The file ends in the middle of its metadata, so what it says may be incomplete."
MANY = f"The file has more than {MAX_PARTS:,} parts; those after that were not read."
LARGE = "The file holds metadata of more than 1 MB, which was not read."


@dataclass(eq=False)
class Contents:
    """What was found in a container.

    Attributes:
        format: "PNG", "JPEG", "WebP", "GIF", "AVIF" or "HEIC"; "" for any other file.
        exif: the TIFF structure without its "Exif" header; b"" if there is none, as for `xmp` and `iptc`.
        xmp: XML.
        iptc: IPTC-IIM records.
        texts: (keyword, text) of PNG text chunks; JPEG and GIF comments have the keyword "comment".
        credentials: True where there is a C2PA manifest store.
        frames: number of frames, 1 for a still image.
        writers: encoders that left a marker of their own, as phrases for a sentence.
        problems: sentences that say what was wrong with the container.
    """

    format: str = ""
    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    texts: list[tuple[str, str]] = field(default_factory=list)
    credentials: bool = False
    frames: int = 1
    writers: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _read: int = 0

    def complain(self, sentence: str) -> None:
        """Note what is wrong, once."""
        if sentence not in self.problems:
            self.problems.append(sentence)

    def add_text(self, keyword: str, text: str) -> None:
        """Add a text, or a problem if this text or all of them together are too long."""
        self._read += len(text)
        if len(text) > MAX_PIECE or self._read > MAX_TEXTS:
            self.complain(LARGE)
        else:
            self.texts.append((keyword, text))

    def piece(self, data: bytes) -> bytes:
        """Return a piece of metadata, or b"" and a problem where it is too large."""
        if len(data) <= MAX_PIECE:
            return data
        self.complain(LARGE)
        return b""


def unpack(data: bytes) -> bytes | None:
    """Decompress at most one byte more than 1 MB of zlib data; None if it is damaged."""
    packer = zlib.decompressobj()
    try:
        return packer.decompress(data, MAX_PIECE + 1)
    except zlib.error:
        return None
