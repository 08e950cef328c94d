import io
import struct
import zlib
from functools import partial

import numpy as np
import pillow_heif
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from core.images import decoding
from core.images.decoding import (
    MAX_BYTES,
    ImageError,
    PassingError,
    decode,
    open_image,
)
from tests.conftest import noise, saved
from tests.corpus import chunk, many_orientations, png, sequence, timeless_avif

BLANK = Image.new("RGB", (64, 64))


def turning(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation):
    upright = np.zeros((8, 16, 3), np.uint8)
    upright[:4, :8] = (255, 0, 0)
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]
    image = Image.fromarray(upright)
    # the transposition that a viewer undoes for each orientation
    stored = image if undo is None else image.transpose(Image.Transpose(undo))
    assert_array_equal(decode(saved(stored, exif=turning(orientation))), upright)


def test_sixteen_bit_grey_is_scaled():
    values = np.full((4, 4), 65535, np.uint16)
    values[0, 0] = 257 * 100
    decoded = decode(saved(Image.fromarray(values)))
    assert decoded[0, 0].tolist() == [100, 100, 100]
    assert decoded[1, 1].tolist() == [255, 255, 255]
    # nearly black stays so, however dark the rest is
    assert decode(saved(Image.fromarray(np.full((4, 4), 255, np.uint16)))).max() == 0


@pytest.mark.parametrize(
    "depth, colour, rows, key",
    [
        (16, 0, struct.pack(">HH", 0x0102, 0x8000), (0x0102,)),
        (8, 0, b"\x01\x80", (1,)),
        (4, 0, b"\x18", (1,)),
        (2, 0, b"\x60", (1,)),
        (16, 2, struct.pack(">HHHHHH", 0x0102, 0x0304, 0x0506, 0x8000, 0, 0), (0x0102, 0x0304, 0x0506)),
    ],
)
def test_a_transparent_colour_is_laid_on_white_at_every_depth(depth, colour, rows, key):
    width = len(rows) * 8 // depth // (3 if colour == 2 else 1)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0))
    clear = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = header + clear + chunk(b"IDAT", zlib.compress(b"\0" + rows)) + chunk(b"IEND", b"")
    first, second = decode(b"\x89PNG\r\n\x1a\n" + data)[0, :2].astype(int)
    assert first.tolist() == [255, 255, 255]
    # nothing else is
    assert second[0] in range(127, 171)


def test_cmyk_and_animation():
    cmyk = decode(saved(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert cmyk[4, 4, 0] > 180
    assert cmyk[4, 4, 1] < 90
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    animated = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    assert decode(animated)[0, 0].tolist() == [255, 0, 0]


def tiff(extra=(), following=0):
    """A grey TIFF of 2 x 2 pixels with more tags, as (tag, type, count, value), and the offset of another page."""
    usual = [(256, 3, 1, 2), (257, 3, 1, 2), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 0), (279, 4, 1, 4)]
    entries = b"".join(struct.pack("<HHII", *entry) for entry in sorted([*usual, *extra]))
    return b"II*\0" + struct.pack("<IH", 8, len(usual) + len(extra)) + entries + struct.pack("<I", following)


def run_length_bmp():
    data = bytearray(saved(Image.new("L", (64, 64)), "BMP"))
    data[30] = 1
    return bytes(data)


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "The file is empty"),
        (bytes(MAX_BYTES + 1), "more than 64 MB"),
        (b"\0\0\0\x1cftypavif" + bytes(8 * 2**20), "more than 8 MB"),
        (b"no picture", "not an image that can be read"),
        (saved(BLANK, "TIFF", big_tiff=True), "not an image that can be read"),
        (tiff(extra=[(322, 4, 1, 4096)]), "far more parts"),
        (tiff(extra=[(50_000 + tag, 4, 1, 0) for tag in range(200)]), "far more parts"),
        (tiff(extra=[(50_000, 4, 2**24, 8)]), "far more parts"),
        (tiff(extra=[(50_000 + tag, 1, 100, 8) for tag in range(9)]), "far more parts"),
        # a directory within that points to itself
        (tiff(extra=[(0x8769, 4, 1, 8)]), "far more parts"),
        (tiff(following=9), "several pages"),
        (saved(BLANK, "TIFF", compression="jpeg"), "packed in a way"),
        (saved(Image.new("F", (64, 64)), "TIFF"), "packed in a way"),
        (run_length_bmp(), "packed in a way"),
        (png(5_000, 5_000, rows=1), "24.5 million in all"),
        (saved(Image.new("L", (20_000, 1)), "PNG"), "20000 x 1 pixels"),
        (saved(Image.effect_noise((64, 64), 50), "JPEG")[:1000], "damaged"),
        (many_orientations("JPEG", 50_000), "far more parts"),
    ],
)
def test_bad_bytes_are_one_sentence(data, sentence):
    with pytest.raises(ImageError, match=sentence):
        decode(data)


