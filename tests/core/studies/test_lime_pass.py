"""LIME of an image, computed once: the same as without the cache, and never that of another image or detector."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.detector import Detector
from core.explain.lime import explain_lime_fully
from core.explain.results import LimeResult, LimeSettings
from core.storage import cache_dir
from core.studies import lime_pass as module
from core.studies.lime_pass import LimePass, lime_pass
from tests.conftest import make_detector, textured

SETTINGS = LimeSettings(n_samples=64, n_segments=20)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector(width=2)


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    return np.asarray(textured(1, fine=True, seed=3)[0])


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[LimeSettings]:
    """The settings of every LIME that is computed and not read."""
    asked: list[LimeSettings] = []

    def watched(detector: Detector, image: NDArray[np.uint8], *, settings: LimeSettings) -> LimeResult:
        asked.append(settings)
        return explain_lime_fully(detector, image, settings=settings)

    monkeypatch.setattr(module, "explain_lime_fully", watched)
    return asked


def same(one: LimePass, other: LimePass) -> None:
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(other, name))
        assert np.asarray(value).dtype == np.asarray(getattr(other, name)).dtype


def test_it_is_what_lime_says(detector: Detector, image: NDArray[np.uint8]) -> None:
    found, result = lime_pass(detector, image, SETTINGS), explain_lime_fully(detector, image, settings=SETTINGS)
    np.testing.assert_array_equal(found.segments, result.segments)
    np.testing.assert_allclose(found.weights, result.weights, rtol=1e-6)
    np.testing.assert_array_equal(found.decisions, result.decisions)
    assert found.r2 == pytest.approx(result.health.r2)
    assert found.decided_share == pytest.approx(result.health.decided_share)
    assert found.one_colour == (result.health.one_colour or "")
    for number in range(len(found.weights)):
        assert (found.values[found.segments == number] == found.weights[number]).all()


def test_the_second_time_it_is_read(detector: Detector, image: NDArray[np.uint8], computed: list[LimeSettings]) -> None:
    first = lime_pass(detector, image, SETTINGS)
    same(lime_pass(detector, image, SETTINGS), first)
    # whatever way the pixels lie in memory
    same(lime_pass(detector, np.asfortranarray(image), SETTINGS), first)
    assert len(computed) == 1


def test_another_image_detector_or_setting_is_another_question(
    detector: Detector, image: NDArray[np.uint8], computed: list[LimeSettings]
) -> None:
    first = lime_pass(detector, image, SETTINGS)
    changed = image.copy()
    changed[0, 0, 0] ^= 1
    louder = Detector(make_detector(width=2).network, 2)
    louder.network.fc.weight.mul_(2)
    others = [
        lime_pass(detector, changed, SETTINGS),
        lime_pass(Detector(louder.network, 2), image, SETTINGS),
        lime_pass(detector, image, LimeSettings(n_samples=64, n_segments=20, seed=1)),
        lime_pass(detector, image, LimeSettings(n_samples=64, n_segments=20, fill="blur")),
    ]
    assert len(computed) == 5
    for other in others:
        assert not np.array_equal(other.weights, first.weights)


@pytest.mark.parametrize("damage", ["cut", "emptied", "text"])
def test_what_was_damaged_is_computed_again(
    damage: str, detector: Detector, image: NDArray[np.uint8], computed: list[LimeSettings]
) -> None:
    first = lime_pass(detector, image, SETTINGS)
    (kept,) = (cache_dir() / "lime").rglob("*.npz")
    whole = kept.read_bytes()
    kept.write_bytes({"cut": whole[: len(whole) // 2], "emptied": b"", "text": b"this is no archive"}[damage])
    same(lime_pass(detector, image, SETTINGS), first)
    assert len(computed) == 2
    # and kept anew
    same(lime_pass(detector, image, SETTINGS), first)
    assert len(computed) == 2


def test_a_new_version_of_lime_reads_nothing_of_the_old(
    detector: Detector, image: NDArray[np.uint8], computed: list[LimeSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    lime_pass(detector, image, SETTINGS)
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    lime_pass(detector, image, SETTINGS)
    assert len(computed) == 2
