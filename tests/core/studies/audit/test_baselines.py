"""The regressions beside the network: scikit-learn step by step, no image judged by a fit that has seen it."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from core.studies.audit.baselines import fit_and_ask, radial_spectrum
from core.studies.study import StudyError

SIZE = 120


@pytest.fixture
def labels() -> NDArray[np.bool_]:
    return np.asarray(np.arange(SIZE) % 3 == 0)


def planted(labels: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """(N, 4), of which the first is higher in REAL images."""
    found = np.random.default_rng(seed).normal(size=(len(labels), 4)) * [1, 100, 0.01, 5] + [0, 7, 0, 0]
    found[:, 0] += 2 * labels
    return np.asarray(found, np.float64)


def test_fitted_on_training_images_it_is_a_regression_on_their_scale(labels: NDArray[np.bool_]) -> None:
    learned, asked = planted(labels, 0), planted(labels, 1)
    found = fit_and_ask(asked, labels, learned, labels)
    mean, spread = learned.mean(axis=0), learned.std(axis=0)
    plain = LogisticRegression(max_iter=1000).fit((learned - mean) / spread, labels)
    np.testing.assert_allclose(found.scores, plain.decision_function((asked - mean) / spread), rtol=1e-6)
    assert (found.on, found.crossed) == (SIZE, False)
    assert roc_auc_score(labels, found.scores) > 0.8


def test_without_training_images_nobody_judges_himself(labels: NDArray[np.bool_]) -> None:
    """Each image has a column of its own, by which a fit that has seen it would know it."""
    noise = np.random.default_rng(2).normal(size=(SIZE, 4))
    own = np.hstack([noise, 10 * np.eye(SIZE)])
    found = fit_and_ask(own, labels)
    assert found.crossed
    assert found.on == SIZE
    assert abs(roc_auc_score(labels, found.scores) - 0.5) < 0.15
    seen = fit_and_ask(own, labels, own, labels)
    assert roc_auc_score(labels, seen.scores) == 1


def test_what_tells_the_classes_apart_is_found_and_labels_by_lot_are_not(labels: NDArray[np.bool_]) -> None:
    points = planted(labels, 3)
    assert roc_auc_score(labels, fit_and_ask(points, labels).scores) > 0.8
    shuffled = np.random.default_rng(0).permutation(labels)
    assert abs(roc_auc_score(shuffled, fit_and_ask(points, shuffled).scores) - 0.5) < 0.15
    np.testing.assert_array_equal(fit_and_ask(points, labels).scores, fit_and_ask(points, labels, seed=0).scores)
    assert (fit_and_ask(points, labels).scores != fit_and_ask(points, labels, seed=1).scores).any()


def test_of_larger_images_fewer_are_transformed_at_once_with_the_same_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
    alone = np.concatenate([radial_spectrum(image[None]) for image in pixels])
    counts: list[int] = []
    fft2 = np.fft.fft2

    def counted(luma: NDArray[np.float32]) -> NDArray[np.complexfloating]:
        counts.append(len(luma))
        return fft2(luma)

    monkeypatch.setattr(np.fft, "fft2", counted)
    np.testing.assert_allclose(radial_spectrum(pixels, chunk=8), alone, rtol=1e-5)
    assert counts == [2, 2, 1]


def test_two_of_a_class_are_enough_and_fewer_are_refused_in_words() -> None:
    points = np.random.default_rng(0).normal(size=(20, 3))
    assert np.isfinite(fit_and_ask(points, np.arange(20) < 2).scores).all()
    for real in (0, 1, 19, 20):
        with pytest.raises(StudyError, match=f"two images of each class, and of 20 images {real} are REAL"):
            fit_and_ask(points, np.arange(20) < real)
    with pytest.raises(StudyError, match="of 20 images 0 are REAL"):
        fit_and_ask(points, np.arange(20) < 9, points, np.zeros(20, bool))