@pytest.mark.parametrize(
    "kind, mode, options",
    [
        ("BMP", "RGB", {}), ("BMP", "P", {}), ("TIFF", "RGB", {}), ("TIFF", "1", {}), ("TIFF", "CMYK", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    ],
)  # fmt: skip
def test_bmp_and_tiff_are_what_pillow_reads(kind, mode, options):
    image = Image.effect_noise((90, 70), 60).convert(mode)
    turned = {"exif": turning(6)} if kind == "TIFF" else {}
    expected = image.convert("RGB").rotate(-90, expand=True) if turned else image.convert("RGB")
    assert_array_equal(decode(saved(image, kind, **options, **turned)), np.asarray(expected))


@pytest.mark.parametrize(
    "kind, mode, options",
    [("JPEG", "RGB", {"quality": 98}), ("JPEG", "CMYK", {"progressive": True}), ("HEIF", "RGB", {})],
)
@pytest.mark.parametrize("factor", [2, 4])
def test_larger_pictures_are_shrunk_while_they_are_decoded(kind, mode, options, factor, monkeypatch):
    # more rows than a strip has
    small = noise(15, 11)
    image = Image.fromarray(small).resize((92, 140), Image.Resampling.BICUBIC).convert(mode)
    data = saved(image, kind, exif=turning(6), **options)
    whole = decode(data)
    monkeypatch.setattr(decoding, "WHOLE", image.width * image.height // factor**2 + 1)
    load = Image.Image.load
    sizes = []
    monkeypatch.setattr(Image.Image, "load", lambda self: sizes.append(self.width * self.height) or load(self))
    found = decode(data)
    # never in memory whole
    assert max(sizes) < image.width * image.height
    expected = Image.fromarray(whole).transpose(Image.Transpose.ROTATE_90).reduce(factor).rotate(-90, expand=True)
    assert np.abs(found.astype(int) - np.asarray(expected)).mean() <= 5


def broken_heic():
    data = bytearray(sequence("HEIF", (64, 64)))
    # the offset of an item, which then lies outside the file
    data[data.index(b"iloc") + 17] ^= 0xFF
    return bytes(data)


@pytest.mark.parametrize("data", [timeless_avif(), broken_heic()], ids=["AVIF of time scale 0", "HEIC"])
def test_whatever_a_decoder_raises_is_one_sentence_on_one_line(data):
    with pytest.raises(ImageError, match=r"^The [^\n]+\.$"):
        decode(data)


def test_a_progressive_jpeg_has_a_limit_of_scans_for_its_size():
    whole = saved(Image.new("RGB", (2000, 2000), (90, 60, 30)), "JPEG", progressive=True)
    own, last = whole.count(b"\xff\xda"), whole[whole.rindex(b"\xff\xda") : -2]
    assert decode(whole[:-2] + last + whole[-2:]).shape == (2000, 2000, 3)
    # four million pixels a hundred times
    with open_image(whole[:-2] + last * (100 - own) + whole[-2:]) as image:
        assert image.size == (2000, 2000)
    with pytest.raises(ImageError, match="stored in 101 passes, too many for its size"):
        decode(whole[:-2] + last * (101 - own) + whole[-2:])


def test_of_a_heic_the_primary_picture_is_decoded():
    pictures = pillow_heif.HeifFile()
    for side, colour in ((96, (200, 30, 30)), (64, (30, 30, 200))):
        pictures.add_from_pillow(Image.new("RGB", (side, side), colour))
    buffer = io.BytesIO()
    pictures.save(buffer, primary_index=1, quality=100)
    found = decode(buffer.getvalue(), most_pixels=64 * 64)
    assert found.shape == (64, 64, 3)
    assert found[32, 32, 2] > 150 > found[32, 32, 0]


def test_what_lies_not_in_the_bytes_is_passing(monkeypatch):
    def lacking(*_, **__):
        raise MemoryError

    data = saved(Image.new("RGB", (8, 8)))
    monkeypatch.setattr(Image.Image, "crop", lacking)
    with pytest.raises(PassingError, match="not enough memory"):
        decode(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_transparency_is_laid_on_white(kind):
    image = Image.new("RGBA", (16, 16), (0, 200, 0, 0))
    image.paste((0, 200, 0, 255), (0, 0, 8, 16))
    data = saved(image, kind)
    pixels = decode(data)
    assert pixels[8, 14].tolist() == [255] * 3
    assert abs(int(pixels[8, 2, 1]) - 200) < 30


PACKED = b"k\0\0" + zlib.compress(b"a")


def with_exif(segments):
    """A JPEG of 2 x 2 pixels with so many segments of EXIF."""
    whole = saved(Image.new("RGB", (2, 2)), "JPEG")
    body = b"Exif\0\0" + bytes(20)
    return whole[:2] + (b"\xff\xe1" + struct.pack(">H", 2 + len(body)) + body) * segments + whole[2:]


def with_chunks(kind, count):
    return png(2, 2, extra=chunk(kind, PACKED) * count)


@pytest.mark.parametrize(
    "make",
    [with_exif, *(partial(with_chunks, kind) for kind in (b"iCCP", b"zTXt", b"iTXt"))],
)
def test_a_picture_of_more_packed_parts_than_it_needs_is_refused(make):
    assert decode(make(3)).shape == (2, 2, 3)
    with pytest.raises(ImageError, match="far more parts"):
        decode(make(100))
