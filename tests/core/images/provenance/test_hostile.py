"""Containers that were made to stall, to lead in circles or to fill the memory: a sentence, in little time."""

import json
import random
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from core.images.containers.contents import CUT, LARGE, MANY
from core.images.containers.reading import read_contents
from core.images.decoding import ImageError
from core.images.provenance.registry import provenance
from tests.core.images.provenance.made import PICTURE, png, saved
from tests.hostile.corpus import chunk

SECONDS = 2.0
MEGABYTES = 60


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def with_chunks(*chunks: bytes) -> bytes:
    """A PNG with more chunks, after its header."""
    whole = saved("PNG")
    return whole[:33] + b"".join(chunks) + whole[33:]


def bomb(kind: bytes) -> bytes:
    """100 MB of text in 100 KB."""
    packed = zlib.compress(bytes(100 * 2**20), 9)
    head = b"parameters\0\0" if kind == b"zTXt" else b"parameters\0\1\0\0\0"
    return chunk(kind, head + packed)


def deep_boxes() -> bytes:
    body = b""
    for _ in range(3000):
        body = box(b"meta", b"\0\0\0\0" + body)
    return box(b"ftyp", b"avif\0\0\0\0") + body


def looping_items() -> bytes:
    """Items by the thousand that all lie at one place, and boxes of no size."""
    infe = b"".join(box(b"infe", struct.pack(">BxxxHH4s", 2, n, 0, b"Exif")) for n in range(5000))
    iinf = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", 5000) + infe)
    one = b"".join(struct.pack(">HHHII", n, 0, 1, 0, 2**31) for n in range(5000))
    iloc = box(b"iloc", b"\0\0\0\0\x44\0" + struct.pack(">H", 5000) + one)
    return box(b"ftyp", b"heic\0\0\0\0") + box(b"meta", b"\0\0\0\0" + iinf + iloc) + bytes(8) + b"\0\0\0\x02free"


def long_items(boxes: int = 100) -> bytes:
    """Boxes of items that are all as long as the file, which has 20 MB."""
    infe = b"".join(box(b"infe", struct.pack(">BxxxHH4s", 2, n, 0, b"hvc1")) for n in range(1000))
    iinf = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", 1000) + infe)
    one = b"".join(struct.pack(">HHHII", n, 0, 1, 0, 20 * 2**20) for n in range(1000))
    iloc = box(b"iloc", b"\0\0\0\0\x44\0" + struct.pack(">H", 1000) + one)
    whole = box(b"ftyp", b"avif\0\0\0\0") + box(b"meta", b"\0\0\0\0" + iinf + iloc) * boxes
    return whole + box(b"free", bytes(20 * 2**20 - len(whole) - 8))


# made when they are asked for, as some take a second
CASES: dict[str, Callable[[], bytes]] = {
    "items as long as the file": long_items,
    "EXIF as long as the file": lambda: long_items().replace(b"hvc1", b"Exif"),
    "zTXt of 100 MB": lambda: with_chunks(bomb(b"zTXt")),
    "iTXt of 100 MB": lambda: with_chunks(bomb(b"iTXt")),
    "a hundred of them": lambda: with_chunks(*[bomb(b"zTXt")] * 20),
    "a million chunks": lambda: with_chunks(chunk(b"tEXt", b"a\0b") * 300_000),
    "text of 15 MB": lambda: with_chunks(chunk(b"tEXt", b"parameters\0" + b"Steps: 1, " * 1_500_000)),
    "damaged zTXt": lambda: with_chunks(chunk(b"zTXt", b"parameters\0\0" + b"no zlib")),
    "iTXt without its parts": lambda: with_chunks(chunk(b"iTXt", b"parameters\0\0\0and no more")),
    "cut chunk": lambda: saved("PNG")[:33] + struct.pack(">I", 2**31 - 1) + b"tEXtparameters\0",
    "chunk that claims 4 GB": lambda: with_chunks(b"\xff\xff\xff\xfftEXt"),
    "deep boxes": deep_boxes,
    "looping items": looping_items,
    "box of one byte": lambda: box(b"ftyp", b"avif\0\0\0\0") + b"\0\0\0\1meta" + b"\0" * 8,
    "WebP of 4 GB": lambda: b"RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\xff",
    "WebP of empty chunks": lambda: b"RIFF" + struct.pack("<I", 4 + 8 * 500_000) + b"WEBP" + b"XMP \0\0\0\0" * 500_000,
    "GIF of endless blocks": lambda: saved("GIF")[:-1] + b"\x21\xfe" + b"\1a" * 300_000,
    "GIF of a million frames": lambda: b"GIF89a\1\0\1\0\0\0\0" + b"\x2c\0\0\0\0\1\0\1\0\0\2\0" * 100_000,
    "JPEG of padding": lambda: b"\xff\xd8" + b"\xff" * 5_000_000,
    "JPEG of empty segments": lambda: b"\xff\xd8" + b"\xff\xe1\0\2" * 100_000,
    "JPEG cut in a segment": lambda: saved("JPEG")[:2] + b"\xff\xe1\xff\xffExif\0\0II*\0",
}


