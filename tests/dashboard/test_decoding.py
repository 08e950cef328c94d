"""Uploads are decoded one at a time, whoever asks."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from core.images.decoding import ImageError, decode
from core.images.encoding import encode_png
from core.images.preprocessing import Place, Preprocessing
from core.images.upload import prepare_pixels
from dashboard.services.server import decoding
from dashboard.services.server.decoding import Held, prepare_in_turn

PNG = encode_png(np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8))


def test_one_at_a_time_and_equal_to_what_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, inside, most = prepare_pixels(decode(PNG), Preprocessing(32), Place(zoom=2)), 0, 0
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

    monkeypatch.setattr(decoding, "decode", watched)
    with ThreadPoolExecutor(6) as visitors:
        found = list(visitors.map(lambda _: prepare_in_turn(Held(), PNG, Preprocessing(32), Place(zoom=2)), range(6)))
    assert most == 1
    for one in found:
        np.testing.assert_array_equal(one.pixels, alone.pixels)


def test_a_refusal_reaches_who_asked() -> None:
    with pytest.raises(ImageError, match="not an image"):
        prepare_in_turn(Held(), b"hello", Preprocessing(32))
    assert prepare_in_turn(Held(), PNG, Preprocessing(32)).width == 70


def test_images_that_are_held_have_a_limit_and_end_with_their_visitor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_HELD", 2 * 50 * 70 * 3)
    monkeypatch.setattr(decoding, "_HELD", [])
    first, second, third = Held(), Held(), Held()
    for held in (first, second, first, third):
        prepare_in_turn(held, PNG, Preprocessing(32))
    assert [held.pixels is not None for held in (first, second, third)] == [True, False, True]
    # who comes back is decoded anew
    np.testing.assert_array_equal(
        prepare_in_turn(second, PNG, Preprocessing(32), Place(zoom=3)).pixels,
        prepare_pixels(decode(PNG), Preprocessing(32), Place(zoom=3)).pixels,
    )
    assert [held.pixels is not None for held in (first, second, third)] == [False, True, True]
    del third, held
    prepare_in_turn(second, PNG, Preprocessing(32))
    assert len(decoding._HELD) == 1
