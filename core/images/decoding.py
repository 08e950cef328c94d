"""Decoding untrusted bytes to safe uint8 arrays."""

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF")
MAX_BYTES = 20 * 2**20
# of files that are parsed part by part when opened: the EXIF of AVIF and HEIC, a GIF's blocks before its picture
MAX_PARSED_BYTES = 8 * 2**20
# per file of an image set: one of 32 x 32 pixels is far smaller, so more is a bomb or a mistake
MAX_FILE_BYTES = 2**20
MAX_PIXELS = 20_000_000
# pixel limit if decoding takes twice the memory per pixel; a phone's photo has 4032 x 3024
MAX_COSTLY = 12_200_000
COSTLY = ("WEBP", "AVIF", "HEIF")
MAX_SIDE = 16_384
# pixels x scans of a progressive JPEG that can still be decoded in time
MAX_SCANNED = 400_000_000
# bytes of EXIF: Pillow reads a tag of millions of values in full
MAX_EXIF = 2**18
# parts of one file; an honest one has dozens, a hostile one makes a decoder step through millions
MAX_PARTS = 10_000
# compressed chunks of a PNG and Exif segments of a JPEG: Pillow unpacks, or joins, each before any limit
MAX_PACKED = 64
MAX_EXIF_PARTS = 4
# JPEG markers without a length, and those that end the coded pixels of a scan: all but stuffed zeros and restarts
ALONE = re.compile(rb"\xff[\x01\xd0-\xd8]")
AFTER_SCAN = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
# factors by which Pillow scales greys of few bits
GREYS = {"L;2": 85, "L;4": 17}
# rows converted at once
STRIP = 256
RESAMPLING = MappingProxyType(
    {name: Image.Resampling[name.upper()] for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
)

register_heif_opener(thumbnails=False)


class ImageError(ValueError):
    """Bytes that are not an image we accept; the message says what is wrong and what to do."""


class PassingError(ImageError):
    """A failure that is not the file's fault, such as lack of memory; a later try may succeed."""


def decode(data: bytes, *, most_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode one image of an allowed format.

    The header is checked before any pixel is decoded. EXIF orientation is applied, transparent pixels are composited
    onto white, only the first frame of an animation is read, and 16-bit or CMYK pixels become 8-bit RGB.

    Args:
        data: the file's bytes.
        most_pixels: pixel limit; formats in `COSTLY` and progressive CMYK JPEGs have at most `MAX_COSTLY`.

    Returns:
        uint8 array (height, width, 3).

    Raises:
        ImageError: the file is empty, too large, damaged, or of a format that is not allowed.
        PassingError: there is not enough memory.
    """
    with open_image(data, most_pixels=most_pixels) as image:
        if image.format != "HEIF":
            # a HEIC is opened at its primary picture, whose size was checked; its first may be another one
            image.seek(0)
        _scale_transparent(image)
        image.load()
        return _to_rgb(image)


@contextmanager
def open_image(data: bytes, *, most_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Open an image of an allowed format and check its parts and size; no pixel is decoded yet.

    Raises:
        ImageError, PassingError: as for `decode`, also for whatever Pillow raises within the block.
    """
    if not data:
        raise ImageError("The file is empty; choose another image.")
    most_bytes = MAX_PARSED_BYTES if data[4:8] == b"ftyp" or data[:4] == b"GIF8" else MAX_BYTES
    if len(data) > most_bytes:
        raise ImageError(f"The file has more than {most_bytes >> 20} MB, and no more is read; save it smaller.")
    scans = _count_scans(data)
    if not scans:
        raise ImageError("The file has far more parts than an image needs and is not read; save it again.")
    try:
        with warnings.catch_warnings():
            # Pillow says so where EXIF is broken, and reads the pixels
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                _check_size(image, scans, most_pixels)
                yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"The file is not an image that can be read here; save the picture as one of {', '.join(FORMATS)}."
        ) from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageError("The image would unpack to far more pixels than are read here; shrink it.") from None
    except MemoryError:
        raise PassingError("There is not enough memory to decode the image now; try again later.") from None
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind on damaged input, in several lines
        reason = " ".join(str(error).split())
        raise ImageError(f"The image is damaged and cannot be decoded ({reason}); save it again.") from None


def _check_size(image: Image.Image, scans: int, most_pixels: int) -> None:
    width, height = image.size
    costly = image.format in COSTLY or (scans > 1 and image.mode == "CMYK")
    most = min(most_pixels, MAX_COSTLY) if costly else most_pixels
    if max(width, height) > MAX_SIDE or width * height > most:
        raise ImageError(
            f"The image is {width} x {height} pixels; at most {MAX_SIDE} a side and {most / 1e6:.3g} million in all "
            f"are read of {'this kind' if costly else 'an image'}."
        )
    if width * height * scans > MAX_SCANNED:
        raise ImageError(f"The image is stored in {scans} passes, too many for its size; save it again.")


def exif_of(image: Image.Image) -> Image.Exif:
    """Return an image's EXIF; empty where it is damaged or larger than `MAX_EXIF`."""
    raw = image.info.get("exif") or image.info.get("Raw profile type exif") or b""
    # Pillow raises many kinds of error on broken EXIF, which is no reason to refuse sound pixels
    with contextlib.suppress(Exception):
        if len(raw) <= MAX_EXIF:
            return image.getexif()
    return Image.Exif()


def may_be_transparent(data: bytes) -> bool:
    """Check whether a file's header speaks of transparency; no pixel is decoded."""
    with contextlib.suppress(ImageError), open_image(data) as image:
        return "A" in image.getbands() or "transparency" in image.info
    return False


def _count_scans(data: bytes) -> int:
    """Return a JPEG's number of scans, 1 for other formats; 0 for a file of `MAX_PARTS` or more, or too many slow ones.

    Data after the end of the image, such as the video of a motion photo, is ignored.
    """
    if data.startswith(b"\xff\xd8"):
        return _walk_jpeg(data)
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return 1
    start, packed = 8, 0
    for _ in range(MAX_PARTS):
        kind = data[start + 4 : start + 8]
        if start + 8 > len(data) or kind == b"IEND":
            return int(packed <= MAX_PACKED)
        packed += kind in (b"iCCP", b"zTXt", b"iTXt")
        start += 12 + int.from_bytes(data[start : start + 4], "big")
    return 0


def _walk_jpeg(data: bytes) -> int:
    start, scans, exif = 2, 0, 0
    for _ in range(MAX_PARTS):
        marker = data[start : start + 2]
        if start + 4 > len(data) or marker == b"\xff\xd9":
            return 0 if exif > MAX_EXIF_PARTS else max(1, scans)
        exif += marker == b"\xff\xe1" and data[start + 4 : start + 10] == b"Exif\0\0"
        if ALONE.fullmatch(marker):
            start += 2
        elif marker[0] == 0xFF and marker[1] not in (0x00, 0xFF):
            start += 2 + max(2, int.from_bytes(data[start + 2 : start + 4], "big"))
        else:
            # padding, which a reader skips byte by byte
            start += 1
        if marker == b"\xff\xda":
            scans += 1
            end = AFTER_SCAN.search(data, start)
            start = end.start() if end else len(data)
    return 0


def _scale_transparent(image: Image.Image) -> None:
    """Scale a PNG's transparent colour to 8 bits, as Pillow does with its pixels but not with this colour."""
    key = image.info.get("transparency")
    raw = image.tile[0][3] if image.format == "PNG" and image.tile else None  # type: ignore[attr-defined]
    if raw in GREYS and isinstance(key, int):
        image.info["transparency"] = key * GREYS[raw]
    elif raw == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Convert to uint8 (height, width, 3) strip by strip: Pillow takes four bytes a pixel for every step."""
    if exif_of(image):
        with contextlib.suppress(Exception):
            ImageOps.exif_transpose(image, in_place=True)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):
        strip = image.crop((0, top, width, min(top + STRIP, height)))
        pixels[top : top + STRIP] = np.asarray(_strip_to_rgb(strip))
    return pixels


def _strip_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit greys are scaled to 0..255; Pillow would clip them
        values, clear = np.asarray(image), image.info.get("transparency")
        grey = np.clip(values / 257.0, 0, 255).astype(np.uint8)
        return Image.fromarray(np.where(values == clear, np.uint8(255), grey)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        under = Image.new("RGB", image.size, "white")
        under.paste(image, mask=image.getchannel("A"))
        return under
    return image.convert("RGB")


def resize(image: NDArray[np.uint8], size: int, *, resampling: str = "bicubic") -> NDArray[np.uint8]:
    """Resize a (height, width, 3) uint8 array to (size, size, 3) with one of `RESAMPLING`'s filters."""
    if resampling not in RESAMPLING:
        raise ValueError(f"resampling must be one of {', '.join(RESAMPLING)}, not {resampling!r}")
    return np.asarray(Image.fromarray(image).resize((size, size), RESAMPLING[resampling]))


def crop_square(image: NDArray[np.uint8], x: float = 0.5, y: float = 0.5, zoom: float = 1.0) -> NDArray[np.uint8]:
    """Crop a square whose side is the image's shorter side / `zoom`; `x` and `y` (0..1) place it."""
    height, width = image.shape[:2]
    side = max(1, round(min(height, width) / max(zoom, 1.0)))
    left, top = (round(np.clip(t, 0, 1) * (extent - side)) for t, extent in ((x, width), (y, height)))
    return image[top : top + side, left : left + side]


def pixels_sha256(pixels: NDArray[np.uint8]) -> str:
    """Hash uint8 pixels of any shape, row by row, to 64 hexadecimal digits of SHA-256."""
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
