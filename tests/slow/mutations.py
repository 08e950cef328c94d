"""Valid PNG, JPEG, WebP, AVIF and HEIC files, and mutations of them: each the same for the same seed and number."""

import functools
import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, PngImagePlugin

from tests.corpus import PICTURE, saved, sequence

ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 16_385, 20_000_001)


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Sound files of every kind that is read, small, so that a mutation hits something."""
    generator = np.random.default_rng(0)
    image = Image.fromarray(PICTURE)
    noise = Image.fromarray(generator.integers(0, 256, (48, 40, 3), np.uint8))
    clear = image.convert("RGBA")
    clear.putalpha(Image.fromarray(generator.integers(0, 256, (16, 32), np.uint8)))
    deep = Image.fromarray((np.arange(256, dtype=np.uint16) * 257).reshape(16, 16))
    palette = image.convert("P", palette=Image.Palette.ADAPTIVE)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "x" * 300)
    text.add_text("Comment", "y" * 3000, zip=True)
    text.add_itxt("Author", "zoë", zip=True)
    moving = {"save_all": True, "append_images": [Image.fromarray(255 - PICTURE)] * 3, "duration": 20}
    icc = {"icc_profile": generator.bytes(400)}
    files = [saved(one, "PNG") for one in (image, noise, clear, deep, palette, image.convert("1"), image.convert("LA"))]
    files += [saved(image, "PNG", pnginfo=text, exif=exif, **icc), saved(image, "PNG", **moving)]
    files += [saved(palette, "PNG", transparency=1, bits=4)]
    files += [saved(one, "JPEG", quality=quality) for one in (image, noise) for quality in (20, 95)]
    files += [saved(noise, "JPEG", progressive=True), saved(noise, "JPEG", restart_marker_blocks=2)]
    files += [
        saved(noise.convert("CMYK"), "JPEG"),
        saved(image.convert("L"), "JPEG", exif=exif, comment=b"c" * 99, **icc),
    ]
    files += [saved(one, "WEBP", lossless=lossless) for one in (image, noise, clear) for lossless in (False, True)]
    files += [saved(image, "WEBP", exif=exif, **icc), saved(clear, "WEBP", **moving)]
    files += [sequence(kind, (64, 64)) for kind in ("AVIF", "WEBP", "HEIF")]
    return tuple(files)


def flip_bits(data: bytearray, chance: random.Random) -> bytearray:
    """Turn a few bits."""
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def set_bytes(data: bytearray, chance: random.Random) -> bytearray:
    """Put an odd number somewhere, most of the times near the beginning, in either order of bytes."""
    size = chance.choice((1, 2, 4))
    at = chance.randrange(max(1, min(len(data) - size, chance.choice((40, 200, len(data))))))
    order = chance.choice((">", "<"))
    data[at : at + size] = struct.pack(order + "I", chance.choice(ODD))[-size if order == ">" else 0 :][:size]
    return data


def cut_off(data: bytearray, chance: random.Random) -> bytearray:
    """Leave only the beginning."""
    return data[: chance.randrange(1, max(2, len(data)))]


def take_out(data: bytearray, chance: random.Random) -> bytearray:
    """Leave out a piece."""
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 4, 16, 200))]
    return data or bytearray(b"\0")


def repeat(data: bytearray, chance: random.Random) -> bytearray:
    """Put a piece in again, a few times or very often."""
    start = chance.randrange(len(data))
    piece = data[start : start + chance.choice((1, 4, 12, 100))]
    return data[:start] + piece * chance.choice((2, 3, 50, 5000)) + data[start:]


def splice(data: bytearray, chance: random.Random) -> bytearray:
    """Go on with the end of another file."""
    other = chance.choice(seeds())
    return data[: chance.randrange(1, max(2, len(data)))] + other[chance.randrange(len(other)) :]


def put_in(data: bytearray, chance: random.Random) -> bytearray:
    """Put bytes in."""
    start = chance.randrange(len(data))
    piece = chance.choice(
        (chance.randbytes(chance.choice((1, 8, 300))), b"\xff" * 64, b"\0" * 64, b"\xff\xda", b"IEND")
    )
    return data[:start] + piece + data[start:]


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    flip_bits, set_bytes, set_bytes, cut_off, take_out, repeat, splice, put_in,
)  # fmt: skip


def sound_again(data: bytes) -> bytes:
    """A PNG whose checksums fit what is in it, or a WebP whose length does, so that readers go on past them."""
    if data[:4] == b"RIFF":
        return data[:4] + struct.pack("<I", max(0, len(data) - 8)) + data[8:]
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        body = data[at + 4 : at + 8 + length]
        parts.append(data[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join(parts) + data[at:]


def mutate_pixels(data: bytes, chance: random.Random) -> bytes:
    """A PNG whose packed pixels are unpacked, changed, and packed again."""
    start = data.find(b"IDAT")
    if data[:4] != b"\x89PNG" or start < 8:
        return data
    length = int.from_bytes(data[start - 4 : start], "big")
    try:
        rows = bytearray(zlib.decompress(data[start + 4 : start + 4 + length]))
    except zlib.error:
        return data
    for _ in range(chance.choice((1, 3))):
        rows = chance.choice(MUTATIONS)(rows, chance)
    packed = zlib.compress(bytes(rows))
    return data[: start - 4] + struct.pack(">I", len(packed)) + b"IDAT" + packed + data[start + 4 + length :]


def image(seed: int, number: int) -> bytes:
    """The mutated file of that number."""
    chance = random.Random(f"{seed} {number}")
    data = chance.choice(seeds())
    if chance.random() < 0.15:
        data = mutate_pixels(data, chance)
    else:
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            changed = chance.choice(MUTATIONS)(changed, chance)
        data = bytes(changed)
    return sound_again(data) if chance.random() < 0.6 else data
