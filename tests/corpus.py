"""Files that an upload may be, made here: what each should become is said beside it."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin

# 8 x 4 blocks of 8 pixels, all four corners different, so that a turned or mirrored image is seen
BLOCKS = np.array([[[250, 20, 20], [20, 250, 20], [20, 20, 250], [250, 250, 20]]] * 2, np.uint8)
BLOCKS[1] = BLOCKS[1][::-1] // 2
PICTURE = BLOCKS.repeat(8, axis=0).repeat(8, axis=1)


class Case(NamedTuple):
    """A file and what it should become.

    Attributes:
        name: what is wrong with it.
        made: its bytes, or what makes them, where that takes a while.
        pixels: uint8 (height, width, 3) that it should decode to within `tolerance`; None where it should be refused,
            or where only its shape is known.
        shape: (height, width) of what it decodes to; None where it should be refused.
        tolerance: largest difference of a pixel.
    """

    name: str
    made: bytes | Callable[[], bytes]
    pixels: NDArray[np.uint8] | None = None
    shape: tuple[int, int] | None = None
    tolerance: int = 0

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return self.made() if callable(self.made) else self.made


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """Bytes of a Pillow image."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def mosaic(mode: str, side: int) -> Image.Image:
    """A picture in which a decoder finds something everywhere."""
    few = side // 8 + 1
    small = np.random.default_rng(0).bytes(few * few * len(mode))
    return Image.frombytes(mode, (few, few), small).resize((side, side), Image.Resampling.NEAREST)


def png(
    width: int, height: int, *, depth: int = 8, colour: int = 2, extra: bytes = b"", rows: int | None = None
) -> bytes:
    """A black PNG written by hand, so that any size can be claimed; `rows` fewer than that may be in it."""
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels * depth // 8)
    body = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def good(name: str, data: bytes, pixels: NDArray[np.uint8] = PICTURE, tolerance: int = 0) -> Case:
    """A file whose pixels are known."""
    return Case(name, data, pixels, pixels.shape[:2], tolerance)


def cases() -> Iterator[Case]:
    """The whole corpus."""
    yield from damaged()
    yield from foreign()
    yield from sequences()
    yield from bombs()
    yield from followed()
    yield from unusual()
    yield from oriented()


