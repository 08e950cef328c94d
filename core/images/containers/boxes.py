"""Boxes of the ISO base media format, in which AVIF and HEIC pictures lie."""

from collections.abc import Iterator

from core.images.containers.contents import CUT, MANY, MAX_PARTS, MAX_PIECE, Contents

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
AVIF = (b"avif", b"avis")
C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MAX_ITEMS = 1000


def format_of(data: bytes) -> str:
    """Return "AVIF" or "HEIC" by the brands that a file names, "" for any other file."""
    if data[4:8] != b"ftyp":
        return ""
    brands = data[8 : min(len(data), max(12, int.from_bytes(data[:4], "big")), 264)]
    named = [brands[start : start + 4] for start in range(0, len(brands) - 3, 4) if start != 4]
    if any(brand in AVIF for brand in named):
        return "AVIF"
    return "HEIC" if any(brand in HEIC for brand in named) else ""


def read(data: bytes) -> Contents:
    """Read what the boxes of a file list: EXIF, XMP, and whether there are Content Credentials."""
    found, is_read = Contents(format_of(data)), False
    for kind, start, end in _boxes(data, 0, len(data), found):
        if kind == b"uuid" and data[start : start + 16] == C2PA:
            found.credentials = True
        elif kind == b"meta" and not is_read:
            # image decoders use only the first meta box
            is_read = True
            _read_items(data, start + 4, end, found)
    return found


def _boxes(data: bytes, start: int, end: int, found: Contents) -> Iterator[tuple[bytes, int, int]]:
    """Yield each box of a byte range as (type, start of its body, end); nested boxes are not visited."""
    for _ in range(MAX_PARTS):
        if start + 8 > end:
            return
        size, kind, head = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        stop = end if size == 0 else start + size
        if size and size < head:
            found.complain(CUT)
            return
        if stop > end:
            found.complain(CUT)
        yield kind, start + head, min(stop, end)
        start = stop
    found.complain(MANY)


def _read_items(data: bytes, start: int, end: int, found: Contents) -> None:
    kinds: dict[int, bytes] = {}
    places: dict[int, tuple[int, int]] = {}
    for kind, first, last in _boxes(data, start, end, found):
        if kind == b"iinf":
            wide = data[first : first + 1] not in (b"", b"\0")
            for entry, at, stop in _boxes(data, first + (8 if wide else 6), last, found):
                if entry == b"infe" and len(kinds) < MAX_ITEMS:
                    kinds |= _named(data[at:stop])
        elif kind == b"iloc" and not places:
            places = _places(data[first:last])
    for item, named in kinds.items():
        if named not in (b"Exif", b"mime"):
            continue
        at, size = places.get(item, (0, 0))
        # one byte over the limit, so that `piece` notices an item that is too large
        body = found.piece(data[at : at + min(size, MAX_PIECE + 1)]) if size else b""
        if named == b"Exif":
            # the first four bytes are the offset of the TIFF structure from their end
            found.exif = found.exif or body[4 + int.from_bytes(body[:4], "big") :]
        else:
            found.xmp = found.xmp or body


def _named(entry: bytes) -> dict[int, bytes]:
    """Return {item ID: type} of an infe box; of MIME items only RDF, which holds XMP."""
    version = entry[0] if entry else 0
    if version not in (2, 3):
        return {}
    wide = 4 if version == 3 else 2
    kind = entry[4 + wide + 2 : 4 + wide + 6]
    if kind == b"mime" and b"application/rdf+xml" not in entry[4 + wide + 6 :]:
        return {}
    return {int.from_bytes(entry[4 : 4 + wide], "big"): kind}


def _places(body: bytes) -> dict[int, tuple[int, int]]:
    """Return item ID -> (file offset, length) of an iloc box, only for items stored in one extent."""
    found: dict[int, tuple[int, int]] = {}
    if len(body) < 8:
        return found
    version, sizes = body[0], body[4:6]
    offset_size, length_size, base_size, index_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4, sizes[1] & 15
    wide = 4 if version == 2 else 2
    at = 6

    def take(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(body[at - size : at], "big")

    for _ in range(min(take(wide), MAX_ITEMS)):
        item = take(wide)
        method = take(2) & 15 if version in (1, 2) else 0
        take(2)
        base, pieces = take(base_size), take(2)
        index = index_size if version in (1, 2) else 0
        if pieces == 1:
            take(index)
            offset, length = take(offset_size), take(length_size)
            if method == 0:
                found[item] = base + offset, length
        else:
            at += pieces * (index + offset_size + length_size)
        if at > len(body):
            break
    return found
