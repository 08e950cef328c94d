"""Features of training images: computed once, kept sealed, resumed after a stop."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.detectors.detector import Detector
from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.studies import training_reference
from core.studies.training_reference import (
    NeighbourError,
    Reference,
    compute_features,
    count_kept,
    features_path,
    find_training_set,
    is_sample,
    open_training_set,
    read_features,
)
from tests.conftest import make_detector
from tests.core.studies.conftest import made_set
from tests.core.studies.conftest import source as source  # noqa: PLC0414 - a fixture


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_reference, "BLOCK", 16)


@pytest.fixture
def images() -> ImageSet:
    return made_set()


def computed(detector: Detector, images: ImageSet) -> Reference:
    """The features, computed and read again."""
    assert list(compute_features(detector, images))[-1] == 1
    reference = read_features(detector.cache_key, images.fingerprint, images=images)
    assert reference is not None
    return reference


def test_kept_features_are_the_detectors_in_the_order_of_the_set(tiny_detector: Detector, images: ImageSet) -> None:
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
    reference = computed(tiny_detector, images)
    expected = tiny_detector.full_pass(images.pixels)
    np.testing.assert_allclose(reference.features, expected.features, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(reference.margins, expected.margins, atol=1e-4)
    assert (reference.name, reference.is_training, reference.features.dtype) == ("made-test", True, np.float16)
    assert not list(features_path("", "").parent.glob("*.part"))
    order = np.random.default_rng(0).permutation(len(images))
    permuted = images.subset(order)
    again = read_features(tiny_detector.cache_key, permuted.fingerprint, images=permuted)
    assert again is not None
    assert again.rows["id"].tolist() == permuted.rows["id"].tolist()
    np.testing.assert_array_equal(again.features, reference.features[order])
    np.testing.assert_array_equal(again.margins, reference.margins[order])
    np.testing.assert_array_equal(again.pixels, permuted.pixels)


def test_a_stopped_computation_keeps_nothing(tiny_detector: Detector, images: ImageSet) -> None:
    steps: list[float] = []
    for share in compute_features(tiny_detector, images, stop=lambda: len(steps) > 1):
        steps.append(share)
    assert steps == [16 / 60, 32 / 60]
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
    assert count_kept() == 0


def test_features_that_were_changed_or_belong_to_others_are_not_read(tiny_detector: Detector, images: ImageSet) -> None:
    computed(tiny_detector, images)
    assert read_features(make_detector(seed=1).cache_key, images.fingerprint) is None
    assert read_features(tiny_detector.cache_key, "0" * 64) is None
    file = features_path(tiny_detector.cache_key, images.fingerprint) / "features.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
    # and computing them again mends it
    computed(tiny_detector, images)


def test_the_training_set_is_that_of_the_manifest(cifake: Path) -> None:
    train = load_image_set(cifake, "train")

    def detector(name: str = "cifake-train", fingerprint: str | None = train.fingerprint) -> Detector:
        manifest = {"training_set": name, "training_set_fingerprint": fingerprint}
        return SimpleNamespace(name="tiny", manifest=manifest, preprocessing=None)  # type: ignore[return-value]

    images = open_training_set(detector(), str(cifake))
    assert images is not None
    assert images.fingerprint == train.fingerprint
    assert open_training_set(detector(), None) is None
    assert open_training_set(detector(fingerprint=None), str(cifake)) is None
    few = train.limited(30)
    limited = open_training_set(detector(few.name, few.fingerprint), str(cifake))
    assert limited is not None
    assert limited.rows["name"].tolist() == few.rows["name"].tolist()
    with pytest.raises(NeighbourError, match="are not those that tiny was trained on"):
        open_training_set(detector(fingerprint="0" * 64), str(cifake))
    assert find_training_set(detector(fingerprint="0" * 64), str(cifake)) is None
    assert is_sample({"training_set": "sample-train"})
    assert not is_sample(detector().manifest)
