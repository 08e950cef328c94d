"""LIME on bands: they add up to the image, and on detectors that read one band that band alone speaks."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_distances

from core.explainers.explanation import Explanation
from core.explainers.lime.bands import LIME_BANDS, BandSettings, bands, split_image
from core.images.statistics import LUMA
from tests.core.cues import CueDetector, band, ring_energy, soft

BANDS = bands(32)
RINGS = sorted({band[1:3] for band in BANDS if band.high})


@pytest.fixture
def rich() -> NDArray[np.uint8]:
    """uint8 (32, 32, 3) with something in every band, far from black and white."""
    grey = sum(6 * band(1, number, low, high) for number, (low, high) in enumerate(RINGS))
    tint = 4 * np.random.default_rng(5).standard_normal((1, 32, 32, 3))
    return np.asarray(np.rint(soft(1, 3, contrast=8)[0] + grey[0] + tint[0] + [9, -4, 2]), np.uint8)


def weighed(detector: object, image: NDArray[np.uint8], **changes: object) -> Explanation:
    """The last explanation."""
    return list(LIME_BANDS.explain(detector, image, BandSettings(**changes)))[-1]  # type: ignore[arg-type]


def test_the_bands_add_up_to_the_image_and_have_nothing_in_common(rich: NDArray[np.uint8]) -> None:
    parts = split_image(rich)
    np.testing.assert_allclose(parts.rest + parts.bands.sum(axis=0), rich.ravel(), atol=1e-3)
    np.testing.assert_array_equal(parts.versions(np.ones((1, len(BANDS)), bool))[0], rich)
    for one, part in zip(BANDS, parts.bands.reshape(-1, 32, 32, 3), strict=True):
        power = np.abs(np.fft.fft2(part, axes=(0, 1))) ** 2
        radius = np.hypot(np.fft.fftfreq(32, 1 / 32)[:, None], np.fft.fftfreq(32, 1 / 32))
        inside = radius == 0 if one.high == 0 else (radius > one.low) & (radius <= one.high)
        assert power[~inside].sum() < 1e-6 * power.sum()
        if one.channel == "brightness":
            np.testing.assert_allclose(part[..., 0], part[..., 2], atol=1e-3)
        else:
            np.testing.assert_allclose(part @ LUMA, 0, atol=1e-3)


@pytest.mark.parametrize("channel", ["brightness", "colour"])
@pytest.mark.parametrize("ends", RINGS)
def test_the_band_that_is_read_speaks_and_no_other(
    rich: NDArray[np.uint8], channel: str, ends: tuple[float, float]
) -> None:
    """The energy of one ring of the luma or of red less luma, against a threshold."""
    radius = np.hypot(np.fft.fftfreq(32, 1 / 32)[:, None], np.fft.fftfreq(32, 1 / 32))
    inside = (radius > ends[0]) & (radius <= ends[1])

    def formula(x: NDArray[np.float64]) -> NDArray[np.float64]:
        luma = x @ LUMA
        seen = luma if channel == "brightness" else x[..., 0] - luma
        power = (np.abs(np.fft.fft2(seen)) ** 2 * inside).sum(axis=(1, 2)) / 1024**2
        return np.sqrt(power) - 0.5

    result = weighed(CueDetector(formula), rich)
    right = [one[:3] for one in BANDS].index((channel, *ends))  # type: ignore[arg-type]
    assert result.parts.decisions[right] == 1
    assert result.parts.weights.argmax() == right
    assert np.abs(np.delete(result.parts.weights, right)).max() < 0.15 * result.parts.weights[right]
    # a FAKE verdict for the same detail is the same with the sign turned
    turned = weighed(CueDetector(lambda x: -formula(x)), rich)
    np.testing.assert_allclose(turned.parts.weights, -result.parts.weights, atol=1e-3)


def test_the_interval_holds_what_all_versions_together_would_say() -> None:
    """The ridge on all 8,192 versions, by scikit-learn with lime's kernel written out."""
    cue = ring_energy()
    keep = np.array([[number >> bit & 1 for bit in range(len(BANDS))] for number in range(2 ** len(BANDS))], bool)
    values = cue.detector.margins(split_image(cue.pixels[60]).versions(keep)).astype(float)
    # the version without any band has no cosine distance; the package gives it 1, the farthest
    far = np.append(1.0, cosine_distances(keep[1:], keep[-1:]).ravel())
    ridge = Ridge(alpha=len(keep) / 1000).fit(keep, values, sample_weight=np.sqrt(np.exp(-(far**2) / 0.25**2)))
    found = weighed(cue.detector, cue.pixels[60])
    inside = (found.parts.low <= ridge.coef_) & (ridge.coef_ <= found.parts.high)
    assert inside.sum() >= len(BANDS) - 2
    np.testing.assert_allclose(found.parts.weights, ridge.coef_, atol=0.05 * np.abs(ridge.coef_).max())


def test_of_a_grey_picture_no_colour_has_a_weight_and_only_what_is_there_is_counted() -> None:
    grey = np.random.default_rng(1).integers(60, 196, (32, 32, 1), np.uint8).repeat(3, axis=2)
    result = weighed(CueDetector(lambda x: x.std(axis=(1, 2, 3)) - 20), grey, least_share=0.0)
    parts, colour = result.parts, np.array([one.channel == "colour" for one in BANDS])
    for values in (parts.weights, parts.low, parts.high, parts.decisions):
        assert not values[colour].any()
    decided = int((parts.decisions != 0).sum())
    assert decided > 0
    assert f"{6 - decided} of 6 frequency bands are undecided" in result.diagnostics.sentence
