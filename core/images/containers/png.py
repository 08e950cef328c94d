"""Chunks of a PNG."""

from core.images.containers.contents import CUT, LARGE, MANY, MAX_PARTS, MAX_PIECE, Contents, unpack

MAGIC = b"\x89PNG\r\n\x1a\n"
XMP = "XML:com.adobe.xmp"
# ImageMagick writes whole blocks of metadata as hexadecimal digits
RAW = "Raw profile type "


def read(data: bytes) -> Contents:
    """Read the chunks of a PNG up to its end."""
    found, start = Contents("PNG"), len(MAGIC)
    for _ in range(MAX_PARTS):
        length, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if kind == b"IEND":
            return found
        if start + 12 + length > len(data):
            found.complain(CUT)
            return found
        body = data[start + 8 : start + 8 + length]
        start += 12 + length
        if kind == b"eXIf":
            found.exif = found.exif or found.piece(body)
        elif kind == b"caBX":
            found.credentials = True
        elif kind == b"acTL":
            found.frames = max(1, int.from_bytes(body[:4], "big"))
        elif kind in TEXTS:
            _keep(found, kind, body)
    found.complain(MANY)
    return found


def _keep(found: Contents, kind: bytes, body: bytes) -> None:
    keyword, _, rest = body.partition(b"\0")
    name = keyword[:79].decode("latin-1")
    raw = TEXTS[kind](rest)
    # what is not packed is measured where it is kept
    if raw is None or (len(raw) > MAX_PIECE and not rest.endswith(raw)):
        found.complain(CUT if raw is None else LARGE)
        return
    if name == XMP:
        found.xmp = found.xmp or found.piece(raw)
    elif name.startswith(RAW):
        _keep_raw(found, name.removeprefix(RAW).strip(), raw)
    else:
        found.add_text(name, raw.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace"))


def _keep_raw(found: Contents, name: str, raw: bytes) -> None:
    """Keep the EXIF or XMP of a raw profile, which is written as a name, a length and hexadecimal digits."""
    try:
        block = found.piece(bytes.fromhex("".join(raw.decode("latin-1").split()[2:])))
    except ValueError:
        found.complain(CUT)
        return
    if name in ("exif", "APP1") and block.startswith(b"Exif\0\0"):
        found.exif = found.exif or block[6:]
    elif name == "xmp":
        found.xmp = found.xmp or block


def _plain(rest: bytes) -> bytes | None:
    return rest


def _packed(rest: bytes) -> bytes | None:
    return unpack(rest[1:])


def _international(rest: bytes) -> bytes | None:
    packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(text) < 3:
        return None
    return unpack(text[2]) if packed else text[2]


TEXTS = {b"tEXt": _plain, b"zTXt": _packed, b"iTXt": _international}
