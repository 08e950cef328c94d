"""The cache of explanations that studies share."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.integrated_gradients import IntegratedGradients, IntegratedGradientsSettings
from core.explainers.lime.regions import LIME, Lime, LimeSettings
from core.storage import cache_dir
from core.studies.explanations import Pass, explain_all

SETTINGS = LimeSettings(n_samples=64)


def explained(detector, image, explainer, settings):  # type: ignore[no-untyped-def]
    return explain_all(detector, [image], explainer, settings)[0]


def files() -> list[Path]:
    return sorted((cache_dir() / "explanations").rglob("*.npz"))


def assert_same(one: Pass, other: Pass) -> None:
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(other, name))


def test_what_was_computed_is_kept_and_what_is_damaged_is_computed_again(
    tiny_detector: Detector, pixels: NDArray[np.uint8]
) -> None:
    asked: list[bytes] = []

    class Counting(Lime):
        def explain_batch(self, detector: Detector, pixels: NDArray[np.uint8], settings: Any, **options: Any) -> Any:
            asked.extend(image.tobytes() for image in pixels)
            yield from super().explain_batch(detector, pixels, settings, **options)

    counting = Counting()
    first = explained(tiny_detector, pixels[0], counting, SETTINGS)
    result = LIME.explain_fully(tiny_detector, pixels[0], SETTINGS)
    np.testing.assert_allclose(first.values, result.values, rtol=1e-6)
    assert_same(first, explained(tiny_detector, pixels[0], counting, SETTINGS))
    explained(tiny_detector, pixels[1], counting, SETTINGS)
    explained(tiny_detector, pixels[0], counting, LimeSettings(n_samples=64, seed=1))
    assert len(asked) == len(files()) == 3
    whole = {file: file.read_bytes() for file in files()}
    # a power cut may leave a file short, empty, or with zeros in it
    for damage in (lambda data: data[:-40], lambda _data: b"", lambda data: data[:200] + bytes(40) + data[240:]):
        asked.clear()
        for file, data in whole.items():
            file.write_bytes(damage(data))
        assert_same(first, explained(tiny_detector, pixels[0], counting, SETTINGS))
        assert_same(first, explained(tiny_detector, pixels[0], counting, SETTINGS))
        assert len(asked) == 1


def test_several_images_are_explained_in_batches_and_only_those_that_the_cache_lacks(
    tiny_detector: Detector, pixels: NDArray[np.uint8]
) -> None:
    batches: list[int] = []

    class Counting(IntegratedGradients):
        def explain_batch(self, detector: Detector, pixels: NDArray[np.uint8], settings: Any, **options: Any) -> Any:
            batches.append(len(pixels))
            yield from super().explain_batch(detector, pixels, settings, **options)

    method, settings = Counting(), IntegratedGradientsSettings(steps=8)
    one = explained(tiny_detector, pixels[1], method, settings)
    found = explain_all(tiny_detector, list(pixels[:4]), method, settings)
    assert batches == [1, 3]
    assert_same(found[1], one)
    for image, each in zip(pixels, found, strict=False):
        alone = method.explain_fully(tiny_detector, image, settings)
        np.testing.assert_allclose(each.values, alone.map, rtol=1e-3, atol=1e-5)
        assert each.regions.size == 0
