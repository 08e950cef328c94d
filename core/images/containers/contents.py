"""What a container holds beside its pixels, and the limits of what is read."""

import zlib
from dataclasses import dataclass, field

# parts of one file; an honest one has dozens
MAX_PARTS = 10_000
# bytes of one piece of metadata, unpacked, and of all texts together
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
        exif: a TIFF structure, without the "Exif" in front of it; b"" where there is none, as below.
        xmp: XML.
        iptc: IPTC-IIM records.
        texts: keyword and text of PNG text chunks and of comments.
        credentials: True where there is a C2PA manifest store.
        frames: pictures of an animation, 1 where it is none.
        writers: encoders that left a mark of their own.
        problems: what was wrong with the container, in sentences.
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
        """Keep a text as long as there is room for it."""
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
    """Decompress zlib data of at most 1 MB; None where it is more or damaged."""
    packer = zlib.decompressobj()
    try:
        found = packer.decompress(data, MAX_PIECE + 1)
    except zlib.error:
        return None
    return found if len(found) <= MAX_PIECE else None
