"""What becomes of an upload: Pillow's own resizing of the square that is asked for, under every filter."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.images.decoding import RESAMPLING, ImageError, decode
from core.images.encoding import encode_png
from core.images.preprocessing import Place, Preprocessing
from core.images.upload import PREVIEW, prepare_pixels, settle


def picture(height: int, width: int) -> np.ndarray:
    rows, columns = np.indices((height, width))
    return np.stack([rows % 256, columns % 256, (rows * 7 + columns * 3) % 256], axis=2).astype(np.uint8)


def test_every_filter_is_pillows_on_the_middle_square() -> None:
    image = picture(100, 160)
    ready = prepare_pixels(decode(encode_png(image)), Preprocessing(32))
    assert ready.filters == tuple(RESAMPLING)
    assert (ready.width, ready.height) == (160, 100)
    for name, pixels in zip(ready.filters, ready.pixels, strict=True):
        expected = Image.fromarray(image[:, 30:130]).resize((32, 32), RESAMPLING[name])
        np.testing.assert_array_equal(pixels, np.asarray(expected))
        np.testing.assert_array_equal(ready.seen(name), pixels)


def test_a_32_by_32_image_is_left_alone() -> None:
    image = picture(32, 32)
    ready = prepare_pixels(decode(encode_png(image)), Preprocessing(32))
    assert not ready.resized
    assert ready.whole
    np.testing.assert_array_equal(ready.seen("lanczos"), image)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (Preprocessing(32, 40, "after", "bilinear"), "cut to a square and resized to 32 x 32 (bilinear)"),
        (Preprocessing(32, crop="none", interpolation="box"), "stretched to 32 x 32 pixels (box)"),
    ],
)
def test_a_detectors_own_preprocessing_is_kept_but_for_the_filter(steps: Preprocessing, told: str) -> None:
    image = picture(100, 160)
    ready = prepare_pixels(image, steps)
    assert ready.usual == steps.interpolation
    np.testing.assert_array_equal(ready.seen(ready.usual), steps.fit(image))
    np.testing.assert_array_equal(ready.seen("lanczos"), replace(steps, interpolation="lanczos").fit(image))
    assert ready.told(ready.usual) == f"The image was {told}."
    # a square that somebody chose is what it sees
    chosen = prepare_pixels(image, steps, Place(1.0, 0.5, 1.0))
    expected = Image.fromarray(image[:, 60:]).resize((32, 32), RESAMPLING["hamming"])
    np.testing.assert_array_equal(chosen.seen("hamming"), np.asarray(expected))
    assert chosen.told("box") == "The image was cut to a square and resized to 32 x 32 (box)."


def test_an_image_of_its_size_that_a_detector_enlarges_first_is_not_seen_whole() -> None:
    ready = prepare_pixels(picture(32, 32), Preprocessing(32, 40, "after"))
    assert (ready.resized, ready.whole, ready.square) == (True, False, 26)


@pytest.mark.parametrize(("height", "width", "zoom"), [(64, 64, 2.0), (50, 32, 1.0)])
def test_a_crop_of_32_by_32_is_not_resized_and_not_the_whole(height: int, width: int, zoom: float) -> None:
    image = picture(height, width)
    ready = prepare_pixels(decode(encode_png(image)), Preprocessing(32), Place(0, 0, zoom))
    assert (ready.resized, ready.whole) == (False, False)
    np.testing.assert_array_equal(ready.pixels, image[None, :32, :32])


def test_the_crop_moves_and_the_preview_is_the_whole_image() -> None:
    image = np.full((200, 1000, 3), 255, np.uint8)
    image[:, 800:] = 0
    right = prepare_pixels(decode(encode_png(image)), Preprocessing(32), Place(x=1.0))
    assert right.pixels.max() == 0
    assert max(right.preview.shape[:2]) <= PREVIEW
    # the whole image, wherever the crop is
    np.testing.assert_array_equal(right.preview, image[::3, ::3])


def test_no_image_is_one_sentence() -> None:
    with pytest.raises(ImageError, match="not an image"):
        prepare_pixels(decode(b"hello"), Preprocessing(32))


@pytest.mark.parametrize(("margins", "outcome"), [([1, 2], "REAL"), ([-1, 0], "FAKE"), ([-1, 2], "undetermined")])
def test_a_verdict_takes_every_filter(margins: list[float], outcome: str) -> None:
    assert settle(np.array(margins, np.float32)) == outcome
