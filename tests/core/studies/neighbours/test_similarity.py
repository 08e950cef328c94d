"""Features of training images: computed once, kept sealed, resumed after a stop; and neighbours among them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.detectors.detector import Detector, Pass
from core.detectors.resnet import ResNetDetector
from core.images.image_set import ImageSet
from core.images.loading import load_image_set
from core.runs.run import read_run
from core.storage import MANIFEST, sibling
from core.studies.neighbours import reference as neighbours
from core.studies.neighbours.reference import (
    NeighbourError,
    Reference,
    compute_features,
    count_kept,
    features_path,
    is_sample,
    open_training_set,
    read_features,
    run_reference,
)
from core.studies.neighbours.similarity import Neighbours, find_neighbours
from core.studies.source import Source
from tests.conftest import make_detector
from tests.core.studies.conftest import made_set
from tests.core.studies.conftest import source as source  # noqa: PLC0414 - a fixture


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "BLOCK", 16)


@pytest.fixture
def images() -> ImageSet:
    return made_set()


def kept(detector: Detector, images: ImageSet) -> Reference:
    """The features, computed and read again."""
    assert list(compute_features(detector, images))[-1] == 1
    found = read_features(detector.cache_key, images.fingerprint, images=images)
    assert found is not None
    return found


def test_what_is_kept_is_what_the_detector_computes(tiny_detector: Detector, images: ImageSet) -> None:
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
    found = kept(tiny_detector, images)
    expected = tiny_detector.full_pass(images.pixels)
    np.testing.assert_allclose(found.features, expected.features, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(found.margins, expected.margins, atol=1e-4)
    assert found.rows["id"].tolist() == images.rows["id"].tolist()
    assert found.features.dtype == np.float16
    assert (found.name, found.is_training, len(found)) == ("made-test", True, 60)
    assert not list(features_path("", "").parent.glob("*.part"))


def test_a_stopped_computation_goes_on_where_it_was(
    tiny_detector: Detector, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    full_pass = ResNetDetector.full_pass

    def counted(self: Detector, pixels: NDArray[np.uint8], **more: object) -> object:
        seen.append(len(pixels))
        return full_pass(self, pixels, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(ResNetDetector, "full_pass", counted)
    shares = list(compute_features(tiny_detector, images, stop=lambda: len(seen) > 2))
    assert shares == [16 / 60, 32 / 60]
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
    seen.clear()
    kept(tiny_detector, images)
    assert sum(seen) == 28


def test_a_damaged_block_is_computed_again(tiny_detector: Detector, images: ImageSet) -> None:
    steps = compute_features(tiny_detector, images)
    next(steps)
    steps.close()
    block = next(features_path(tiny_detector.cache_key, images.fingerprint).parent.glob("*.part/*.npz"))
    block.write_bytes(block.read_bytes()[:100])
    expected = tiny_detector.full_pass(images.pixels).margins
    np.testing.assert_allclose(kept(tiny_detector, images).margins, expected, atol=1e-4)


def test_features_that_were_changed_or_belong_to_others_are_not_there(
    tiny_detector: Detector, images: ImageSet
) -> None:
    kept(tiny_detector, images)
    assert read_features(make_detector(seed=1).cache_key, images.fingerprint) is None
    assert read_features(tiny_detector.cache_key, "0" * 64) is None
    file = features_path(tiny_detector.cache_key, images.fingerprint) / "features.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
    # and computing them again mends it
    kept(tiny_detector, images)


def test_features_are_those_of_their_images_though_the_set_comes_in_another_order(
    tiny_detector: Detector, images: ImageSet
) -> None:
    expected = kept(tiny_detector, images)
    order = np.random.default_rng(0).permutation(len(images))
    turned = images.subset(order)
    found = read_features(tiny_detector.cache_key, turned.fingerprint, images=turned)
    assert found is not None
    assert found.rows["id"].tolist() == turned.rows["id"].tolist()
    np.testing.assert_array_equal(found.features, expected.features[order])
    np.testing.assert_array_equal(found.margins, expected.margins[order])
    np.testing.assert_array_equal(found.pixels, turned.pixels)


def test_only_finished_features_are_counted(tiny_detector: Detector, images: ImageSet) -> None:
    shares = compute_features(tiny_detector, images)
    next(shares)
    # a folder that is being sealed has its manifest already
    sealing = sibling(features_path(tiny_detector.cache_key, images.fingerprint))
    sealing.mkdir()
    (sealing / MANIFEST).touch()
    assert count_kept() == 0
    assert list(shares)[-1] == 1
    assert count_kept() == 1


def test_features_that_half_precision_cannot_hold_stay_finite_and_have_neighbours(
    tiny_detector: Detector, images: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_pass = ResNetDetector.full_pass

    def loud(self: ResNetDetector, pixels: NDArray[np.uint8], **more: object) -> Pass:
        found = full_pass(self, pixels, **more)  # type: ignore[arg-type]
        return found._replace(features=1e6 * found.features)  # type: ignore[operator]

    def near(reference: Reference) -> list[float]:
        found = find_neighbours(reference, reference.features[7], float(reference.margins[7]), k=5).near
        assert found[0].id == images.rows["id"][7]
        return [one.distance for one in found]

    expected = near(kept(tiny_detector, images))
    monkeypatch.setattr(ResNetDetector, "full_pass", loud)
    reference = kept(tiny_detector, images)
    assert np.isfinite(reference.features).all()
    assert reference.features.max() > np.finfo(np.float16).max
    # a feature's length says nothing
    np.testing.assert_allclose(near(reference), expected, atol=1e-4)


def test_neighbours_are_the_nearest_with_their_labels(tiny_detector: Detector, images: ImageSet) -> None:
    reference = kept(tiny_detector, images)
    row = 7
    features = reference.features[row].astype(np.float32)
    margin = float(reference.margins[row])
    found = find_neighbours(reference, features, margin, k=5, leave_out=str(images.rows["sha256"][row]))
    unit = reference.features.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1)[:, None]
    distances = 1 - unit @ unit[row]
    distances[row] = np.inf
    nearest = np.argsort(distances)[:5]
    assert [one.id for one in found.near] == images.rows["id"][nearest].tolist()
    np.testing.assert_allclose([one.distance for one in found.near], distances[nearest], atol=1e-5)
    for one, position in zip(found.near, nearest, strict=True):
        assert one.label == ("FAKE", "REAL")[images.rows["label"][position]]
        assert one.predicted == ("FAKE", "REAL")[int(reference.margins[position] > 0)]
        np.testing.assert_array_equal(one.image, images.pixels[position])
    assert found.candidates == 59
    # with itself allowed it is its own nearest
    assert find_neighbours(reference, features, margin, k=1).near[0].id == images.rows["id"][row]


def test_the_nearest_of_the_other_verdict_is_of_the_other_verdict(images: ImageSet) -> None:
    margins = np.where(np.arange(60) % 3 == 0, 1, -1).astype(np.float32)
    features = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float16)
    reference = Reference("made-train", features, margins, images.rows)
    for row in range(6):
        found = find_neighbours(reference, features[row], float(margins[row]))
        assert found.other is not None
        assert found.other.predicted != found.verdict
        assert found.other.image is None
    alone = replace(reference, margins=np.ones(60, np.float32))
    assert find_neighbours(alone, features[0], 1.0).other is None


@pytest.mark.parametrize(
    ("real", "verdict", "words"),
    [
        (10, "REAL", "All 10 training images that are most alike to it are REAL, as it calls this image."),
        (0, "FAKE", "All 10 training images that are most alike to it are FAKE, as it calls this image."),
        (7, "REAL", "7 are REAL, as it calls this image"),
        (7, "FAKE", "3 are FAKE, fewer than the other class"),
        (5, "FAKE", "5 are FAKE, as many as of the other class"),
    ],
)
def test_the_sentence_counts_labels(images: ImageSet, real: int, verdict: str, words: str) -> None:
    rows = images.rows.iloc[:10].assign(label=(np.arange(10) < real).astype(np.uint8))
    reference = Reference("made-train", np.eye(10, dtype=np.float16), np.ones(10, np.float32), rows)
    found = find_neighbours(reference, np.ones(10, np.float32), 1.0 if verdict == "REAL" else -1.0)
    assert words in found.sentence
    assert "training images" in found.sentence
    own = replace(found, is_training=False)
    assert "images of this run" in own.sentence
    nobody = Neighbours((), None, verdict, "made", 0, True)
    assert "no other training images" in nobody.sentence


def test_a_runs_own_images_stand_in(source: Source) -> None:
    run = read_run(source.run)
    context = source.open()
    features = context.detector.full_pass(context.pixels).features
    reference = run_reference(run, features)
    assert not reference.is_training
    labels = np.array(["FAKE", "REAL"])[reference.rows["label"].to_numpy()]
    np.testing.assert_array_equal(labels, run.predictions["label"].astype(str))
    found = find_neighbours(reference, features[3], float(reference.margins[3]), k=1)
    assert found.near[0].id == run.predictions["id"][3]
    loud = run_reference(run, 1e6 * features)
    assert np.isfinite(loud.features).all()
    found = find_neighbours(loud, 1e6 * features[3], float(loud.margins[3]), k=1)
    assert found.near[0].id == run.predictions["id"][3]
    with pytest.raises(NeighbourError, match="kept no features"):
        run_reference(replace(run, features=None))


def test_the_training_set_is_the_one_of_the_manifest(cifake: Path) -> None:
    train = load_image_set(cifake, "train")
    manifest = {"name": "tiny", "training_set": "cifake-train", "training_set_fingerprint": train.fingerprint}
    found = open_training_set(manifest, str(cifake))
    assert found is not None
    assert found.fingerprint == train.fingerprint
    assert open_training_set(manifest, None) is None
    assert open_training_set({}, str(cifake)) is None
    few = train.limited(30)
    limited = open_training_set({"training_set": few.name, "training_set_fingerprint": few.fingerprint}, str(cifake))
    assert limited is not None
    assert limited.rows["name"].tolist() == few.rows["name"].tolist()
    with pytest.raises(NeighbourError, match="are not those that tiny was trained on"):
        open_training_set({**manifest, "training_set_fingerprint": "0" * 64}, str(cifake))
    assert is_sample({"training_set": "sample-train"})
    assert not is_sample(manifest)


def test_two_at_once_keep_whole_features(tiny_detector: Detector, images: ImageSet) -> None:
    # whichever seals its features first deletes the other's blocks
    slow = compute_features(tiny_detector, images)
    next(slow)
    list(compute_features(tiny_detector, images))
    assert list(slow)[-1] == 1
    found = read_features(tiny_detector.cache_key, images.fingerprint)
    assert found is not None
    np.testing.assert_allclose(found.margins, tiny_detector.full_pass(images.pixels).margins, atol=1e-4)


def test_features_without_a_row_each_are_not_there(tiny_detector: Detector, images: ImageSet) -> None:
    whole = tiny_detector.full_pass(images.pixels)
    short = {"features": whole.features[:16].astype(np.float16), "margins": whole.margins[:16]}
    neighbours._seal(features_path(tiny_detector.cache_key, images.fingerprint), tiny_detector.cache_key, images, short)
    assert read_features(tiny_detector.cache_key, images.fingerprint) is None
