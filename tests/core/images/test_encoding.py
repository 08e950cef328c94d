import base64

import numpy as np
import pytest

from core.images.decoding import decode
from core.images.encoding import CRISP, data_url, thumbnail_url


def pixels_of(url: str) -> np.ndarray:
    """The pixels that a browser shows."""
    return decode(base64.b64decode(url.partition(",")[2]))


def test_a_small_image_is_sent_pixel_by_pixel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (CRISP, CRISP, 3)).astype(np.uint8)
    url = thumbnail_url(image, 20)
    assert url == data_url(image)
    np.testing.assert_array_equal(pixels_of(url), image)


@pytest.mark.parametrize(("shape", "most", "expected"), [((300, 200), 150, (150, 100)), ((100, 90), 344, (100, 90))])
def test_a_larger_image_is_reduced_to_what_is_shown(
    shape: tuple[int, int], most: int, expected: tuple[int, int]
) -> None:
    ramp = np.linspace(0, 255, shape[1]).astype(np.uint8)
    url = thumbnail_url(np.broadcast_to(ramp[None, :, None], (*shape, 3)).copy(), most)
    assert url.startswith("data:image/webp;base64,")
    shown = pixels_of(url)
    assert shown.shape[:2] == expected
    # it is the same picture
    across = shown.mean(axis=(0, 2))
    np.testing.assert_allclose(across, np.linspace(0, 255, expected[1]), atol=6)
