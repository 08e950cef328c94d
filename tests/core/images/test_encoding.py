"""Pictures for a browser, and how a file was compressed."""

import base64

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image

from core.images.decoding import decode
from core.images.encoding import compression_of, enlarged, thumbnail_url
from tests import conftest
from tests.conftest import noise


def pixels_of(url):
    """The pixels that a browser shows."""
    return decode(base64.b64decode(url.partition(",")[2]))


def test_an_image_is_enlarged_smoothly_or_pixel_by_pixel():
    ramp = np.broadcast_to(np.linspace(0, 255, 32).astype(np.uint8)[None, :, None], (32, 32, 3)).copy()
    smooth, squares = enlarged(ramp, 320), enlarged(ramp, 320, pixels=True)
    assert smooth.shape == squares.shape == (320, 320, 3)
    assert_array_equal(squares, ramp.repeat(10, 0).repeat(10, 1))
    # a ramp stays one, without steps
    assert len(np.unique(smooth[0, :, 0])) > 200
    assert np.abs(np.diff(smooth[0, :, 0].astype(int))).max() <= 2
    assert enlarged(ramp, 16) is ramp
    assert enlarged(ramp[:16], 64).shape == (32, 64, 3)


@pytest.mark.parametrize("shape, most, expected", [((300, 200), 150, (150, 100)), ((100, 90), 344, (100, 90))])
def test_a_larger_image_is_reduced_to_what_is_shown(shape, most, expected):
    ramp = np.linspace(0, 255, shape[1]).astype(np.uint8)
    url = thumbnail_url(np.broadcast_to(ramp[None, :, None], (*shape, 3)).copy(), most)
    assert url.startswith("data:image/webp;base64,")
    shown = pixels_of(url)
    assert shown.shape[:2] == expected
    # it is the same picture
    across = shown.mean(axis=(0, 2))
    assert_allclose(across, np.linspace(0, 255, expected[1]), atol=6)


NOISE = noise(32, 32)


def saved(kind="JPEG", mode="RGB", **options):
    return conftest.saved(Image.fromarray(NOISE).convert(mode), kind, **options)


@pytest.mark.parametrize("quality", [30, 75, 90, 100])
def test_the_quality_is_the_one_that_it_was_saved_with(quality):
    assert compression_of(saved(quality=quality)) == f"JPEG quality {quality}, 4:2:0"
    assert compression_of(saved(quality=quality, mode="L")).startswith(f"JPEG quality {quality},")


def test_subsampling_and_format():
    assert compression_of(saved(quality=75, subsampling=0)) == "JPEG quality 75, 4:4:4"
    assert compression_of(saved("PNG")) == "PNG"
    assert compression_of(saved("WEBP")) == "WEBP"
