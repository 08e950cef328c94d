"""EXIF: camera, software, dates, and the comment in which generators write their settings."""

import contextlib
import re
import warnings
from typing import Any

from PIL import ExifTags, Image

from core.images.decoding import MAX_EXIF
from core.images.provenance.claim import Claim, File, quoted
from core.images.provenance.source_type import is_generator

KIND = "EXIF"
# the text of a UserComment follows the name of its character set
CHARACTERS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16", b"\0" * 8: "utf-8"}
# ComfyUI keeps its graph in tags of the camera where a file has no text chunks: "workflow:{...}", "prompt:{...}"
GRAPH = re.compile(r"(\w+):\s*(\{.*)", re.DOTALL)
# how a camera was set, which software seldom makes up
EXPOSED = (ExifTags.Base.ExposureTime, ExifTags.Base.FNumber, ExifTags.Base.ISOSpeedRatings)


def find(file: File) -> list[Claim]:
    """Find what EXIF says of the camera, the software and the time."""
    if not file.contents.exif:
        return []
    top, own = _read(file.contents.exif)
    if not top and not own:
        return [Claim(KIND, "It has EXIF data that cannot be read.")]
    claims = []
    named = (_text(top, tag) for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
    camera = " ".join(one for one in named if one and not GRAPH.match(one))
    if camera:
        exposed = any(tag in own for tag in EXPOSED)
        settings = " with settings of an exposure" if exposed else ", without any setting of an exposure"
        claims.append(
            Claim(KIND, f"Taken by the camera {quoted(camera)}{settings}.", suggests="photograph" if exposed else "")
        )
    software = _text(top, ExifTags.Base.Software) or _text(own, ExifTags.Base.Software)
    if software:
        claims.append(
            Claim(KIND, f"Written by {quoted(software)}.", suggests="generated" if is_generator(software) else "")
        )
    taken = _text(own, ExifTags.Base.DateTimeOriginal)
    changed = _text(top, ExifTags.Base.DateTime)
    if taken:
        claims.append(Claim(KIND, f"Taken at {quoted(taken)} by the camera's clock."))
    if changed and changed != taken:
        claims.append(Claim(KIND, f"Last changed at {quoted(changed)}."))
    return claims


def graphs_of(exif: bytes) -> list[tuple[str, str]]:
    """Return (keyword, JSON) of the graphs that ComfyUI keeps in tags of the camera."""
    top = _read(exif)[0] if exif else {}
    tags = (ExifTags.Base.Model, ExifTags.Base.Make, ExifTags.Base.ImageDescription)
    found = (GRAPH.match(_text(top, tag)) for tag in tags)
    return [(one[1], one[2]) for one in found if one]


def comment_of(exif: bytes) -> str:
    """Return EXIF's UserComment as text, "" where there is none."""
    raw = _read(exif)[1].get(ExifTags.Base.UserComment) if exif else None
    if isinstance(raw, str):
        return raw
    if not isinstance(raw, bytes):
        return ""
    characters = CHARACTERS.get(raw[:8])
    if characters is None:
        return raw.decode("utf-8", "replace")
    if characters == "utf-16" and not raw[8:].startswith((b"\xff\xfe", b"\xfe\xff")):
        # EXIF does not state the byte order; in big-endian text the zero precedes a Latin letter
        characters = "utf-16-be" if raw[8::2].count(0) > raw[9::2].count(0) else "utf-16-le"
    return raw[8:].decode(characters, "replace").rstrip("\0")


def _read(exif: bytes) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the tags of the main IFD and of the Exif IFD; empty if they cannot be read."""
    held = Image.Exif()
    if len(exif) > MAX_EXIF:
        return {}, {}
    # Pillow raises many kinds of error on broken EXIF, and warns of each broken tag
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        warnings.simplefilter("ignore")
        held.load(b"Exif\0\0" + exif)
        top = dict(held)
        with contextlib.suppress(Exception):
            return top, dict(held.get_ifd(ExifTags.IFD.Exif))
        return top, {}
    return {}, {}


def _text(tags: dict[int, Any], tag: int) -> str:
    value = tags.get(tag)
    if not isinstance(value, str):
        return ""
    # Pillow reads Latin-1, and most programs write UTF-8
    with contextlib.suppress(UnicodeError):
        value = value.encode("latin-1").decode("utf-8")
    return value.strip("\0 ")
