"""Versions of images: what each keeps and what it takes away, by independent means."""

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from core.cues.versions import NOTHING, VERSIONS, make_version, mean_amplitude
from tests.conftest import make_set

GENERATOR = np.random.default_rng(0)
PIXELS = np.clip(GENERATOR.normal(120, 30, (6, 32, 32, 3)), 30, 225).astype(np.uint8)
IMAGES = make_set(PIXELS, digests=[f"{number:016x}{0:048x}" for number in range(11, 17)])
AMPLITUDE = mean_amplitude(PIXELS)


def made(name, images=IMAGES):
    """A version of the images."""
    return make_version(name, images, AMPLITUDE)


def spectrum(pixels):
    return fft.fft2(pixels.astype(float), axes=(1, 2))


@pytest.mark.parametrize("name", VERSIONS)
def test_an_image_is_the_same_whatever_stands_beside_it(name):
    whole = made(name)
    assert whole.dtype == np.uint8
    assert whole.shape == PIXELS.shape
    assert (whole[2:4] == made(name, IMAGES.subset(np.arange(2, 4)))).all()


@pytest.mark.parametrize("name, kept", [("low-8", "coarse"), ("high-8", "fine")])
def test_passes_keep_one_side_of_the_spectrum(name, kept):
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(32) * 32, np.fft.fftfreq(32) * 32))
    power = np.abs(spectrum(made(name))) ** 2
    before = np.abs(spectrum(PIXELS)) ** 2
    for band, is_kept in (((radius > 0) & (radius <= 7), kept == "coarse"), (radius > 9, kept == "fine")):
        share = power[:, band].sum() / before[:, band].sum()
        assert share > 0.95 if is_kept else share < 0.02
    if kept == "fine":
        assert np.allclose(made(name).mean(axis=(1, 2)), NOTHING, atol=1)


def test_grey_and_mean_colours_are_those_of_pillow():
    grey = [np.asarray(Image.fromarray(image).convert("L"), int) for image in PIXELS]
    assert np.abs(made("grey")[..., 0].astype(int) - grey).max() <= 1
    small = [np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BOX), int) for image in PIXELS]
    assert np.abs(made("colour")[:, ::4, ::4].astype(int) - small).max() <= 1
    assert np.ptp(made("colour")[:, :4, :4].astype(int), axis=(1, 2)).max() == 0


def test_spectrum_and_phase_are_parted():
    before = spectrum(PIXELS)[:, 1:8, 1:8]
    strong = np.abs(before) > np.quantile(np.abs(before), 0.5)
    after = spectrum(made("amplitudes"))[:, 1:8, 1:8]
    assert np.corrcoef(np.abs(after)[strong], np.abs(before)[strong])[0, 1] > 0.95
    turned = np.angle(after / before)[strong]
    assert abs(np.exp(1j * turned).mean()) < 0.15
    again = spectrum(made("phase"))[:, 1:8, 1:8]
    assert np.abs(np.exp(1j * np.angle(again / before)) - 1)[strong].mean() < 0.1
    # the same strength in all images
    assert np.abs(again).std(axis=0).mean() < 0.1 * np.abs(before).std(axis=0).mean()


@pytest.mark.parametrize("size, start", [(5, 13), (9, 11), (17, 7)])
def test_a_patch_is_a_piece_of_its_image_on_grey(size, start):
    for image, whole in zip(made(f"patch-{size}"), PIXELS, strict=True):
        patch = image[start : start + size, start : start + size]
        windows = np.lib.stride_tricks.sliding_window_view(whole, (size, size, 3)).reshape(-1, size, size, 3)
        assert (windows == patch).all(axis=(1, 2, 3)).any()
        outside = np.ones((32, 32), bool)
        outside[start : start + size, start : start + size] = False
        assert (image[outside] == NOTHING).all()
