"""Statistics are Pillow's; near copies have imagehash's hashes, and are those that comparing all with all finds."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageStat
from scipy import ndimage

from core.images import statistics
from core.images.decoding import decode
from core.images.statistics import (
    STATISTICS,
    close_hashes,
    fine_detail,
    frequency_radius,
    image_statistics,
    near_pairs,
    perceptual_hashes,
)
from tests.conftest import jpeg


def test_facts_match_pillow(pixels, monkeypatch):
    monkeypatch.setattr(statistics, "AT_ONCE", 5 * 32 * 32)
    facts = image_statistics(pixels)
    assert list(facts) == [name for name in STATISTICS if name != "file_bytes"]
    for index in (0, 13):
        image = Image.fromarray(pixels[index])
        channels = facts.loc[index, ["red", "green", "blue"]].tolist()
        assert channels == pytest.approx(ImageStat.Stat(image).mean, abs=1e-3)
        luma = ImageStat.Stat(image.convert("L"))
        assert facts.loc[index, "brightness"] == pytest.approx(luma.mean[0], abs=0.6)
        assert facts.loc[index, "contrast"] == pytest.approx(luma.stddev[0], abs=0.6)


@pytest.mark.parametrize("cycles, fine", [(3, 0.0), (8, 0.0), (9, 1.0), (15, 1.0)])
def test_fine_detail_of_a_single_wave(cycles, fine):
    wave = 128 + 50 * np.sin(2 * np.pi * cycles * np.arange(32) / 32)
    luma = np.broadcast_to(wave, (1, 32, 32)).astype(np.float32)
    assert fine_detail(luma)[0] == pytest.approx(fine, abs=1e-4)


def test_a_large_white_image_is_white():
    facts = image_statistics(np.full((1, 512, 512, 3), 255, np.uint8))
    assert facts[["red", "green", "blue"]].to_numpy().tolist() == [[255, 255, 255]]


@pytest.mark.parametrize("side", [32, 98, 392])
def test_frequencies_are_whole_whatever_the_side(side):
    assert frequency_radius(side)[0, : side // 2].tolist() == list(range(side // 2))


def scenes(n):
    """uint8 (n, 32, 32, 3): pictures with large and small shapes, all different."""
    generator = np.random.default_rng(0)
    layers = [
        ndimage.gaussian_filter(generator.normal(0, 1, (n, 32, 32, 3)), (0, sigma, sigma, 0)) * sigma * 40
        for sigma in (1, 2, 4)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def test_close_pairs_are_those_of_comparing_all_with_all():
    generator = np.random.default_rng(0)
    base = generator.integers(0, 2**63, 60, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in generator.choice(64, k, replace=False)) for k in range(12) for _ in range(5)]
    hashes = np.concatenate([base, base ^ np.array(flips, np.uint64), base[:5]])
    distances = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = np.where(np.triu(distances <= 8, 1), distances, 99)
    left, right, bits = close_hashes(hashes)
    found = np.full_like(expected, 99)
    found[left, right] = bits
    assert_array_equal(found, expected)
    assert len(left) == (expected < 99).sum() >= 5
    assert len(close_hashes(hashes[:0])[0]) == 0


def test_small_changes_are_found_and_other_pictures_are_not():
    pixels = scenes(60)
    changed = [
        decode(jpeg(pixels[3], 60)),
        np.clip(pixels[10].astype(int) + 25, 0, 255).astype(np.uint8),
        np.clip(ndimage.gaussian_filter(pixels[20].astype(float), (0.6, 0.6, 0)), 0, 255).astype(np.uint8),
        np.clip((pixels[30].astype(float) - 128) * 0.6 + 128, 0, 255).astype(np.uint8),
    ]
    found = near_pairs((stack := np.concatenate([pixels, changed])).__getitem__, perceptual_hashes(stack))
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == {(3, 60), (10, 61), (20, 62), (30, 63)}
    luma = stack.astype(np.float64) @ [0.299, 0.587, 0.114]
    for left, right, correlation in zip(found.left, found.right, found.correlation, strict=True):
        assert correlation == pytest.approx(np.corrcoef(luma[left].ravel(), luma[right].ravel())[0, 1], abs=1e-4)


@pytest.mark.parametrize("bits, correlation, is_near", [(8, 0.903, True), (8, 0.897, False), (10, 0.93, False)])
def test_a_near_copy_has_at_most_8_other_bits_and_a_correlation_of_at_least_09(bits, correlation, *, is_near):
    # orthogonal, so that the correlation is exact but for whole grey levels
    noise = np.linalg.qr(np.random.default_rng(0).normal(0, 1, (1024, 3)) * [0, 1, 1] + [1, 0, 0])[0].T[1:] * 32
    first, other = noise.reshape(2, 32, 32)
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    pixels = np.clip(128 + 25 * np.stack([first, second])[..., None].repeat(3, axis=3), 0, 255).astype(np.uint8)
    hashes = np.array([0, 2**bits - 1], np.uint64)
    assert len(near_pairs(pixels.__getitem__, hashes).left) == is_near


def test_flat_pictures_are_no_copies():
    flat = np.stack([np.full((32, 32, 3), level, np.uint8) for level in (90, 91, 200)])
    assert len(near_pairs(flat.__getitem__, perceptual_hashes(flat)).left) == 0
