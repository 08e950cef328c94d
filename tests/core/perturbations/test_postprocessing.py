"""Each delivery against Pillow's own result, and what a detector is given of it."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.images.decoding import crop_square, resize
from core.images.encoding import compression_of
from core.images.preprocessing import Location, Preprocessing
from core.perturbations.postprocessing import DELIVERIES, deliver

BY_NAME = {one.name: one for one in DELIVERIES}


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """uint8 (120, 200, 3) of soft waves with grain."""
    generator = np.random.default_rng(4)
    rows, columns = np.indices((120, 200))
    waves = 120 + 60 * np.sin(rows / 9)[..., None] * np.cos(columns / 13)[..., None] * np.array([1, 0.6, 0.3])
    return np.clip(waves + generator.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [95, 85, 75, 50])
def test_jpeg_is_what_a_file_of_that_quality_holds(picture: NDArray[np.uint8], quality: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=2)
    assert compression_of(buffer.getvalue()) == f"JPEG quality {quality}, 4:2:0"
    np.testing.assert_array_equal(BY_NAME[f"jpeg_{quality}"].apply(picture), np.asarray(Image.open(buffer)))


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("scale_75_lanczos", (90, 150)),
        ("scale_50_box", (60, 100)),
        ("crop_90", (108, 180)),
        ("screenshot", (150, 250)),
        ("messenger", (120, 200)),
    ],
)
def test_sizes(picture: NDArray[np.uint8], name: str, shape: tuple[int, int]) -> None:
    assert BY_NAME[name].apply(picture).shape[:2] == shape


def test_halving_with_box_is_the_mean_of_four(picture: NDArray[np.uint8]) -> None:
    means = picture.reshape(60, 2, 100, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(BY_NAME["scale_50_box"].apply(picture) - means).max() <= 1


def test_a_detector_is_given_the_delivered_square(picture: NDArray[np.uint8]) -> None:
    found = {one.delivery.name: one for one in deliver(picture, Preprocessing(32), Location(0.2, 0.5, 1.5))}
    # what only crops leaves the square as it is
    assert list(found) == [name for name in BY_NAME if name != "crop_90"]
    for name in ("jpeg_50", "scale_50_bilinear"):
        whole = BY_NAME[name].apply(picture)
        np.testing.assert_array_equal(found[name].pixels, resize(crop_square(whole, 0.2, 0.5, 1.5), 32))
    assert all(one.fits for one in found.values())
