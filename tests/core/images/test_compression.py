"""How a file was compressed: read from its header, equal where it was compressed alike."""

import io

import numpy as np
import pytest
from PIL import Image

from core.images.compression import compression_of

NOISE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def saved(kind: str = "JPEG", mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(NOISE).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [30, 75, 90, 100])
def test_the_quality_is_the_one_that_it_was_saved_with(quality: int) -> None:
    assert compression_of(saved(quality=quality)) == f"JPEG quality {quality}, 4:2:0"
    assert compression_of(saved(quality=quality, mode="L")).startswith(f"JPEG quality {quality},")


def test_subsampling_and_format() -> None:
    assert compression_of(saved(quality=75, subsampling=0)) == "JPEG quality 75, 4:4:4"
    assert compression_of(saved("PNG")) == "PNG"
    assert compression_of(saved("WEBP")) == "WEBP"


def test_other_tables_are_told_apart() -> None:
    one, other = ([[step] * 64, [step + 1] * 64] for step in (7, 9))
    names = [compression_of(saved(qtables=tables)) for tables in (one, other, one)]
    assert names[0] == names[2] != names[1]
    assert all(name.startswith("JPEG tables ") for name in names)


@pytest.mark.parametrize("data", [b"", b"nonsense", saved()[:30], saved("TIFF"), saved("PNG")[:20]])
def test_what_is_no_image_has_none(data: bytes) -> None:
    assert compression_of(data) is None
