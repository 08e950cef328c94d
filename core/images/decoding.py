"""Decoding untrusted bytes to safe uint8 arrays."""

import contextlib
import hashlib
import io
import warnings
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from core.images.containers.parts import count_scans
from core.images.containers.reading import format_of

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF")
# file name extensions of these formats
SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif", "avif", "heic", "heif")
MAX_BYTES = 20 * 2**20
# per file of an image set: one of 32 x 32 pixels is far smaller, so more is a bomb or a mistake
MAX_FILE_BYTES = 2**20
MAX_PIXELS = 20_000_000
# pixel limit if decoding takes twice the memory per pixel; a phone's photo has 4032 x 3024
MAX_COSTLY = 12_200_000
# formats with that limit, and their names in messages
COSTLY = {"WEBP": "WebP", "AVIF": "AVIF", "HEIF": "HEIC"}
MAX_SIDE = 16_384
# pixels x scans of a progressive JPEG that can still be decoded in time
MAX_SCANNED = 400_000_000
# bytes of EXIF: Pillow reads a tag of millions of values in full before it keeps the first, in `Image.open` for a JPEG
MAX_EXIF = 2**18
# files that people take for pictures, by how they begin
OTHERS = {
    b"BM": "a BMP",
    b"II*\0": "a TIFF or a camera's raw file",
    b"MM\0*": "a TIFF or a camera's raw file",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF",
    b"%!PS": "PostScript",
    b"<svg": "an SVG drawing",
    b"<?xml": "XML",
    b"PK\x03\x04": "an archive",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\0\0\0\x0cjP  ": "a JPEG 2000",
}
# factors by which Pillow scales greys of few bits
GREYS = {"L;2": 85, "L;4": 17}
# rows converted at once
STRIP = 256
RESAMPLING = MappingProxyType(
    {name: Image.Resampling[name.upper()] for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
)


_load_exif = Image.Exif.load


def _load_small_exif(exif: Image.Exif, data: bytes) -> None:
    """Refuse EXIF of more than `MAX_EXIF` bytes."""
    if len(data) > MAX_EXIF:
        raise ValueError(f"it has {len(data) >> 10} kB of EXIF, far more than a camera writes")
    _load_exif(exif, data)


# of the whole process, because Pillow reads it wherever it opens or turns a picture
Image.Exif.load = _load_small_exif  # type: ignore[method-assign, assignment]


class ImageError(ValueError):
    """Bytes that are not an image we accept; the message says what is wrong and what to do."""


class PassingError(ImageError):
    """A failure that is not the file's fault, such as lack of memory; a later try may succeed."""


def decode(data: bytes, *, most_pixels: int = MAX_PIXELS, background: int = 255) -> NDArray[np.uint8]:
    """Decode one image of an allowed format.

    The header is checked before any pixel is decoded. EXIF orientation is applied, transparent pixels are composited
    onto the background, only the first frame of an animation is read, and 16-bit or CMYK pixels become 8-bit RGB.

    Args:
        data: the file's bytes.
        most_pixels: pixel limit; formats in `COSTLY` and progressive CMYK JPEGs have at most `MAX_COSTLY`.
        background: grey level behind transparent pixels, 0 (black) to 255 (white).

    Returns:
        uint8 array (height, width, 3).

    Raises:
        ImageError: the file is empty, too large, damaged, or of a format that is not allowed.
        PassingError: there is not enough memory, or pillow-heif is not installed.
    """
    if not data:
        raise ImageError("The file is empty; choose another image.")
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file has more than {MAX_BYTES >> 20} MB, and no more is read; save it smaller.")
    scans = _check_parts(data)
    if format_of(data) == "HEIC":
        _open_heic()
    try:
        with warnings.catch_warnings():
            # Pillow says so where EXIF is broken, and reads the pixels
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=registered()) as image:
                width, height = image.size
                costly = image.format in COSTLY or (scans > 1 and image.mode == "CMYK")
                most = min(most_pixels, MAX_COSTLY) if costly else most_pixels
                if max(width, height) > MAX_SIDE or width * height > most:
                    of_it = (
                        f" of this kind ({COSTLY.get(str(image.format), 'progressive CMYK JPEG')})" if costly else ""
                    )
                    raise ImageError(
                        f"The image is {width} x {height} pixels; at most {MAX_SIDE} a side and "
                        f"{most / 1e6:.3g} million in all{of_it} are read."
                    )
                if width * height * scans > MAX_SCANNED:
                    raise ImageError(f"The image is stored in {scans} passes, too many for its size; save it again.")
                if image.format != "HEIF":
                    # a HEIC is opened at its primary picture, whose size was checked; its first may be another one
                    image.seek(0)
                _scale_transparent(image)
                image.load()
                return _to_rgb(image, background)
    except ImageError:
        raise
    except UnidentifiedImageError:
        known = next((name for start, name in OTHERS.items() if data.startswith(start)), "")
        is_what = f"is {known}, which is not read here" if known else "is not an image that can be read here"
        raise ImageError(f"The file {is_what}; save the picture as one of {', '.join(FORMATS)}.") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise ImageError("The image would unpack to far more pixels than are read here; shrink it.") from None
    except MemoryError:
        raise PassingError("There is not enough memory to decode the image now; try again later.") from None
    except Exception as error:  # noqa: BLE001 - decoders raise errors of any kind on damaged input, in several lines
        reason = " ".join(str(error).split())
        raise ImageError(f"The image is damaged and cannot be decoded ({reason}); save it again.") from None


