"""Edits of values against Pillow, scipy and arithmetic."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image, ImageEnhance
from scipy import ndimage

from core.images.encoding import compressed
from core.perturbations import edits
from tests.conftest import resaved


def pillow(pixels, enhance, factor):
    """Pillow's own enhancement of each image."""
    return np.stack([np.asarray(enhance(Image.fromarray(image)).enhance(factor)) for image in pixels])


def close(ours, theirs, levels=1):
    """Equal but for rounding."""
    assert ours.dtype == np.uint8
    assert np.abs(ours.astype(int) - theirs).max() <= levels


@pytest.mark.parametrize("step", [2, 4, 8, 16])
def test_rounding_goes_to_the_nearest_multiple(pixels, step):
    after = edits.rounded(pixels, step).astype(int)
    assert (after % step == 0).all()
    top = 255 // step * step
    assert (np.abs(after - pixels)[pixels <= top] <= step / 2).all()
    assert edits.rounded(np.full((1, 2, 2, 3), 255, np.uint8), step).max() == top


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
