"""The cache of LIME explanations that studies share."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.lime.regions import LIME, LimeSettings
from core.studies.trust import lime_pass as module
from core.studies.trust.lime_pass import LimePass, lime_pass
from core.system.atomic import cache_dir

SETTINGS = LimeSettings(n_samples=64)


def files() -> list[Path]:
    return sorted((cache_dir() / "lime").rglob("*.npz"))


def assert_same(one: LimePass, other: LimePass) -> None:
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(other, name))


def test_what_was_computed_is_kept_and_what_is_damaged_is_computed_again(
    tiny_detector: Detector, pixels: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    class Counting:
        def explain_fully(self, detector: Detector, image: NDArray[np.uint8], settings: LimeSettings) -> object:
            asked.append(image.tobytes())
            return LIME.explain_fully(detector, image, settings)

    monkeypatch.setattr(module, "LIME", Counting())
    first = lime_pass(tiny_detector, pixels[0], SETTINGS)
    result = LIME.explain_fully(tiny_detector, pixels[0], SETTINGS)
    np.testing.assert_allclose(first.values, result.values, rtol=1e-6)
    assert_same(first, lime_pass(tiny_detector, pixels[0], SETTINGS))
    lime_pass(tiny_detector, pixels[1], SETTINGS)
    lime_pass(tiny_detector, pixels[0], LimeSettings(n_samples=64, seed=1))
    assert len(asked) == len(files()) == 3
    whole = {file: file.read_bytes() for file in files()}
    # a power cut may leave a file short, empty, or with zeros in it
    for damage in (lambda data: data[:-40], lambda _data: b"", lambda data: data[:200] + bytes(40) + data[240:]):
        asked.clear()
        for file, data in whole.items():
            file.write_bytes(damage(data))
        assert_same(first, lime_pass(tiny_detector, pixels[0], SETTINGS))
        assert_same(first, lime_pass(tiny_detector, pixels[0], SETTINGS))
        assert len(asked) == 1
