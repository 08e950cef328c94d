"""Noisy linear imputation against pytorch-grad-cam's numbers, and against a system that is written down naively."""

import numpy as np
import pytest
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from core.perturbations import masking as road
from core.perturbations.masking import impute, mask_batch

# red of pytorch_grad_cam.metrics.road.NoisyLinearImputer(noise=0), grad-cam 1.5.7, where `removed_of(8)` is True
GRAD_CAM = [
    137.230, 123.586, 88.054, 84.779, 52.656, 43.991, 144.488, 93.632, 80.156, 77.883, 47.822, 154.430, 99.943, 66.506,
    95.314, 97.938, 154.733, 108.403, 72.244, 140.960, 112.418, 97.626, 123.330, 149.716, 114.405, 97.189, 184.242,
    175.564, 116.794, 186.592, 189.171, 152.799, 118.018, 90.979, 165.124, 181.701,
]  # fmt: skip
NEIGHBOURS = {(y, x): 1 / 6 if 0 in (y, x) else 1 / 12 for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)}


def image_of(side: int) -> np.ndarray:
    """Noise."""
    return np.random.default_rng(3).integers(0, 256, (side, side, 3)).astype(np.uint8)


def naive(image: np.ndarray, removed: np.ndarray) -> np.ndarray:
    """One equation after the other, solved by SuperLU; neighbours outside of the image are left out."""
    places = [tuple(one) for one in np.argwhere(removed)]
    system, right = lil_matrix((len(places), len(places))), np.zeros((len(places), 3))
    for number, (y, x) in enumerate(places):
        for (down, across), weight in NEIGHBOURS.items():
            there = (y + down, x + across)
            if not (0 <= there[0] < len(image) and 0 <= there[1] < len(image)):
                continue
            system[number, number] += weight
            if removed[there]:
                system[number, places.index(there)] -= weight
            else:
                right[number] += weight * image[there]
    solved = image.astype(float)
    solved[removed] = spsolve(system.tocsc(), right)
    return solved


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No noise."""
    monkeypatch.setattr(road, "NOISE", 0.0)


@pytest.mark.usefixtures("quiet")
def test_the_numbers_are_those_of_pytorch_grad_cam() -> None:
    generator = np.random.default_rng(3)
    image = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    generator.random((8, 8))
    removed = generator.random((8, 8)) < 0.6
    np.testing.assert_allclose(impute(image, removed[None])[0][removed, 0], GRAD_CAM, atol=0.501)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("side", [5, 32])
def test_many_masks_at_once_are_those_of_one_system_after_the_other(side: int) -> None:
    image = image_of(side)
    removed = np.random.default_rng(1).random((4, side, side)) < np.array([0.1, 0.5, 0.9, 0.0])[:, None, None]
    removed[0, : side // 2] = True
    found = impute(image, removed)
    for one, mask in zip(found, removed, strict=True):
        np.testing.assert_allclose(one[mask], naive(image, mask)[mask], atol=0.501)
        np.testing.assert_array_equal(one[~mask], image[~mask])


def test_noise_is_small_seeded_and_where_it_was_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    image, removed = image_of(32), np.ones((2, 32, 32), bool)
    removed[:, 10:20] = False
    one, other = impute(image, removed, seed=5), impute(image, removed, seed=6)
    np.testing.assert_array_equal(one[0], one[1])
    assert (one != other)[removed].mean() > 0.5
    monkeypatch.setattr(road, "NOISE", 0.0)
    moved = one.astype(float) - impute(image, removed)
    assert 2.2 < moved[removed].std() < 2.9
    assert not moved[~removed].any()


def test_with_nothing_left_it_is_the_mean_colour() -> None:
    image = image_of(16)
    found = impute(image, np.ones((1, 16, 16), bool))[0].astype(float)
    np.testing.assert_allclose(found.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1)
    assert found.std(axis=(0, 1)).max() < 3


def test_as_a_fill_it_looks_at_what_is_kept() -> None:
    image, segments = image_of(8), np.arange(64).reshape(8, 8) // 16
    keep = np.array([[True, False, True, True], [True, False, False, True]])
    found = mask_batch(image, segments, keep=keep, fill="road", seed=2)
    np.testing.assert_array_equal(found, impute(image, ~keep[:, segments], seed=2))
    assert (found[0] != found[1])[segments == 1].any()