def damaged() -> Iterator[Case]:
    """Nothing, half of something, and noise."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    yield Case("empty", b"")
    yield Case("one byte", b"\x89")
    yield Case("noise", np.random.default_rng(1).bytes(5000))
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = saved(image, kind)
        for share in (0.1, 0.5, 0.9):
            yield Case(f"{kind} cut off at {share}", whole[: int(len(whole) * share)])
        # damage in the middle may still decode to something: either is right, a traceback is not
        holed = whole[: len(whole) // 2] + b"\0" * 40 + whole[len(whole) // 2 + 40 :]
        yield Case(f"{kind} with a hole", holed, shape=(64, 64))


def foreign() -> Iterator[Case]:
    """Files of another kind, whatever they are called."""
    image = Image.fromarray(PICTURE)
    yield Case("SVG renamed", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    yield Case("HTML renamed", b"<!doctype html><html><body><img src=x onerror=alert(1)></body></html>")
    yield Case("PDF renamed", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF")
    yield Case("zip renamed", b"PK\x03\x04" + bytes(200))
    yield Case("PostScript renamed", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n")
    yield good("GIF", saved(image, "GIF"))
    yield good("AVIF", saved(image, "AVIF", quality=100, subsampling="4:4:4"), tolerance=12)
    for kind in ("BMP", "TIFF", "PPM", "ICO", "TGA"):
        yield Case(f"{kind} renamed", saved(image, kind))
    yield good("PNG and a zip in one file", saved(image, "PNG") + b"PK\x03\x04" + bytes(500))
    yield good("PNG and a script in one file", saved(image, "PNG") + b"<script>alert(1)</script>")
    yield good(
        "JPEG with a script in its comment",
        saved(image, "JPEG", quality=100, subsampling=0, comment=b"<script>1</script>"),
        tolerance=12,
    )


def sequence(kind: str, size: tuple[int, int] = (32, 16)) -> bytes:
    """A sequence of two pictures, of which the first is `PICTURE`."""
    first = Image.fromarray(PICTURE).resize(size, Image.Resampling.NEAREST)
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(kind, {"quality": 100})
    return saved(first, kind, save_all=True, append_images=[ImageOps.invert(first)], **options)


def timeless_avif() -> bytes:
    """An animated AVIF whose media header says that a second has 0 units."""
    data = bytearray(sequence("AVIF"))
    # version and flags, two times of eight bytes, then the time scale
    at = data.index(b"mdhd") + 4 + 4 + 16
    data[at : at + 4] = bytes(4)
    return bytes(data)


def sequences() -> Iterator[Case]:
    """Animations and sequences, of which the first picture is read, and damaged ones."""
    for kind in ("AVIF", "WEBP", "HEIF"):
        yield good(f"{kind} sequence", sequence(kind), tolerance=0 if kind == "WEBP" else 16)
    yield Case("animated AVIF of time scale 0", timeless_avif())


def bombs() -> Iterator[Case]:
    """Small files that would become large, or that a reader would step through for minutes."""
    yield Case("PNG that claims 100,000 a side", png(100_000, 100_000, rows=1))
    yield Case("PNG of 16,384 a side", partial(png, 16_384, 16_384))
    yield Case("PNG of 1 x 20,000", png(1, 20_000))
    yield Case("PNG of 20,000 x 1", png(20_000, 1))
    yield Case("more bytes than are read", lambda: saved(Image.fromarray(PICTURE), "PNG") + bytes(21 * 2**20))

    def text() -> bytes:
        return png(32, 32, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80_000_000), 9)))

    yield Case("PNG with a text that unpacks to 80 MB", text, shape=(32, 32))
    yield Case("PNG with 900,000 chunks", lambda: png(32, 32, extra=chunk(b"teXt", b"") * 900_000))
    jpeg = saved(Image.fromarray(PICTURE), "JPEG")
    yield Case("JPEG with 900,000 segments", lambda: jpeg[:2] + b"\xff\xfe\x00\x02" * 900_000 + jpeg[2:])
    yield Case("JPEG with 15 MB of padding", lambda: jpeg[:2] + b"\xff" * 15_000_000 + jpeg[2:])
    for kind in ("PNG", "JPEG"):
        yield Case(f"{kind} with a million orientations", partial(many_orientations, kind, 1_000_000), shape=(1, 1))
    yield Case("JPEG with 100,000 passes", many_passes)
    # passes that a reader never comes to, and one that it would go on with after a wrong end
    yield Case("JPEG that ends before 100,000 passes", partial(many_passes, behind=True), shape=(4400, 4400))
    yield Case("JPEG with 100,000 passes and two ends", partial(many_passes, ended=b"\xff\xd9"))
    # as large as is read at all: these must decode, and in the memory and time that there is
    side = 4470
    yield Case("largest colour PNG", partial(png, side, side), shape=(side, side))
    yield Case("largest PNG with transparency", partial(png, side, side, colour=6), shape=(side, side))
    yield Case("largest 16-bit grey PNG", partial(png, side, side, depth=16, colour=0), shape=(side, side))
    yield Case("largest 16-bit colour PNG", partial(png, side, side, depth=16), shape=(side, side))
    yield Case("largest CMYK JPEG", lambda: saved(Image.new("CMYK", (side, side)), "JPEG"), shape=(side, side))
    full = {"progressive": True, "subsampling": 0, "quality": 60}
    yield Case("largest progressive JPEG", partial(saved_mosaic, "RGB", side, "JPEG", **full), shape=(side, side))
    # whose decoders take twice as much, of which less is read
    yield Case("too large progressive CMYK JPEG", partial(saved_mosaic, "CMYK", side, "JPEG", **full))
    yield Case("too large WEBP", partial(saved_mosaic, "RGB", side, "WEBP", method=0))
    less = 3464
    made = partial(saved_mosaic, "CMYK", less, "JPEG", **full)
    yield Case("largest progressive CMYK JPEG", made, shape=(less, less))
    for name, options in {"": {"quality": 60}, "lossless ": {"lossless": True, "quality": 0}}.items():
        for mode in ("RGB", "RGBA"):
            made = partial(saved_mosaic, mode, less, "WEBP", method=0, **options)
            yield Case(f"largest {name}WEBP, {mode}", made, shape=(less, less))

    def animated() -> bytes:
        return saved_mosaic(
            "RGBA", less, "WEBP", save_all=True, append_images=[mosaic("RGB", less)], method=0, quality=10
        )

    yield Case("largest animated WEBP", animated, shape=(less, less))


def saved_mosaic(mode: str, side: int, kind: str, **options: object) -> bytes:
    """Bytes of a `mosaic`."""
    return saved(mosaic(mode, side), kind, **options)


def many_orientations(kind: str, count: int) -> bytes:
    """One pixel, as PNG or JPEG, whose EXIF gives its orientation `count` values of eight bytes."""
    exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 5, count, 26, 0) + struct.pack("<II", 6, 1) * count
    if kind == "PNG":
        return png(1, 1, extra=chunk(b"eXIf", exif))
    jpeg = saved(Image.new("RGB", (1, 1)), "JPEG")
    parts = [b"Exif\0\0" + exif[start : start + 65_000] for start in range(0, len(exif), 65_000)]
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(one) + 2) + one for one in parts) + jpeg[2:]


def many_passes(*, behind: bool = False, ended: bytes = b"") -> bytes:
    """A progressive JPEG with 100,000 passes more, before its end or `behind` it; `ended` stands after them."""
    progressive = saved(Image.new("RGB", (4400, 4400), (90, 60, 30)), "JPEG", progressive=True)
    passes = progressive[progressive.rindex(b"\xff\xda") : -2] * 100_000
    return progressive + passes if behind else progressive[:-2] + passes + ended + progressive[-2:]


def followed() -> Iterator[Case]:
    """Images with something behind their end, as telephones write them."""
    video = b"\0\0\0\x18ftypmp42" + (b"\xff\xda\0\x08" + np.random.default_rng(4).bytes(2000)) * 500

    def motion(**options: object) -> bytes:
        large = Image.fromarray(np.random.default_rng(5).integers(0, 256, (30, 40, 3), np.uint8)).resize((4000, 3000))
        return saved(large, "JPEG", **options) + video

    for name, progressive in (("baseline", False), ("progressive", True)):
        yield Case(f"motion photo, {name}", partial(motion, progressive=progressive), shape=(3000, 4000))
    yield Case("motion photo with a restart a block", partial(motion, restart_marker_blocks=1), shape=(3000, 4000))
    image = Image.fromarray(PICTURE)
    yield good("JPEG and a video", saved(image, "JPEG", quality=100, subsampling=0) + video, tolerance=12)
    yield good("PNG and a video", saved(image, "PNG") + video)
    yield good("PNG and a megabyte of nothing", saved(image, "PNG") + bytes(2**20))
    yield good("WEBP and a video", saved(image, "WEBP", lossless=True) + video)


def unusual() -> Iterator[Case]:
    """Sound files that few programs write."""
    image = Image.fromarray(PICTURE)
    grey = np.arange(256, dtype=np.uint16).reshape(16, 16)
    yield good("1 x 1", saved(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), np.array([[[9, 8, 7]]], np.uint8))
    yield good(
        "16-bit grey", saved(Image.fromarray(grey * 257), "PNG"), grey.astype(np.uint8)[..., None].repeat(3, axis=2)
    )
    yield good("CMYK", saved(image.convert("CMYK"), "JPEG", quality=100, subsampling=0), tolerance=12)
    yield good("palette", saved(image.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"))
    yield good("one bit", saved(Image.new("1", (4, 4), 1), "PNG"), np.full((4, 4, 3), 255, np.uint8))
    clear = image.convert("P", palette=Image.Palette.ADAPTIVE)
    first = int(np.asarray(clear)[0, 0])
    white = PICTURE.copy()
    white[np.asarray(clear) == first] = 255
    yield good("palette with a transparent colour", saved(clear, "PNG", transparency=first), white)
    half = image.convert("RGBA")
    half.putalpha(Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 16, axis=1).repeat(16, axis=0)))
    laid = PICTURE.copy()
    laid[:, :16] = 255
    yield good("transparent half", saved(half, "PNG"), laid)
    other = Image.fromarray(255 - PICTURE)
    for kind in ("PNG", "WEBP"):
        options = {"lossless": True} if kind == "WEBP" else {}
        moving = saved(image, kind, save_all=True, append_images=[other] * 20, duration=10, **options)
        yield good(f"animated {kind}, first frame", moving)
    yield good("ICC profile of 300 KB", saved(image, "PNG", icc_profile=np.random.default_rng(2).bytes(300_000)))
    yield Case(
        "ICC profile of 3 MB",
        saved(image, "PNG", icc_profile=np.random.default_rng(2).bytes(3_000_000)),
        PICTURE,
        (16, 32),
    )
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "x" * 500_000)
    yield good("a long title", saved(image, "PNG", pnginfo=info))


def oriented() -> Iterator[Case]:
    """EXIF orientation 1 to 8, what it should come to by hand, and broken EXIF."""
    image = Image.fromarray(PICTURE)
    upright = {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.transpose(1, 0, 2),
        6: np.rot90(PICTURE, -1),
        7: PICTURE.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(PICTURE),
    }
    for number, expected in upright.items():
        exif = Image.Exif()
        exif[0x0112] = number
        yield good(f"EXIF orientation {number}", saved(image, "PNG", exif=exif), np.ascontiguousarray(expected))
    for name, exif in {
        "orientation 99": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
        "cut off": b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
        "noise": b"Exif\0\0" + np.random.default_rng(3).bytes(400),
        "an IFD that points to itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    }.items():
        yield good(f"broken EXIF: {name}", saved(image, "JPEG", quality=100, subsampling=0, exif=exif), tolerance=12)
