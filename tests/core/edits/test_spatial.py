"""Blocks, places and turns."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.edits import spatial
from core.edits.frequency import scrambled, spectra_of
from core.probes.batch import Chance


def block_set(image: NDArray[np.uint8], side: int) -> list[bytes]:
    """The blocks of an image by slicing, as sorted bytes."""
    return sorted(image[y : y + side, x : x + side].tobytes() for y in range(0, 32, side) for x in range(0, 32, side))


@pytest.mark.parametrize("side", [4, 8, 16])
def test_shuffling_keeps_every_block_and_leaves_none_in_its_place(pixels: NDArray[np.uint8], side: int) -> None:
    noisy = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.uint8)
    chance = Chance.of([str(number) for number in range(len(noisy))], side=32)
    after = spatial.shuffled(noisy, side, chance.orders[32 // side])
    for one, other in zip(noisy, after, strict=True):
        assert block_set(one, side) == block_set(other, side)
        same = [(one[y : y + side, x : x + side] == other[y : y + side, x : x + side]).all()
                for y in range(0, 32, side) for x in range(0, 32, side)]  # fmt: skip
        assert not any(same)


def test_blocks_go_there_and_back(pixels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(spatial.image_of(spatial.blocks_of(pixels, 8)), pixels)
    np.testing.assert_array_equal(spatial.blocks_of(pixels, 8)[:, 5], pixels[:, 8:16, 8:16])


@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_controls_of_shuffling(pixels: NDArray[np.uint8], side: int) -> None:
    turned = spatial.rotated_in_blocks(pixels, side)
    for y in range(0, 32, side):
        for x in range(0, 32, side):
            block = pixels[:, y : y + side, x : x + side]
            np.testing.assert_array_equal(turned[:, y : y + side, x : x + side], np.rot90(block, 2, axes=(1, 2)))
    half = side // 2
    moved = spatial.rolled(pixels, half)
    np.testing.assert_array_equal(moved[:, half:, half:], pixels[:, :-half, :-half])
    np.testing.assert_array_equal(moved[:, :half, half:], pixels[:, -half:, :-half])


@pytest.mark.parametrize("side", [4, 8, 16])
def test_the_control_of_shuffling_has_its_seams_on_all_sides_of_a_block(side: int) -> None:
    """Where the picture is smooth: a jump at every border of blocks, in both directions, nearly as shuffling has."""
    y, x = np.mgrid[:32, :32]
    smooth = np.stack([4 * y + 3 * x, 2 * y + 5 * x, 6 * y + x], axis=-1)[None].astype(np.uint8)

    def jumps(image: NDArray[np.uint8]) -> tuple[float, float]:
        steps = [np.abs(np.diff(image.astype(int), axis=axis)) for axis in (1, 2)]
        return float(steps[0][:, side - 1 :: side].mean()), float(steps[1][:, :, side - 1 :: side].mean())

    orders = Chance.of([str(number) for number in range(200)], side=32).orders[32 // side]
    shuffled = jumps(spatial.shuffled(smooth.repeat(200, axis=0), side, orders))
    seams = jumps(spatial.rotated_in_blocks(smooth, side))
    for mine, theirs, before in zip(seams, shuffled, jumps(smooth), strict=True):
        assert mine > 3 * before
        assert mine > 0.3 * theirs


def test_geometry(pixels: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(spatial.mirrored(pixels)[:, :, 0], pixels[:, :, 31])
    shifted = spatial.shifted(pixels, 1)
    np.testing.assert_array_equal(shifted[:, :, 1:], pixels[:, :, :-1])
    np.testing.assert_array_equal(shifted[:, :, 0], pixels[:, :, 0])
    np.testing.assert_array_equal(spatial.rotated(pixels, 1)[:, 31, 0], pixels[:, 0, 0])
    np.testing.assert_array_equal(spatial.rotated(spatial.rotated(pixels, 1), 3), pixels)


def test_every_place_is_a_quarter_and_the_quarters_make_the_whole() -> None:
    masks = {name: spatial.place_mask(name, side=32) for name in (*spatial.PLACES, "border")}
    assert {name: int(mask.sum()) for name, mask in masks.items()} == dict.fromkeys(spatial.PLACES, 256) | {
        "border": 240
    }
    total = sum(masks[name].astype(int) for name in spatial.PLACES if name != "centre")
    assert (total == 1).all()
    assert masks["top_right"][0, 31]
    assert masks["centre"][8, 8]
    assert not masks["centre"][7, 8]


def test_what_is_spread_is_a_quarter_too_with_one_block_in_each_quarter() -> None:
    masks = spatial.spread_masks(np.random.default_rng(0).random((50, 4)), side=32)
    assert (masks.sum(axis=(1, 2)) == 256).all()
    for rows in (slice(0, 16), slice(16, 32)):
        for columns in (slice(0, 16), slice(16, 32)):
            assert (masks[:, rows, columns].sum(axis=(1, 2)) == 64).all()
    assert len(np.unique(masks.reshape(50, -1), axis=0)) > 20


@pytest.mark.parametrize("side", [48, 50, 33])
def test_on_other_sizes_places_and_blocks_are_the_same_shares(side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, side, side, 3)).astype(np.uint8)
    for name in (*spatial.PLACES, "border"):
        assert spatial.place_mask(name, side=side).mean() == pytest.approx(0.25, abs=0.035)
    masks = spatial.spread_masks(np.random.default_rng(0).random((50, 4)), side=side)
    assert masks.shape == (50, side, side)
    assert masks.mean(axis=(1, 2)) == pytest.approx(0.25, abs=0.04)
    chance = Chance.of(["a", "b", "c", "d"], side=side)
    for parts, orders in chance.orders.items():
        block = side // parts
        after = spatial.shuffled(pixels, block, orders)
        whole = block * parts
        assert after.shape == pixels.shape
        # what is left over at the far ends stays
        np.testing.assert_array_equal(after[:, whole:], pixels[:, whole:])
        np.testing.assert_array_equal(after[:, :, whole:], pixels[:, :, whole:])
        before = {tile.tobytes() for tile in spatial.blocks_of(pixels, block)[0]}
        assert {tile.tobytes() for tile in spatial.blocks_of(after, block)[0]} == before
        assert (after[:, :whole, :whole] != pixels[:, :whole, :whole]).mean() > 0.9
        turned = spatial.rotated_in_blocks(pixels, block)
        np.testing.assert_array_equal(
            turned[:, :block, :block], pixels[:, block - 1 :: -1, block - 1 :: -1][:, :block, :block]
        )


@pytest.mark.parametrize("place", ["centre", "bottom_left", "border"])
def test_a_covered_place_keeps_its_mean_and_texture_its_contrast(pixels: NDArray[np.uint8], place: str) -> None:
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
