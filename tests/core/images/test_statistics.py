import numpy as np
import pytest
from PIL import Image, ImageStat

from core.images import statistics
from core.images.statistics import STATISTICS, fine_detail, frequency_radius, image_statistics


def test_facts_match_pillow(pixels, monkeypatch):
    monkeypatch.setattr(statistics, "AT_ONCE", 5 * 32 * 32)
    facts = image_statistics(pixels)
    assert list(facts) == [name for name in STATISTICS if name != "file_bytes"]
    for index in (0, 13):
        image = Image.fromarray(pixels[index])
        channels = facts.loc[index, ["red", "green", "blue"]].tolist()
        assert channels == pytest.approx(ImageStat.Stat(image).mean, abs=1e-3)
        luma = ImageStat.Stat(image.convert("L"))
        assert facts.loc[index, "brightness"] == pytest.approx(luma.mean[0], abs=0.6)
        assert facts.loc[index, "contrast"] == pytest.approx(luma.stddev[0], abs=0.6)


@pytest.mark.parametrize("cycles, fine", [(3, 0.0), (8, 0.0), (9, 1.0), (15, 1.0)])
def test_fine_detail_of_a_single_wave(cycles, fine):
    wave = 128 + 50 * np.sin(2 * np.pi * cycles * np.arange(32) / 32)
    luma = np.broadcast_to(wave, (1, 32, 32)).astype(np.float32)
    assert fine_detail(luma)[0] == pytest.approx(fine, abs=1e-4)


def test_a_large_white_image_is_white():
    facts = image_statistics(np.full((1, 512, 512, 3), 255, np.uint8))
    assert facts[["red", "green", "blue"]].to_numpy().tolist() == [[255, 255, 255]]


@pytest.mark.parametrize("side", [32, 98, 392])
def test_frequencies_are_whole_whatever_the_side(side):
    assert frequency_radius(side)[0, : side // 2].tolist() == list(range(side // 2))
