"""Decoding untrusted bytes to safe uint8 arrays."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_heif import register_heif_opener

from core.arrays import Pixels
from core.images.labels import FILTERS
from core.images.parts import PNG, STRIP, TIFF, count_scans, heif_strips
from core.storage.limits import digest_of

FORMATS: tuple[str, ...] = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF", "BMP", "TIFF")
# how BMP and TIFF may be packed: other ways take decoders too long, or hold whole files of other formats
PACKINGS = {"BMP": (0, 3), "TIFF": ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits")}
MAX_BYTES = 64 * 2**20
# of files that are parsed part by part when opened: the EXIF of AVIF and HEIC, a GIF's blocks before its picture
MAX_PARSED_BYTES = 8 * 2**20
# per file of an image set of small pictures: one of 32 x 32 pixels is far smaller, so more is a bomb or a mistake
MAX_FILE_BYTES = 2**20
# pixels of a picture that is read as it is; a larger one is halved, or halved twice, and never in memory whole
WHOLE = 24_500_000
# pixel limits, by what decoding takes of memory: of JPEGs, those of several scans, HEIC (kept as YCbCr too), and
# formats that take twice as much for a pixel; phones have 12, 24, 48 and 108 million
MAX_PIXELS = 110_000_000
MAX_PROGRESSIVE = 26_500_000
MAX_HEIC = 50_000_000
MAX_COSTLY = 12_200_000
MAX_OTHER = 20_000_000
COSTLY = ("WEBP", "AVIF")
MAX_SIDE = 16_384
# pixels x scans of a progressive JPEG that can still be decoded in time
MAX_SCANNED = 400_000_000
# bytes of EXIF: Pillow reads a tag of millions of values in full
MAX_EXIF = 2**18
# factors by which Pillow scales greys of few bits
GREYS = {"L;2": 85, "L;4": 17}
RESAMPLING = {name: Image.Resampling[name.upper()] for name in FILTERS}

register_heif_opener(thumbnails=False)


class ImageError(ValueError):
    """Bytes that are not an image we accept; the message says what is wrong and what to do."""


class PassingError(ImageError):
    """A failure that is not the file's fault, such as lack of memory; a later try may succeed."""


