"""Files that an upload may be, made here: the size of the image that each should become is said beside it."""

import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

from tests.conftest import saved

# 8 x 4 blocks of 8 pixels, all four corners different, so that a turned or mirrored image is seen
BLOCKS = np.array([[[250, 20, 20], [20, 250, 20], [20, 20, 250], [250, 250, 20]]] * 2, np.uint8)
BLOCKS[1] = BLOCKS[1][::-1] // 2
PICTURE = BLOCKS.repeat(8, axis=0).repeat(8, axis=1)
IMAGE = Image.fromarray(PICTURE)
SIZE = (16, 32)


class Case(NamedTuple):
    """A file and what it should become.

    Attributes:
        name: what is wrong with it.
        made: its bytes, or what makes them, where that takes a while.
        shape: (height, width) of what it decodes to; None where it should be refused.
        may_refuse: either is right.
    """

    name: str
    made: bytes | Callable[[], bytes]
    shape: tuple[int, int] | None = None
    may_refuse: bool = False

    @property
    def data(self):
        """Its bytes."""
        return self.made() if callable(self.made) else self.made


def chunk(kind, body):
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def mosaic(mode, side):
    """A picture in which a decoder finds something everywhere."""
    few = side // 8 + 1
    small = np.random.default_rng(0).bytes(few * few * len(mode))
    return Image.frombytes(mode, (few, few), small).resize((side, side), Image.Resampling.NEAREST)


def png(width, height, *, depth=8, colour=2, extra=b"", rows=None):
    """A black PNG written by hand, so that any size can be claimed; `rows` fewer than that may be in it."""
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[colour]
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels * depth // 8)
    body = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def sequence(kind, size=(32, 16)):
    """A sequence of two pictures, of which the first is `PICTURE`."""
    first = IMAGE.resize(size, Image.Resampling.NEAREST)
    if kind == "HEIF":
        pillow_heif.register_heif_opener()
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}.get(kind, {"quality": 100})
    return saved(first, kind, save_all=True, append_images=[ImageOps.invert(first)], **options)


def timeless_avif():
    """An animated AVIF whose media header says that a second has 0 units."""
    data = bytearray(sequence("AVIF"))
    # version and flags, two times of eight bytes, then the time scale
    at = data.index(b"mdhd") + 4 + 4 + 16
    data[at : at + 4] = bytes(4)
    return bytes(data)


def cases():
    """The whole corpus."""
    yield from damaged()
    yield from foreign()
    yield from bombs()
    yield from followed()


