"""Each delivery against Pillow's own result, and what a detector is given of it."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from core.images.preprocessing import Location, Preprocessing
from core.perturbations import delivery
from core.perturbations.delivery import DELIVERIES, deliver, halved
from tests.conftest import noise, resaved

BY_NAME = {one.name: one for one in DELIVERIES}


@pytest.fixture
def picture():
    """uint8 (120, 200, 3) of soft waves with grain."""
    generator = np.random.default_rng(4)
    rows, columns = np.indices((120, 200))
    waves = 120 + 60 * np.sin(rows / 9)[..., None] * np.cos(columns / 13)[..., None] * np.array([1, 0.6, 0.3])
    return np.clip(waves + generator.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


def test_deliveries_are_pillows_own(picture):
    before, large = picture.copy(), picture.repeat(10, axis=0).repeat(10, axis=1)

    def resized(image, width, height, how):
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling[how.upper()]))

    expected = {
        "webp_80": resaved(picture, "WEBP", quality=80, method=0), "png": picture, "crop_90": picture[6:114, 10:190],
        "screenshot": resized(picture, 250, 150, "bilinear"),
        "messenger": resaved(picture, "JPEG", quality=80, subsampling=2),
        **{f"jpeg_{quality}": resaved(picture, "JPEG", quality=quality, subsampling=2) for quality in (95, 85, 75, 50)},
    }  # fmt: skip
    for share, size in ((75, (150, 90)), (50, (100, 60))):
        for how in ("box", "bilinear", "bicubic", "lanczos"):
            expected[f"scale_{share}_{how}"] = resized(picture, *size, how)
    assert expected.keys() == BY_NAME.keys()
    for name, after in expected.items():
        assert_array_equal(BY_NAME[name].apply(picture), after, err_msg=name)
    assert_array_equal(picture, before)
    # 1200 x 2000 pixels: a screen has 1080 lines, and messengers send a longer side of 1600
    assert_array_equal(BY_NAME["screenshot"].apply(large), resized(large, 1800, 1080, "bilinear"))
    assert BY_NAME["screenshot"].apply(large[:400]).shape[:2] == (384, 1920)
    sent = resaved(resized(large, 1600, 960, "bilinear"), "JPEG", quality=80, subsampling=2)
    assert_array_equal(BY_NAME["messenger"].apply(large), sent)
    dot = picture[:1, :1]
    assert all(one.apply(dot).shape == (1, 1, 3) for one in DELIVERIES)


def test_a_detector_is_given_the_delivered_square(picture):
    location = Location(0.2, 0.5, 1.5)
    found = {one.delivery.name: one for one in deliver(picture, Preprocessing(32), location)}
    # what only crops leaves the square as it is
    assert list(found) == [name for name in BY_NAME if name != "crop_90"]
    for name in ("jpeg_50", "scale_50_bilinear"):
        whole = BY_NAME[name].apply(picture)
        assert_array_equal(found[name].pixels, Preprocessing(32).fit(whole, location))
    assert all(one.fits for one in found.values())
    assert [one.delivery.name for one in deliver(picture, Preprocessing(32))] == list(BY_NAME)
    # what has to be enlarged says nothing of the original, unless that has to be as well
    fitting = {one.delivery.name: one.fits for one in deliver(picture[:40], Preprocessing(32))}
    assert [name for name, fits in fitting.items() if not fits] == [name for name in BY_NAME if "scale" in name]
    assert all(one.fits for one in deliver(picture[:30], Preprocessing(32)))
    (chosen,) = deliver(picture[:60], Preprocessing(32), location, among=[BY_NAME["scale_50_box"]])
    assert not chosen.fits
    # nor what has to be enlarged where it is chosen
    assert all(one.fits for one in deliver(picture[:40], Preprocessing(32), location))


@pytest.mark.parametrize(
    "limit, value", [("MOST_PIXELS", 1500), ("MOST_PIXELS", 5999), ("WEBP_SIDE", 50), ("WEBP_SIDE", 99)]
)
def test_a_picture_that_is_too_large_is_halved_until_it_is_not(picture, monkeypatch, limit, value):
    monkeypatch.setattr(delivery, limit, value)
    (found,) = deliver(picture, Preprocessing(16), among=[BY_NAME["png"]])
    assert_array_equal(found.pixels, Preprocessing(16).fit(halved(halved(picture))))
    # at the limit itself it stays
    monkeypatch.setattr(delivery, limit, {"MOST_PIXELS": 24_000, "WEBP_SIDE": 200}[limit])
    (whole,) = deliver(picture, Preprocessing(16), among=[BY_NAME["png"]])
    assert_array_equal(whole.pixels, Preprocessing(16).fit(picture))


@pytest.mark.parametrize("shape", [(301, 40), (1, 9), (9, 1), (2, 3)])
def test_halving_drops_an_odd_row_or_column(shape):
    picture = noise(*shape)
    height, width = (max(1, side // 2) for side in shape)
    # a single row or column is its own second
    whole = picture.repeat(2, axis=shape.index(1)) if 1 in shape else picture
    fours = whole[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
    expected = np.floor(fours.mean(axis=(1, 3)) + 0.5)
    assert_array_equal(halved(picture), expected)