def decode(data: bytes, *, most_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode one image of an allowed format.

    The header is checked before any pixel is decoded. EXIF orientation is applied, transparent pixels are composited
    onto white, only the first frame of an animation is read, and 16-bit or CMYK pixels become 8-bit RGB. A picture of
    more than `WHOLE` pixels is halved while it is decoded, or halved twice; others keep every pixel.

    Args:
        data: the file's bytes.
        most_pixels: pixel limit; some kinds have lower ones.

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
        factor = next(factor for factor in (1, 2, 4) if image.width * image.height <= WHOLE * factor**2)
        if factor > 1 and image.format == "HEIF":
            # its decoder has turned it as its EXIF says
            return np.concatenate([np.asarray(_strip_to_rgb(strip).reduce(factor)) for strip in heif_strips(data)])
        if factor > 1:
            # of JPEGs, which are decoded at a half or a quarter of their size
            image.draft(None, (image.width // factor, image.height // factor))
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
    is_parsed = data[4:8] == b"ftyp" or data.startswith(b"GIF8")
    most_bytes = MAX_PARSED_BYTES if is_parsed else MAX_BYTES
    if len(data) > most_bytes:
        raise ImageError(f"The file has more than {most_bytes >> 20} MB, and no more is read; save it smaller.")
    scans = count_scans(data)
    if not scans:
        raise ImageError("The file has far more parts than an image needs and is not read; save it again.")
    try:
        with warnings.catch_warnings():
            # Pillow says so where EXIF is broken, and reads the pixels
            warnings.simplefilter("ignore", UserWarning)
            # sizes are checked here
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # a TIFF of another header has directories of another form
            is_other_tiff = data.startswith((b"II", b"MM")) and not data.startswith(TIFF)
            with Image.open(io.BytesIO(data), formats=() if is_other_tiff else FORMATS) as image:
                _check_kind(image)
                _check_size(image, scans, min(most_pixels, _most_pixels(image, scans, data)))
                yield image
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"The file is not an image that can be read here; save the picture as one of {', '.join(FORMATS)}."
        ) from None
    except Image.DecompressionBombError:
        raise ImageError("The image would unpack to far more pixels than are read here; shrink it.") from None
    except MemoryError:
        raise PassingError("There is not enough memory to decode the image now; try again later.") from None
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind on damaged input, in several lines
        reason = " ".join(str(error).split())
        raise ImageError(f"The image is damaged and cannot be decoded ({reason}); save it again.") from None


def _check_kind(image: Image.Image) -> None:
    """Refuse TIFFs of several pages or of more than 16 bits, and ways of packing that are not read."""
    kind = str(image.format)
    packing = image.info.get("compression")
    if kind == "TIFF" and getattr(image, "is_animated", False):
        raise ImageError("The file has several pages; save the one that is meant as a file of its own.")
    if packing not in PACKINGS.get(kind, (packing,)) or (kind == "TIFF" and image.mode in ("I", "F")):
        raise ImageError(f"The {kind} is packed in a way that is not read here; save it as PNG.")


def _most_pixels(image: Image.Image, scans: int, data: bytes) -> int:
    """Return how many pixels are decoded of an image of this kind."""
    if image.format == "HEIF":
        return MAX_COSTLY if "A" in image.getbands() else MAX_HEIC
    if image.format in COSTLY or (scans > 1 and image.mode == "CMYK"):
        return MAX_COSTLY
    if data.startswith(b"\xff\xd8"):
        return MAX_PROGRESSIVE if scans > 1 else MAX_PIXELS
    return WHOLE if data.startswith(PNG) else MAX_OTHER


def _check_size(image: Image.Image, scans: int, most: int) -> None:
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > most:
        raise ImageError(
            f"The image is {width} x {height} pixels; at most {MAX_SIDE} a side and {most / 1e6:.3g} million in all "
            "are read of an image of this kind."
        )
    if width * height * scans > MAX_SCANNED:
        raise ImageError(f"The image is stored in {scans} passes, too many for its size; save it again.")


def exif_of(image: Image.Image) -> Image.Exif:
    """Return an image's EXIF; empty where it is damaged or larger than `MAX_EXIF`."""
    raw = image.info.get("exif") or image.info.get("Raw profile type exif") or b""
    # Pillow raises many kinds of error on broken EXIF, and the pixels may be sound
    with contextlib.suppress(Exception):
        if len(raw) <= MAX_EXIF:
            return image.getexif()
    return Image.Exif()


def _scale_transparent(image: Image.Image) -> None:
    """Scale a PNG's transparent colour to 8 bits, as Pillow does with its pixels but not with this colour."""
    key = image.info.get("transparency")
    if image.format != "PNG" or not image.tile:  # type: ignore[attr-defined]
        return
    raw = image.tile[0][3]  # type: ignore[attr-defined]
    if raw in GREYS and isinstance(key, int):
        image.info["transparency"] = key * GREYS[raw]
    elif raw == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _to_rgb(image: Image.Image) -> Pixels:
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
        values = np.asarray(image)
        clear = image.info.get("transparency")
        grey = np.clip(values / 257.0, 0, 255).astype(np.uint8)
        return Image.fromarray(np.where(values == clear, np.uint8(255), grey)).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        under = Image.new("RGB", image.size, "white")
        under.paste(image, mask=image.getchannel("A"))
        return under
    return image.convert("RGB")


def pixels_sha256(pixels: Pixels) -> str:
    """Hash uint8 pixels of any shape, row by row, to 64 hexadecimal digits of SHA-256."""
    return digest_of(np.ascontiguousarray(pixels).tobytes())