@pytest.mark.parametrize("name", CASES)
def test_a_container_is_read_within_limits(name: str) -> None:
    data = CASES[name]()
    began = time.process_time()
    found = read_contents(data)
    assert time.process_time() - began < SECONDS
    tracemalloc.start()
    read_contents(data)
    assert tracemalloc.get_traced_memory()[1] / 2**20 < MEGABYTES
    tracemalloc.stop()
    assert all(sentence in (CUT, LARGE, MANY) for sentence in found.problems)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("zTXt of 100 MB", LARGE),
        ("a million chunks", MANY),
        ("text of 15 MB", LARGE),
        ("cut chunk", CUT),
        ("damaged zTXt", CUT),
        ("iTXt without its parts", CUT),
        ("WebP of 4 GB", CUT),
        ("WebP of empty chunks", MANY),
        ("GIF of a million frames", MANY),
        ("JPEG of padding", MANY),
        ("JPEG cut in a segment", CUT),
    ],
)
def test_what_is_said_of_it(name: str, sentence: str) -> None:
    assert sentence in read_contents(CASES[name]()).problems


def test_what_is_left_out_is_said() -> None:
    said = [claim.says for claim in provenance(CASES["zTXt of 100 MB"](), pixels=PICTURE)]
    assert LARGE in said
    # Pillow reads no such picture at all
    with pytest.raises(ImageError, match="damaged"):
        provenance(CASES["zTXt of 100 MB"]())


@pytest.mark.parametrize(
    "text",
    ["[" * 500_000, '{"a":' * 200_000, json.dumps({"class_type": ["x"] * 100_000}), "Steps: " + "A: b, " * 150_000],
)
def test_settings_that_stall(text: str) -> None:
    for keyword in ("prompt", "parameters", "invokeai_metadata"):
        began = time.process_time()
        provenance(png({keyword: text[: 2**20]}))
        assert time.process_time() - began < SECONDS


def test_xmp_that_is_nested_deep() -> None:
    began = time.process_time()
    creators = (
        '<a xmlns:d="http://purl.org/dc/elements/1.1/">' + "<d:creator>" * 40_000 + "</d:creator>" * 40_000 + "</a>"
    )
    for xmp in ("<a>" * 200_000 + "</a>" * 100_000, "<a>" * 140_000 + "</a>" * 140_000, creators):
        provenance(png({"XML:com.adobe.xmp": xmp}, international=True))
    assert time.process_time() - began < 2 * SECONDS


def test_exif_that_leads_in_circles() -> None:
    # the directory is its own sub-directory, and its tags all claim the same bytes
    entries = b"".join(struct.pack("<HHII", tag, 7, 50_000, 8) for tag in range(270, 3000))
    entries += struct.pack("<HHII", 0x8769, 4, 1, 8)
    body = b"II*\0" + struct.pack("<IH", 8, 2731) + entries + bytes(60_000)
    began = time.process_time()
    said = [claim.says for claim in provenance(with_chunks(chunk(b"eXIf", body)))]
    assert time.process_time() - began < SECONDS
    assert all(sentence.endswith(".") for sentence in said)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "HEIF"])
def test_cut_at_every_length(kind: str) -> None:
    whole = saved(kind, PICTURE[:16, :16])
    for length in range(0, len(whole), max(1, len(whole) // 60)):
        read_contents(whole[:length])


def test_noise_after_each_beginning() -> None:
    noise = random.Random(0).randbytes(60_000)
    for start in (
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8",
        b"RIFF\xff\xff\0\0WEBP",
        b"GIF89a",
        b"\0\0\0\x10ftypheic\0\0\0\0mif1",
    ):
        for at in range(0, 60_000, 3000):
            found = read_contents(start + noise[at : at + 3000])
            assert all(sentence in (CUT, LARGE, MANY) for sentence in found.problems)