def registered() -> tuple[str, ...]:
    """Return the `FORMATS` that Pillow can read now; HEIF only after `decode` was given its first HEIC."""
    return tuple(name for name in FORMATS if name != "HEIF" or name in Image.OPEN)


def _open_heic() -> None:
    """Have Pillow read HEIC pictures.

    Raises:
        PassingError: the package for that is not installed.
    """
    try:
        from pillow_heif import register_heif_opener  # noqa: PLC0415
    except ImportError:
        raise PassingError(
            "The file is a HEIC picture, and the package pillow-heif that reads those is not installed here; save it "
            "as JPEG (an iPhone: Settings, Camera, Formats, Most Compatible)."
        ) from None
    register_heif_opener(thumbnails=False)


def _check_parts(data: bytes) -> int:
    """Check the number of chunks or markers, and return a JPEG's number of scans (1 for other formats).

    Raises:
        ImageError: a PNG, GIF or JPEG has far more than an image needs; such a file is made to stall a parser.
    """
    scans = count_scans(data)
    if not scans:
        raise ImageError("The file has far more parts than an image needs and is not read; save it again.")
    return scans


def _scale_transparent(image: Image.Image) -> None:
    """Scale a PNG's transparent colour to 8 bits, as Pillow does with its pixels but not with this colour."""
    key = image.info.get("transparency")
    raw = image.tile[0][3] if image.format == "PNG" and image.tile else None  # type: ignore[attr-defined]
    if raw in GREYS and isinstance(key, int):
        image.info["transparency"] = key * GREYS[raw]
    elif raw == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)


def _to_rgb(image: Image.Image, background: int) -> NDArray[np.uint8]:
    """Convert to uint8 (height, width, 3) strip by strip: Pillow takes four bytes a pixel for every step."""
    # broken EXIF is no reason to refuse sound pixels
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, STRIP):
        strip = image.crop((0, top, width, min(top + STRIP, height)))
        pixels[top : top + STRIP] = np.asarray(_strip_to_rgb(strip, background))
    return pixels


def _strip_to_rgb(image: Image.Image, background: int) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        # 16-bit greys are scaled to 0..255; Pillow would clip them
        values, clear = np.asarray(image), image.info.get("transparency")
        grey = np.clip(values / 257.0, 0, 255).astype(np.uint8)
        if isinstance(clear, int):
            grey[values == clear] = background
        image = Image.fromarray(grey)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        under = Image.new("RGB", image.size, (background,) * 3)
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
