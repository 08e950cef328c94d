"""Masks and fills against the lime package, pytorch-grad-cam, scipy and systems that are written down naively."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import gaussian_filter

from core.explainers.segmentation import segment
from core.perturbations import masking
from core.perturbations.masking import FILLS, fill_image, impute, mask_batch
from tests.conftest import noise, textured


@pytest.fixture
def image():
    return textured(1, fine=True, seed=7)[0]


def test_mean_fill_is_the_lime_packages(image):
    segments = segment(image)
    fudged = image.copy()
    for x in np.unique(segments):
        fudged[segments == x] = tuple(np.mean(image[segments == x][:, channel]) for channel in range(3))
    assert_array_equal(fill_image(image, segments, fill="mean"), fudged)


@pytest.mark.parametrize("fill", [fill for fill in FILLS if fill != "road"])
def test_masks_show_the_filling_exactly_where_a_segment_is_not_kept(image, fill):
    segments = segment(image)
    before = image.copy()
    keep = np.random.default_rng(0).random((20, segments.max() + 1)) < 0.5
    keep[0], keep[1] = True, False
    filled = fill_image(image, segments, fill=fill, seed=4)
    masked = mask_batch(image, segments, keep=keep, fill=fill, seed=4)
    assert masked.dtype == np.uint8
    for row, version in zip(keep, masked, strict=True):
        expected = image.copy()
        for number in np.flatnonzero(~row):
            expected[segments == number] = filled[segments == number]
        assert_array_equal(version, expected)
    assert_array_equal(masked[0], image)
    assert_array_equal(masked[1], filled)
    assert_array_equal(image, before)


def test_masks_of_road_are_imputed_and_those_of_chance_depend_on_the_seed(image):
    segments = segment(image, method="grid", n_segments=9)
    keep = np.random.default_rng(0).random((3, 9)) < 0.5
    road_masks = mask_batch(image, segments, keep=keep, fill="road", seed=4)
    assert_array_equal(road_masks, impute(image, ~keep[:, segments], seed=4))
    everything = impute(image, np.ones((1, 32, 32), bool), seed=4)[0]
    assert_array_equal(fill_image(image, segments, fill="road", seed=4), everything)
    for fill in ("texture", "road"):
        masks = [mask_batch(image, segments, keep=keep, fill=fill, **seed) for seed in ({}, {"seed": 0}, {"seed": 1})]
        assert_array_equal(masks[0], masks[1])
        assert (masks[0] != masks[2]).any()


def texture_by_transforms(image, segments, seed):
    """Shuffled texture by Fourier transforms and blurs of the whole image, one segment after the other, unrounded."""
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal(image.shape[:2]))
    phases = (noise / np.abs(noise))[..., None]

    def octaves(values, member):
        bands, rest = [], values
        for sigma in (0.7, 1.4):
            share = gaussian_filter(member.astype(float), (sigma, sigma, 0), mode="constant")
            smooth = gaussian_filter(rest, (sigma, sigma, 0), mode="constant") / np.maximum(share, 1e-12) * member
            bands.append(rest - smooth)
            rest = smooth
        return [*bands, rest]

    def size(values):
        return np.sqrt((values**2).sum(axis=(0, 1)))

    whole = np.zeros(image.shape)
    for number in range(segments.max() + 1):
        y, x = np.nonzero(segments == number)
        member = (segments == number)[..., None]
        plane = np.column_stack([np.ones(len(y)), y, x])
        shading = np.zeros(image.shape)
        shading[y, x] = plane @ np.linalg.lstsq(plane, image[y, x].astype(float), rcond=None)[0]
        deviation = member * (image - shading)
        shuffled = np.fft.irfft2(np.fft.rfft2(deviation, axes=(0, 1)) * phases, s=image.shape[:2], axes=(0, 1)) * member
        shuffled -= member * shuffled.sum(axis=(0, 1)) / member.sum()
        pairs = zip(octaves(deviation, member), octaves(shuffled, member), strict=True)
        shuffled_texture = np.asarray(sum(new * size(own) / size(new) for own, new in pairs))
        whole += shading + shuffled_texture * size(deviation) / size(shuffled_texture)
    return np.clip(whole, 0, 255)


# by small matrices, a few segments at once, or by a transform of the whole image for each larger segment
@pytest.mark.parametrize("largest", [masking.LARGEST, 2000, 0])
@pytest.mark.parametrize("method, asked", [("slic", 30), ("grid", 16), ("grid", 1)])
def test_texture_is_that_of_transforms_of_the_whole_image(image, monkeypatch, method, asked, largest):
    monkeypatch.setattr(masking, "LARGEST", largest)
    segments = segment(image, method=method, n_segments=asked)
    for cut in (image, image[:20, :31]):
        part = np.unique(segments[: len(cut), : cut.shape[1]], return_inverse=True)[1].reshape(cut.shape[:2])
        found = fill_image(cut, part, fill="texture", seed=4)
        assert_allclose(found, texture_by_transforms(cut, part, 4), atol=0.5 + 1e-6)


# red of pytorch_grad_cam.metrics.road.NoisyLinearImputer(noise=0), grad-cam 1.5.7, where `removed_of(8)` is True
GRAD_CAM = [
    137.230, 123.586, 88.054, 84.779, 52.656, 43.991, 144.488, 93.632, 80.156, 77.883, 47.822, 154.430, 99.943, 66.506,
    95.314, 97.938, 154.733, 108.403, 72.244, 140.960, 112.418, 97.626, 123.330, 149.716, 114.405, 97.189, 184.242,
    175.564, 116.794, 186.592, 189.171, 152.799, 118.018, 90.979, 165.124, 181.701,
]  # fmt: skip


def test_the_numbers_are_those_of_pytorch_grad_cam(monkeypatch):
    monkeypatch.setattr(masking, "NOISE", 0.0)
    generator = np.random.default_rng(3)
    image = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    generator.random((8, 8))
    removed = generator.random((8, 8)) < 0.6
    assert_allclose(impute(image, removed[None])[0][removed, 0], GRAD_CAM, atol=0.501)


@pytest.mark.parametrize("side", [32, 96])
def test_the_blur_is_scipys_with_a_sixteenth_of_the_height(side):
    image = noise(side, side)
    found = fill_image(image, np.zeros((side, side), np.int64), fill="blur")
    expected = np.stack([gaussian_filter(image[..., c].astype(float), side / 16) for c in range(3)], axis=-1)
    assert_array_equal(found, np.rint(expected))
