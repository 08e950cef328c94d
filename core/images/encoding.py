"""Encoding arrays as pictures, for files and for a browser, and describing how a file was compressed."""

import base64
import io
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin

from core.arrays import Pixels
from core.images.decoding import ImageError, open_image
from core.storage.limits import digest_of

# key of what Pillow finds in a file -> a word for it
METADATA = {"exif": "EXIF", "xmp": "XMP", "icc_profile": "colour profile"}
SAMPLING = {0: "4:4:4", 1: "4:2:2", 2: "4:2:0"}
Tables = tuple[tuple[int, ...], ...]
# pixels along a side up to which an image is sent to a browser as it is
CRISP = 64
# and to which a small one is enlarged first, so that the browser has only a little to add
SMOOTH = 160


def enlarged(image: Pixels, side: int, *, pixels: bool = False) -> Pixels:
    """Enlarge an image smoothly (bicubic), because squares of 10 screen pixels hide what a picture shows.

    Args:
        image: uint8 (height, width), (height, width, 3) or (height, width, 4).
        side: pixels of the longer side afterwards; an image that is as large or larger stays as it is.
        pixels: draw every pixel as a crisp rectangle instead.

    Returns:
        uint8 of the same number of channels.
    """
    if max(image.shape[:2]) >= side:
        return image
    resampling = Image.Resampling.NEAREST if pixels else Image.Resampling.BICUBIC
    return np.asarray(ImageOps.contain(Image.fromarray(image), (side, side), resampling))


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode an image; `options` are those of Pillow's encoder."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def saved(picture: Pixels, kind: str, **options: Any) -> Pixels:
    """Save uint8 (height, width, 3) in a format and read it again; `options` are those of Pillow's encoder."""
    content = io.BytesIO(_encode(Image.fromarray(picture), kind, **options))
    with Image.open(content, formats=(kind,)) as image:
        return np.asarray(image.convert("RGB"))


def jpeg(picture: Pixels, quality: int) -> Pixels:
    """Save as JPEG at a quality from 1 to 95 with 4:2:0 chroma subsampling, the usual default of programs."""
    return saved(picture, "JPEG", quality=quality, subsampling="4:2:0")


def compressed(pixels: Pixels, quality: int) -> Pixels:
    """Save each of uint8 (N, height, width, 3) as `jpeg` does, and read it again."""
    saved_pixels = np.empty_like(pixels)
    for number, picture in enumerate(pixels):
        saved_pixels[number] = jpeg(picture, quality)
    return saved_pixels


def encode_png(pixels: Pixels) -> bytes:
    """Encode (height, width, 3 or 4) uint8 pixels as PNG."""
    return _encode(Image.fromarray(pixels), "PNG")


def lossless_url(pixels: Pixels) -> str:
    """Encode (height, width, 3 or 4) uint8 pixels as text that a browser shows exactly, four times as fast as a PNG."""
    content = _encode(Image.fromarray(pixels), "WEBP", lossless=True, quality=0, method=0)
    return data_url(content, mime="image/webp")


def thumbnail_url(image: Pixels, most: int, *, pixels: bool = False) -> str:
    """Encode an image as text that a browser shows at up to `most` pixels a side.

    Args:
        image: uint8 (height, width, 3 or 4).
        most: pixels of the longer side.
        pixels: send a small image as a PNG with every pixel as it is. Otherwise, and for large images, of which a page
            of PNGs would be too long, it is a WebP, enlarged by `enlarged`.
    """
    if max(image.shape[:2]) <= CRISP:
        if pixels:
            return data_url(image)
        image = enlarged(image, min(most, SMOOTH))
    small = Image.fromarray(image)
    small.thumbnail((most, most), reducing_gap=None)
    # the fastest method: files are a third larger
    return data_url(_encode(small, "WEBP", quality=85, method=0), mime="image/webp")


def data_url(content: Pixels | bytes, *, mime: str = "image/png") -> str:
    """Encode a picture as text that a browser shows; (height, width, 3 or 4) uint8 pixels become a PNG."""
    if not isinstance(content, bytes):
        content = encode_png(content)
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def compression_of(data: bytes) -> str | None:
    """Describe a file's format, quantisation tables and chroma subsampling, for instance "JPEG quality 75, 4:2:0".

    Tables that libjpeg writes are named by their quality, others by a hash. Only the header is read.

    Args:
        data: the bytes of a file.

    Returns:
        The description; None if the file's header is damaged or its format is not one of `FORMATS`.
    """
    with suppress(ImageError), open_image(data) as image:
        if not isinstance(image, JpegImagePlugin.JpegImageFile):
            return str(image.format)
        tables = _tables(image)
        sampling = SAMPLING.get(JpegImagePlugin.get_sampling(image), "no subsampling known")
        named = f"tables {digest_of(repr(tables))[:6]}"
        if tables in _qualities():
            named = f"quality {_qualities()[tables]}"
        return f"JPEG {named}, {sampling}"
    return None


def file_facts(data: bytes) -> tuple[str, int, int, float, str]:
    """Describe an original file by its header, in the order of `core.images.statistics.FILE_FACTS`; quality may be NaN.

    Raises:
        ImageError: the file cannot be opened.
    """
    with open_image(data) as image:
        quality = np.nan
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            quality = _nearest_quality(_tables(image))
        kinds = [name for key, name in METADATA.items() if image.info.get(key)]
        if any(isinstance(value, str) for value in image.info.values()) or "comment" in image.info:
            kinds.append("text")
        if b"c2pa" in data and b"jumb" in data:
            kinds.append("Content Credentials")
        return str(image.format), image.width, image.height, quality, ", ".join(kinds) or "none"


@lru_cache(maxsize=4096)
def _nearest_quality(tables: Tables) -> float:
    """Return the quality at which libjpeg's luminance table is nearest in sum."""
    # a damaged file has none
    total = sum(map(sum, tables[:1]))
    nearest = min(_qualities(), key=lambda candidate: abs(sum(candidate[0]) - total))
    return float(_qualities()[nearest])


def _tables(image: JpegImagePlugin.JpegImageFile) -> Tables:
    return tuple(tuple(values) for _, values in sorted(image.quantization.items()))


@cache
def _qualities() -> dict[Tables, int]:
    """Map the tables that libjpeg writes for colour and grey images to their quality."""
    qualities: dict[Tables, int] = {}
    for quality in range(100, 0, -1):
        for mode in ("RGB", "L"):
            written = io.BytesIO(_encode(Image.new(mode, (8, 8)), "JPEG", quality=quality))
            with JpegImagePlugin.JpegImageFile(written) as image:
                qualities.setdefault(_tables(image), quality)
    return qualities
