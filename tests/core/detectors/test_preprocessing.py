from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from core.detectors.preprocessing import Preprocessing
from core.images.decoding import crop_square, resize

METHODS = {"bilinear": v2.InterpolationMode.BILINEAR, "bicubic": v2.InterpolationMode.BICUBIC}


def picture(height: int, width: int) -> np.ndarray:
    """uint8 (height, width, 3), noise."""
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("interpolation", METHODS)
@pytest.mark.parametrize(("height", "width"), [(100, 100), (97, 140), (301, 80), (40, 33), (72, 72)])
def test_resize_then_crop_is_torchvisions(interpolation: str, height: int, width: int) -> None:
    image = picture(height, width)
    ours = Preprocessing(64, 72, "after", interpolation).fit(image)
    theirs = v2.Compose([v2.Resize(72, METHODS[interpolation]), v2.CenterCrop(64)])
    np.testing.assert_array_equal(ours, np.asarray(theirs(Image.fromarray(image))))


def test_crop_then_resize_is_what_uploads_do() -> None:
    image = picture(90, 50)
    np.testing.assert_array_equal(Preprocessing(32).fit(image), resize(crop_square(image), 32, resampling="bicubic"))


def test_without_a_crop_the_picture_is_stretched() -> None:
    image = picture(90, 50)
    expected = np.asarray(Image.fromarray(image).resize((24, 24), Image.Resampling.BOX))
    np.testing.assert_array_equal(Preprocessing(24, crop="none", interpolation="box").fit(image), expected)


def test_a_picture_of_the_size_is_left_alone() -> None:
    image = picture(48, 48)
    assert Preprocessing(48).fit(image) is image


def test_it_is_data() -> None:
    one = Preprocessing(64, 72, "after", "bilinear", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert Preprocessing.of(asdict(one)) == one
    assert Preprocessing(32).resize == 32


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"size": 4}, "size must be 8 to 1024 pixels, not 4"),
        ({"size": True}, "whole numbers"),
        ({"size": "32"}, "whole numbers"),
        ({"resize": 72}, "resize cannot be 72"),
        ({"crop": "after", "resize": 16}, "resize cannot be 16"),
        ({"crop": "middle"}, "crop must be one of before, after, after_floor, none, not 'middle'"),
        ({"interpolation": "cubic"}, "interpolation must be one of"),
        ({"interpolation": ["box"]}, "lacks"),
        ({"mean": [0, 0]}, "lacks|values to unpack"),
        ({"std": [1, 0, 1]}, "no std may be 0"),
        ({"mean": [0, float("nan"), 0]}, "finite"),
        ({"mean": None}, "lacks"),
    ],
)
def test_what_cannot_be_is_named(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Preprocessing.of(asdict(Preprocessing(32)) | changes)
