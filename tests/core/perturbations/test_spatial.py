"""Blocks, places and turns."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from core.perturbations import spatial
from core.perturbations.frequency import scrambled, spectra_of
from core.perturbations.probe import BLOCKS, Chance, block_side


@pytest.mark.parametrize("side", [8, 10, 15, 28, 36, 47, 63])
@pytest.mark.parametrize("parts", BLOCKS)
def test_every_block_moves_whatever_the_side(side: int, parts: int) -> None:
    pixels = np.random.default_rng(0).integers(1, 256, (3, side, side, 3)).astype(np.uint8)
    order, block = Chance.of(["a", "b", "c"], side=side).orders[parts], block_side(side, parts)
    after = spatial.shuffled(pixels, block, order)
    moved = spatial.blocks_of(after, block) != spatial.blocks_of(pixels, block)
    assert moved.any(axis=(2, 3, 4)).all()
    # what shuffles anew finds other memory
    np.testing.assert_array_equal(after, spatial.shuffled(pixels, block, order))
    np.testing.assert_array_equal(np.sort(after.reshape(3, -1)), np.sort(pixels.reshape(3, -1)))
    for one, other in zip(spatial.blocks_of(pixels, block), spatial.blocks_of(after, block), strict=True):
        assert sorted(map(np.ndarray.tobytes, one)) == sorted(map(np.ndarray.tobytes, other))
    for joined in (spatial.cross_faded, spatial.without_seams):
        np.testing.assert_array_equal(joined(pixels, block, order), joined(pixels, block, order))
    # faded flat colour is flat colour
    flat = np.full_like(pixels, 90)
    np.testing.assert_array_equal(spatial.cross_faded(flat, block, order), flat)


def poisson(image: NDArray[np.float64], cut: int) -> NDArray[np.float64]:
    """The image whose gradients are closest to an image's, those across cuts being zero, by a sparse solver."""
    side = len(image)
    number = np.arange(side * side).reshape(side, side)
    rows, wanted = [], []
    for axis in (0, 1):
        for at in range(side - 1):
            one, other = (np.take(number, place, axis) for place in (at, at + 1))
            step = sparse.coo_array(
                (np.r_[np.ones(side), -np.ones(side)], (np.r_[:side, :side], np.r_[other, one])), (side, side * side)
            )
            rows.append(step)
            difference = image.ravel()[other] - image.ravel()[one]
            wanted.append(np.zeros(side) if (at + 1) % cut == 0 else difference)
    # gradients leave the mean open
    rows.append(sparse.coo_array(np.ones((1, side * side)) / side**2))
    wanted.append([image.mean()])
    gradients, right = sparse.vstack(rows).tocsc(), np.concatenate(wanted)
    return np.asarray(spsolve((gradients.T @ gradients).tocsc(), gradients.T @ right)).reshape(side, side)


@pytest.mark.parametrize(("side", "block"), [(16, 4), (16, 8), (15, 4)])
def test_blocks_without_seams_solve_the_poisson_equation(side: int, block: int) -> None:
    pixels = np.random.default_rng(0).integers(100, 156, (2, side, side, 3)).astype(np.uint8)
    orders = np.stack([np.random.default_rng(seed).permutation((side // block) ** 2) for seed in range(2)])
    for order in (orders, None):
        cut = pixels if order is None else spatial.shuffled(pixels, block, orders)
        found = spatial.without_seams(pixels, block, order)
        for image, after in zip(cut, found, strict=True):
            for channel in range(3):
                expected = poisson(image[..., channel].astype(float), block)
                np.testing.assert_allclose(after[..., channel], np.clip(expected, 0, 255), atol=0.51)
        np.testing.assert_allclose(found.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)), atol=0.1)


@pytest.mark.parametrize(("side", "block"), [(32, 4), (32, 16), (50, 12)])
def test_cross_faded_blocks_are_the_shuffled_ones_but_for_their_edges(side: int, block: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3)).astype(np.uint8)
    orders, reach = Chance.of(["a", "b", "c"], side=side).orders[side // block], max(1, block // 4)
    within = np.arange(side) % block
    kept, whole = (within >= reach) & (within < block - reach), side // block * block
    for order, hard in (
        (orders, spatial.shuffled(pixels, block, orders)), (None, spatial.rotated_in_blocks(pixels, block))
    ):  # fmt: skip
        after = spatial.cross_faded(pixels, block, order)
        np.testing.assert_array_equal(after[:, kept][:, :, kept], hard[:, kept][:, :, kept])
        np.testing.assert_array_equal(after[:, whole:], pixels[:, whole:])
        assert (after != hard).any()


def test_geometry(pixels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(spatial.shifted(pixels, 1)[:, :, 1:], pixels[:, :, :-1])
    np.testing.assert_array_equal(spatial.rotated(pixels, 1)[:, 31, 0], pixels[:, 0, 0])


@pytest.mark.parametrize("place", [(2, 6, 2, 6), (4, 8, 0, 4)])
def test_a_covered_place_keeps_its_mean_and_texture_its_contrast(
    pixels: NDArray[np.uint8], place: tuple[int, int, int, int]
) -> None:
    soft = (pixels // 2 + 60).astype(np.uint8)
    mask = spatial.place_mask(place, side=32)
    noise = np.random.default_rng(0).standard_normal((len(soft), 32, 32)).astype(np.float32)
    flat = spatial.hidden(soft, mask)
    textured = spatial.hidden(soft, mask, scrambled(spectra_of(soft), noise))
    for after in (flat, textured):
        np.testing.assert_array_equal(after[:, ~mask], soft[:, ~mask])
        np.testing.assert_allclose(after[:, mask].mean(axis=1), soft[:, mask].mean(axis=1), atol=0.6)
    assert (np.ptp(flat[:, mask], axis=1) == 0).all()
    np.testing.assert_allclose(textured[:, mask].std(axis=1), soft[:, mask].std(axis=1), rtol=0.05, atol=0.5)
    assert (textured[:, mask] != soft[:, mask]).mean() > 0.5
