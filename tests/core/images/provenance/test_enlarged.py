"""Traces of an enlargement: found where there is one, and not found in what was never enlarged."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from core.images.provenance.enlarged import judge, repeated

FOUND, NOT = "was resampled", "No trace"


def photographs() -> list[NDArray[np.uint8]]:
    """Photographs of scikit-image in RGB that were neither scaled nor drawn."""
    made = [data.coffee(), data.chelsea(), data.rocket(), data.retina()[300:900, 300:900], data.hubble_deep_field()]
    grey = [data.coins(), data.gravel(), data.grass()]
    return [*made, *(np.repeat(one[..., None], 3, axis=2) for one in grey)]


@pytest.mark.parametrize("factor", [1.25, 1.7, 3])
@pytest.mark.parametrize("resampling", ["BILINEAR", "BICUBIC"])
def test_most_enlargements_are_found(factor: float, resampling: str) -> None:
    said = []
    for pixels in photographs()[::2]:
        small = Image.fromarray(pixels[:300, :380])
        size = round(small.width * factor), round(small.height * factor)
        said.append(judge(np.asarray(small.resize(size, getattr(Image.Resampling, resampling)))))
    right = [one for one in said if f"by {factor:.2f} or" in one or f"or {factor:.2f}." in one]
    assert all(FOUND in one for one in right)
    assert len(right) >= len(said) - 2


def test_few_false_alarms() -> None:
    said = []
    for pixels in photographs():
        for top in range(0, pixels.shape[0] - 255, 256):
            said += [judge(pixels[top : top + 256, left : left + 256]) for left in range(0, pixels.shape[1] - 255, 256)]
    assert len(said) > 20
    # one of them has been seen to say anything else
    assert sum(NOT not in one for one in said) <= 1


def test_repeated_pixels() -> None:
    pixels = data.coffee()[:200, :201]
    assert repeated(pixels) == 1
    for factor in (2, 3, 5):
        large = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
        assert repeated(large) == factor
        assert f"enlarged by {factor} without" in judge(large)
        large[-1, -1] += 1
        assert repeated(large) == 1


def test_when_it_cannot_be_known() -> None:
    assert "cannot be known" in judge(data.coffee()[:100, :300])
    assert "too even" in judge(np.full((300, 300, 3), 7, np.uint8))
    assert repeated(np.full((300, 300, 3), 7, np.uint8)) == 1
    assert "cannot be known" in judge(data.coffee()[:1, :1])
