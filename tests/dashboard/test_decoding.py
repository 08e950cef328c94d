"""Uploads are decoded one at a time, and the last two are kept."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.images.decoding import ImageError, decode
from core.images.encoding import encode_png
from core.storage import Bounded
from dashboard import decoding
from dashboard.decoding import with_pixels

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
PNG = encode_png(PIXELS)


def test_one_at_a_time_and_the_last_two_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_decoded", Bounded(2))
    busy, decoded = threading.Lock(), []

    def watched(data: bytes) -> np.ndarray:
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        decoded.append(data)
        busy.release()
        return decode(data)

    monkeypatch.setattr(decoding, "decode", watched)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(lambda number: with_pixels(f"file {number % 3}", PNG, np.copy), range(6)))
    assert all(np.array_equal(pixels, PIXELS) for pixels in found)
    before = len(decoded)
    for name in ("a", "b", "a", "b", "c", "b", "a"):
        with_pixels(name, PNG, np.copy)
    assert len(decoded) - before == 4
    with pytest.raises(ImageError):
        with_pixels("no image", b"hello", np.copy)
