"""Uploads are decoded one at a time, whoever asks."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core import upload
from core.images import ImageError, decode, encode_png
from core.upload import prepare
from dashboard.decoding import prepare_in_turn

PNG = encode_png(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def test_one_at_a_time_and_equal_to_what_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, inside, most = prepare(PNG, zoom=2), 0, 0
    counting = threading.Lock()

    def watched(data: bytes) -> np.ndarray:
        nonlocal inside, most
        with counting:
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)
        found = decode(data)
        with counting:
            inside -= 1
        return found

    monkeypatch.setattr(upload, "decode", watched)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(lambda _: prepare_in_turn(PNG, zoom=2), range(6)))
    assert most == 1
    for one in found:
        np.testing.assert_array_equal(one.pixels, alone.pixels)


def test_a_refusal_reaches_who_asked() -> None:
    with pytest.raises(ImageError, match="not an image"):
        prepare_in_turn(b"hello")
    assert prepare_in_turn(PNG).width == 70
