from dataclasses import asdict, replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageOps
from torchvision.transforms import v2

from core.images import preprocessing
from core.images.decoding import RESAMPLING, decode
from core.images.encoding import encode_png
from core.images.preprocessing import Location, Preprocessing, prepare_pixels, settle
from tests.conftest import noise

METHODS = {"bilinear": v2.InterpolationMode.BILINEAR, "bicubic": v2.InterpolationMode.BICUBIC}


def picture(height, width):
    """uint8 (height, width, 3), noise."""
    return noise(height, width, seed=height * width)


@pytest.mark.parametrize("interpolation", METHODS)
@pytest.mark.parametrize("height, width", [(100, 100), (97, 140), (301, 80), (40, 33), (72, 72)])
def test_resize_then_crop_is_torchvisions(interpolation, height, width):
    image = picture(height, width)
    ours = Preprocessing(64, 72, "after", interpolation).fit(image)
    theirs = v2.Compose([v2.Resize(72, METHODS[interpolation]), v2.CenterCrop(64)])
    assert_array_equal(ours, np.asarray(theirs(Image.fromarray(image))))


@pytest.mark.parametrize("width, offset", [(73, 4), (75, 5), (78, 7)])
def test_the_offset_of_a_crop_is_rounded_down_where_that_is_said(width, offset):
    # nothing is resized
    image = picture(64, width)
    for crop, start in (("after_floor", offset), ("after", round((width - 64) / 2))):
        cropped = Preprocessing(64, 64, crop).fit(image)
        assert_array_equal(cropped, image[:, start : start + 64])


@pytest.mark.parametrize("height, width", [(100, 100), (97, 140), (301, 80), (40, 33)])
def test_crop_then_resize_is_torchvisions_or_pillows(height, width):
    image = picture(height, width)
    theirs = v2.Compose([v2.CenterCrop(min(height, width)), v2.Resize(64, METHODS["bicubic"])])
    assert_array_equal(Preprocessing(64).fit(image), np.asarray(theirs(Image.fromarray(image))))
    fitted = ImageOps.fit(Image.fromarray(image), (64, 64), Image.Resampling.BICUBIC)
    assert_array_equal(Preprocessing(64, crop="before_fit").fit(image), np.asarray(fitted))


@pytest.mark.parametrize("height, width", [(100, 131), (64, 64), (63, 200), (40, 33)])
def test_a_native_window_is_torchvisions_centre_crop_without_resizing(height, width):
    image = picture(height, width)
    steps = Preprocessing(64, crop="native")
    ready = prepare_pixels(image, steps)
    assert_array_equal(ready.pixels, [np.asarray(v2.CenterCrop(64)(Image.fromarray(image)))])
    assert not ready.resized
    assert steps.enlarges(height, width) == (min(height, width) < 64)
    assert ("black" in ready.describe("bicubic")) == (min(height, width) < 64)


def test_a_native_window_is_moved_over_the_pictures_own_pixels():
    image = picture(100, 200)
    steps = Preprocessing(32, crop="native")
    # whatever the zoom of the place is
    for zoom in (1.0, steps.first_zoom(100, 200)):
        moved = prepare_pixels(image, steps, Location(1.0, 0.25, zoom))
        assert_array_equal(moved.pixels, [image[17:49, 168:]])
    assert Location(zoom=steps.first_zoom(100, 200)).side(100, 200) == 32


def test_a_strip_loses_its_ends_before_it_is_resized(monkeypatch):
    image = picture(50, 1000)
    # twice as large, so that no rounding moves anything
    steps = Preprocessing(64, 100, "after", "bilinear")
    whole = steps.fit(image)
    monkeypatch.setattr(preprocessing, "MOST_RESIZED", 4 * 100**2)
    assert_array_equal(steps.fit(image), whole)
    # of a strip of 8 x 16,384 all would have become 134 million pixels
    strip = np.zeros((8, 16_384, 3), np.uint8)
    assert Preprocessing(224, 256, "after").fit(strip).shape == (224, 224, 3)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"size": 4}, "size must be 8 to 1024 pixels, not 4"),
        ({"size": True}, "whole numbers"),
        ({"resize": 72}, "resize cannot be 72"),
        ({"crop": "middle"}, "crop must be one of before, before_fit, after, after_floor, none, native, not 'middle'"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"std": [1, 0, 1]}, "no std may be 0"),
        ({"mean": [0, float("nan"), 0]}, "finite"),
        ({"mean": None}, "a value of the wrong type"),
    ],
)
def test_what_cannot_be_is_named(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Preprocessing.of(asdict(Preprocessing(32)) | changes)


def test_every_filter_is_pillows_on_the_middle_square():
    image = picture(100, 160)
    ready = prepare_pixels(decode(encode_png(image)), Preprocessing(32))
    assert ready.filters == tuple(RESAMPLING)
    assert (ready.width, ready.height) == (160, 100)
    for name, pixels in zip(ready.filters, ready.pixels, strict=True):
        expected = Image.fromarray(image[:, 30:130]).resize((32, 32), RESAMPLING[name])
        assert_array_equal(pixels, np.asarray(expected))
        assert_array_equal(ready.seen(name), pixels)


@pytest.mark.parametrize(
    "steps, told",
    [
        (Preprocessing(32, 40, "after", "bilinear"), "cut to a square and resized to 32 x 32 (bilinear)"),
        (Preprocessing(32, crop="none", interpolation="box"), "stretched to 32 x 32 (box)"),
    ],
)
def test_a_detectors_own_preprocessing_is_kept_but_for_the_filter(steps, told):
    image = picture(100, 160)
    ready = prepare_pixels(image, steps)
    assert_array_equal(ready.seen(steps.interpolation), steps.fit(image))
    assert_array_equal(ready.seen("lanczos"), replace(steps, interpolation="lanczos").fit(image))
    assert ready.describe(steps.interpolation) == f"The image was {told}."
    # a square that somebody chose is what it sees
    chosen = prepare_pixels(image, steps, Location(1.0, 0.5, 1.0))
    expected = Image.fromarray(image[:, 60:]).resize((32, 32), RESAMPLING["hamming"])
    assert_array_equal(chosen.seen("hamming"), np.asarray(expected))
    assert chosen.describe("box") == "The image was cut to a square and resized to 32 x 32 (box)."


@pytest.mark.parametrize("margins, outcome", [([1, 2], "REAL"), ([-1, 0], "FAKE"), ([-1, 2], "undetermined")])
def test_a_verdict_takes_every_filter(margins, outcome):
    assert settle(np.array(margins, np.float32)) == outcome
