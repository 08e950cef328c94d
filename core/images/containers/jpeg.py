"""Segments of a JPEG before its coded pixels."""

from core.images.containers.contents import CUT, MANY, MAX_PARTS, Contents

MAGIC = b"\xff\xd8"
EXIF = b"Exif\0\0"
XMP = b"http://ns.adobe.com/xap/1.0/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
IPTC = 0x0404
# UUID in the description of a JUMBF box that holds a C2PA manifest store
C2PA = bytes.fromhex("6332706100110010800000aa00389b71")


def read(data: bytes) -> Contents:
    """Read the segments of a JPEG up to its first scan."""
    found, start = Contents("JPEG"), 2
    for _ in range(MAX_PARTS):
        marker = data[start : start + 2]
        if marker in (b"\xff\xda", b"\xff\xd9"):
            return found
        if len(marker) < 2:
            found.complain(CUT)
            return found
        if marker[0] != 0xFF or marker[1] in (0x00, 0x01, 0xFF) or 0xD0 <= marker[1] <= 0xD8:
            # padding, and markers without a length
            start += 1 if marker[0] != 0xFF or marker[1] in (0x00, 0xFF) else 2
            continue
        length = max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
        if start + 2 + length > len(data):
            found.complain(CUT)
            return found
        _keep(found, marker[1], data[start + 4 : start + 2 + length])
        start += 2 + length
    found.complain(MANY)
    return found


def _keep(found: Contents, marker: int, body: bytes) -> None:
    if marker == 0xE1 and body.startswith(EXIF):
        found.exif = found.exif or body[len(EXIF) :]
    elif marker == 0xE1 and body.startswith(XMP):
        found.xmp = found.xmp or body[len(XMP) :]
    elif marker == 0xED and body.startswith(PHOTOSHOP):
        found.iptc = found.iptc or _resource(body[len(PHOTOSHOP) :], IPTC)
    elif marker == 0xEB and body[:2] == b"JP" and body[12:16] == b"jumb" and body[24:40] == C2PA:
        found.credentials = True
    elif marker == 0xEC and body.startswith(b"Ducky"):
        found.writers.append("Adobe's “Save for Web”")
    elif marker == 0xEE and body.startswith(b"Adobe"):
        found.writers.append("an encoder that marks its files “Adobe”")
    elif marker == 0xFE:
        found.add_text("comment", body.rstrip(b"\0").decode("utf-8", "replace"))


def _resource(body: bytes, wanted: int) -> bytes:
    """Return the data of the Photoshop image resource with the ID `wanted`; b"" if there is none."""
    start = 0
    while body[start : start + 4] == b"8BIM":
        number = int.from_bytes(body[start + 4 : start + 6], "big")
        name = body[start + 6] if start + 6 < len(body) else 0
        # names and contents are padded to even lengths
        size_at = start + 6 + (name + 2) // 2 * 2
        size = int.from_bytes(body[size_at : size_at + 4], "big")
        if number == wanted:
            return body[size_at + 4 : size_at + 4 + size]
        start = size_at + 4 + size + size % 2
    return b""
