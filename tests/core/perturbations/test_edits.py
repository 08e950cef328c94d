"""Edits of values against Pillow, scipy and arithmetic; blocks, places and turns against loops."""

from itertools import product

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageEnhance
from scipy import ndimage

from core.images.encoding import compressed
from core.perturbations import edits
from core.perturbations.frequency import scrambled, spectra_of
from core.perturbations.probe import BLOCKS, Chance, block_side
from tests.conftest import noise, resaved


def pillow(pixels, enhance, factor):
    """Pillow's own enhancement of each image."""
    return np.stack([np.asarray(enhance(Image.fromarray(image)).enhance(factor)) for image in pixels])


def close(ours, theirs, levels=1):
    """Equal but for rounding."""
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= levels


@pytest.mark.parametrize("factor", [0, 0.5, 1.5])
def test_saturation_and_contrast_are_pillows(pixels, factor):
    close(edits.saturated(pixels, factor), pillow(pixels, ImageEnhance.Color, factor), 2)
    close(edits.contrasted(pixels, factor), pillow(pixels, ImageEnhance.Contrast, factor), 2)


@pytest.mark.parametrize("share", [0.5, 1])
def test_brightness_and_chroma_move_alone_and_together_the_whole_mean(pixels, share):
    soft = (60 + pixels // 2).astype(np.uint8)
    donors = np.roll(soft, 1, axis=0)
    weights = [0.299, 0.587, 0.114]
    shift = share * (donors.mean(axis=(1, 2)) - soft.mean(axis=(1, 2)))[:, None, None]
    grey = (shift @ weights)[..., None]
    expected = {edits.with_brightness: grey, edits.with_chroma: shift - grey}
    for change, by in expected.items():
        close(change(soft, donors, share), np.clip(np.rint(soft + by), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("sigma", [0.5, 1, 2])
def test_blur_is_scipys_and_sharpening_its_opposite(pixels, sigma):
    smooth = ndimage.gaussian_filter(pixels.astype(float), (0, sigma, sigma, 0), mode="reflect")
    close(edits.blurred(pixels, sigma), np.rint(smooth).astype(np.uint8))
    if sigma == 1:
        sharp = np.clip(np.rint(1.5 * pixels - 0.5 * smooth), 0, 255).astype(np.uint8)
        close(edits.sharpened(pixels, 0.5), sharp)


@pytest.mark.parametrize("quality", [95, 30])
def test_compression_is_pillows_jpeg(pixels, quality):
    for image, after in zip(pixels, compressed(pixels, quality), strict=True):
        assert_array_equal(after, resaved(image, "JPEG", quality=quality))


def test_the_size_of_a_change_is_its_root_mean_square(pixels):
    other = np.roll(pixels, 1, axis=0)
    expected = np.sqrt(((pixels.astype(float) - other) ** 2).mean(axis=(1, 2, 3)))
    assert_allclose(edits.rms(other, pixels), expected, rtol=1e-5)


def places(side, block):
    """Where each block lies, row by row."""
    starts = range(0, side // block * block, block)
    return [(slice(y, y + block), slice(x, x + block)) for y in starts for x in starts]


def orders_of(side, block):
    """An order of the blocks for each of two images."""
    return np.stack([np.random.default_rng(seed).permutation((side // block) ** 2) for seed in range(2)])


@pytest.mark.parametrize("side", [8, 10, 15, 28, 36, 47, 63])
@pytest.mark.parametrize("parts", BLOCKS)
def test_every_block_moves_to_the_place_of_the_next_in_its_order(side, parts):
    pixels = noise(3, side, side)
    orders, block = Chance.of(["a", "b", "c"], side=side).orders[parts], block_side(side, parts)
    moved, turned, where = pixels.copy(), pixels.copy(), places(side, block)
    for row, order in enumerate(orders):
        assert sorted(order) == list(range(len(where)))
        for own, following in zip(order, np.roll(order, -1), strict=True):
            assert own != following
            moved[row][where[following]] = pixels[row][where[own]]
            turned[row][where[own]] = np.rot90(pixels[row][where[own]], 2)
    assert_array_equal(edits.shuffled(pixels, block, orders), moved)
    assert_array_equal(edits.rotated_in_blocks(pixels, block), turned)


def poisson(image, cut):
    """The image whose gradients are closest to an image's, those across cuts being zero, by least squares."""
    side = len(image)
    steps = np.diff(np.eye(side), axis=0)
    within = steps * (np.arange(1, side) % cut > 0)[:, None]

    def gradients(steps):
        # and the mean, which gradients leave open
        along = (np.kron(np.eye(side), steps), np.kron(steps, np.eye(side)))
        return np.vstack([*along, np.full((1, side**2), 1 / side**2)])

    solution = np.linalg.lstsq(gradients(steps), gradients(within) @ image.reshape(-1, 3), rcond=None)[0]
    return solution.reshape(image.shape)


@pytest.mark.parametrize("side, block", [(16, 4), (16, 8), (15, 4)])
def test_blocks_without_seams_solve_the_poisson_equation(side, block):
    pixels = noise(2, side, side) // 5 + 100
    for order in (orders_of(side, block), None):
        cut = pixels if order is None else edits.shuffled(pixels, block, order)
        found = edits.without_seams(pixels, block, order)
        for image, after in zip(cut, found, strict=True):
            assert_allclose(after, np.clip(poisson(image, block), 0, 255), atol=0.51)
        assert_allclose(found.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)), atol=0.1)


def faded(image, block, order):
    """Cross-faded blocks, pixel by pixel: each reaches into its neighbours and loses weight linearly there."""
    side, reach = len(image), max(1, block // 4)
    count, around = side // block, np.pad(image, ((reach, reach), (reach, reach), (0, 0)), "symmetric").astype(float)
    total, weights = np.zeros(image.shape), np.zeros((side, side, 1))
    sources = np.arange(count**2)
    if order is not None:
        sources[np.roll(order, -1)] = order
    offsets = range(-reach, block + reach)
    weight = {at: min(1, (at + reach + 0.5) / (2 * reach), (block + reach - at - 0.5) / (2 * reach)) for at in offsets}
    for target, source in enumerate(sources):
        for down, right in product(offsets, offsets):
            y, x = target // count * block + down, target % count * block + right
            if min(y, x) >= 0 and max(y, x) < count * block:
                # in its own place a block is turned
                from_y, from_x = (down, right) if order is not None else (block - 1 - down, block - 1 - right)
                colour = around[source // count * block + from_y + reach, source % count * block + from_x + reach]
                total[y, x] += weight[down] * weight[right] * colour
                weights[y, x] += weight[down] * weight[right]
    return np.where(weights > 0, total / np.maximum(weights, 1e-9), image)


@pytest.mark.parametrize("side, block", [(16, 4), (16, 8), (13, 2)])
def test_cross_faded_blocks_are_those_of_a_sum_pixel_by_pixel(side, block):
    pixels = noise(2, side, side)
    for given in (orders_of(side, block), [None, None]):
        expected = [faded(image, block, order) for image, order in zip(pixels, given, strict=True)]
        found = edits.cross_faded(pixels, block, given if given[0] is not None else None)
        assert_allclose(found, expected, atol=0.501)


@pytest.mark.parametrize("side", [8, 20, 32, 40])
def test_places_are_eighths_of_the_side_and_frames_a_sixteenth_thick(side):
    rows, columns = np.indices((side, side))
    area = edits.place_mask((4, 8, 1, 3), side=side)
    inside = (side // 2 <= rows) & (side // 8 <= columns) & (columns < 3 * side // 8)
    assert_array_equal(area, inside)
    depth = np.minimum(np.minimum(rows, side - 1 - rows), np.minimum(columns, side - 1 - columns))
    width = {8: 1, 20: 1, 32: 2, 40: 2}[side]
    for inset, start in ((0, 0), (1 / 32, 1), (1 / 8, side // 8)):
        assert_array_equal(edits.frame_mask(inset, side=side), (start <= depth) & (depth < start + width))


@pytest.mark.parametrize("place", [(2, 6, 2, 6), (4, 8, 0, 4)])
def test_a_covered_place_keeps_its_mean_and_texture_its_contrast(pixels, place):
    soft = (pixels // 2 + 60).astype(np.uint8)
    mask = edits.place_mask(place, side=32)
    noise = np.random.default_rng(0).standard_normal((len(soft), 32, 32)).astype(np.float32)
    flat = edits.hidden(soft, mask)
    textured = edits.hidden(soft, mask, scrambled(spectra_of(soft), noise))
    means = soft[:, mask].mean(axis=1, keepdims=True)
    assert_array_equal(flat, np.where(mask[..., None], np.rint(means)[:, None], soft))
    assert_array_equal(textured[:, ~mask], soft[:, ~mask])
    assert_allclose(textured[:, mask].mean(axis=1, keepdims=True), means, atol=0.6)
    assert_allclose(textured[:, mask].std(axis=1), soft[:, mask].std(axis=1), rtol=0.05, atol=0.5)
    assert (textured[:, mask] != soft[:, mask]).mean() > 0.5
    # a texture without contrast
    assert_array_equal(edits.hidden(soft, mask, np.full(soft.shape, 77, np.float32)), flat)