def damaged():
    """Nothing, half of something, and noise."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    yield Case("noise", np.random.default_rng(1).bytes(5000))
    for kind in ("PNG", "JPEG", "WEBP"):
        whole = saved(image, kind)
        for share in (0.1, 0.9):
            yield Case(f"{kind} cut off at {share}", whole[: int(len(whole) * share)])
        # damage in the middle may still decode to something
        holed = whole[: len(whole) // 2] + b"\0" * 40 + whole[len(whole) // 2 + 40 :]
        yield Case(f"{kind} with a hole", holed, (64, 64), may_refuse=True)
    for name, exif in {
        "orientation 99": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
        "cut off": b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
        "noise": b"Exif\0\0" + np.random.default_rng(3).bytes(400),
        "an IFD that points to itself": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0",
    }.items():
        yield Case(f"broken EXIF: {name}", saved(IMAGE, "JPEG", exif=exif), SIZE)


def foreign():
    """Files of another kind, whatever they are called, and sound ones of unusual kinds."""
    yield Case("SVG renamed", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
    yield Case("PostScript renamed", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(x) run\n")
    for kind in ("PPM", "ICO", "TGA"):
        yield Case(f"{kind} renamed", saved(IMAGE, kind))
    for kind in ("GIF", "AVIF", "BMP", "TIFF"):
        yield Case(kind, saved(IMAGE, kind), SIZE)
    for packing in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield Case(f"TIFF, {packing}", saved(IMAGE, "TIFF", compression=packing, tiffinfo={0x0112: 3}), SIZE)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"
        yield Case(f"PNG, {mode}", saved(IMAGE.convert(mode), "PNG", exif=exif), SIZE)
    for mode, options in (
        ("L", {}),
        ("CMYK", {}),
        ("RGB", {"progressive": True}),
        ("RGB", {"restart_marker_blocks": 2}),
    ):
        yield Case(f"JPEG, {mode}, {options}", saved(IMAGE.convert(mode), "JPEG", **options), SIZE)
    for lossless in (False, True):
        yield Case(f"WEBP, {lossless}", saved(IMAGE.convert("RGBA"), "WEBP", lossless=lossless), SIZE)
    yield Case("16 bits", png(32, 16, depth=16, extra=chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(3000)))), SIZE)
    for kind in ("AVIF", "WEBP", "HEIF"):
        yield Case(f"{kind} sequence", sequence(kind), SIZE)
    yield Case("1 x 1", saved(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), (1, 1))
    for size in (300_000, 3_000_000):
        profile = np.random.default_rng(2).bytes(size)
        yield Case(f"ICC profile of {size:,} bytes", saved(IMAGE, "PNG", icc_profile=profile), SIZE, size > 2**20)


def bombs():
    """Small files that would become large, or that a reader would step through for minutes."""
    yield Case("PNG of 16,384 a side", partial(png, 16_384, 16_384))
    text = b"k\0\0" + zlib.compress(bytes(80_000_000), 9)
    yield Case(
        "PNG with a text that unpacks to 80 MB", png(32, 32, extra=chunk(b"zTXt", text)), (32, 32), may_refuse=True
    )
    yield Case("PNG with 900,000 chunks", lambda: png(32, 32, extra=chunk(b"teXt", b"") * 900_000))
    jpeg = saved(IMAGE, "JPEG")
    yield Case("JPEG with 900,000 segments", lambda: jpeg[:2] + b"\xff\xfe\x00\x02" * 900_000 + jpeg[2:])
    yield Case("JPEG with 15 MB of padding", lambda: jpeg[:2] + b"\xff" * 15_000_000 + jpeg[2:])
    for kind in ("PNG", "JPEG"):
        yield Case(
            f"{kind} with a million orientations", partial(many_orientations, kind, 1_000_000), (1, 1), may_refuse=True
        )
    yield Case("JPEG with 100,000 passes", many_passes)
    # passes that a reader never comes to, and one that it would go on with after a wrong end
    yield Case("JPEG that ends before 100,000 passes", partial(many_passes, behind=True), (4400, 4400))
    yield Case("JPEG with 100,000 passes and two ends", partial(many_passes, ended=b"\xff\xd9"))
    full = {"progressive": True, "subsampling": 0, "quality": 60}
    # whose decoders take twice as much, of which less is read
    yield Case("too large progressive CMYK JPEG", partial(saved_mosaic, "CMYK", 4470, "JPEG", **full))
    yield Case("too large WEBP", partial(saved_mosaic, "RGB", 4470, "WEBP", method=0))
    # as large as is read at all: these must decode, and in the memory and time that there is
    for colour, depth in ((2, 8), (6, 8), (2, 16)):
        made = partial(png, 4949, 4949, colour=colour, depth=depth)
        yield Case(f"largest PNG, {colour}, {depth}", made, (4949, 4949))
    lossless = {"lossless": True, "quality": 0, "method": 0}
    moving = {"save_all": True, "append_images": [mosaic("RGB", 3464)], "quality": 10, "method": 0}
    # mode, sides as it is and as it is decoded, kind, options
    for mode, side, expected, kind, options in (
        ("CMYK", 4470, 4470, "JPEG", {}), ("RGB", 4470, 4470, "JPEG", full), ("CMYK", 3464, 3464, "JPEG", full),
        ("RGB", 5140, 2570, "JPEG", full), ("RGB", 7070, 3535, "HEIF", {"quality": 30}),
        ("RGB", 4470, 4470, "BMP", {}), ("RGB", 4470, 4470, "TIFF", {}),
        ("RGB", 4470, 4470, "TIFF", {"compression": "tiff_lzw", "strip_size": 2**30}),
        ("RGB", 3464, 3464, "WEBP", {"quality": 60, "method": 0}), ("RGB", 3464, 3464, "WEBP", lossless),
        ("RGBA", 3464, 3464, "WEBP", {"quality": 60, "method": 0}), ("RGBA", 3464, 3464, "WEBP", lossless),
        ("RGBA", 3464, 3464, "WEBP", moving),
    ):  # fmt: skip
        made = partial(saved_mosaic, mode, side, kind, **options)
        yield Case(f"largest {kind}, {mode}, {options}", made, (expected, expected))
    yield Case("largest JPEG", lambda: saved(Image.new("RGB", (10_480, 10_480)), "JPEG"), (2620, 2620))


def saved_mosaic(mode, side, kind, **options):
    """Bytes of a `mosaic`."""
    return saved(mosaic(mode, side), kind, **options)


def many_orientations(kind, count):
    """One pixel, as PNG or JPEG, whose EXIF gives its orientation `count` values of eight bytes."""
    exif = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 5, count, 26, 0) + struct.pack("<II", 6, 1) * count
    if kind == "PNG":
        return png(1, 1, extra=chunk(b"eXIf", exif))
    jpeg = saved(Image.new("RGB", (1, 1)), "JPEG")
    parts = [b"Exif\0\0" + exif[start : start + 65_000] for start in range(0, len(exif), 65_000)]
    return jpeg[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(one) + 2) + one for one in parts) + jpeg[2:]


def many_passes(*, behind=False, ended=b""):
    """A progressive JPEG with 100,000 passes more, before its end or `behind` it; `ended` stands after them."""
    progressive = saved(Image.new("RGB", (4400, 4400), (90, 60, 30)), "JPEG", progressive=True)
    passes = progressive[progressive.rindex(b"\xff\xda") : -2] * 100_000
    return progressive + passes if behind else progressive[:-2] + passes + ended + progressive[-2:]


def followed():
    """Images with something behind their end, as telephones write them."""
    video = b"\0\0\0\x18ftypmp42" + (b"\xff\xda\0\x08" + np.random.default_rng(4).bytes(2000)) * 500

    def motion(**options):
        large = Image.fromarray(np.random.default_rng(5).integers(0, 256, (30, 40, 3), np.uint8)).resize((4000, 3000))
        return saved(large, "JPEG", **options) + video

    for name, progressive in (("baseline", False), ("progressive", True)):
        yield Case(f"motion photo, {name}", partial(motion, progressive=progressive), (3000, 4000))
    yield Case("motion photo with a restart a block", partial(motion, restart_marker_blocks=1), (3000, 4000))
    for kind in ("JPEG", "PNG", "WEBP"):
        yield Case(f"{kind} and a video", saved(IMAGE, kind) + video, SIZE)
