"""LIME on bands: they add up to the image, and on detectors that read one band that band alone speaks."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_distances

from core.detectors.detector import Detector
from core.explainers.lime.band_results import BANDS, RINGS, Band, BandResult, BandSettings
from core.explainers.lime.bands import explain_bands, split_image
from core.explainers.results import ExplanationError
from core.images.statistics import LUMA
from tests.core.cues import CueDetector, band, ring_energy, soft


@pytest.fixture
def rich() -> NDArray[np.uint8]:
    """uint8 (32, 32, 3) with something in every band, far from black and white."""
    grey = sum(6 * band(1, number, low, high) for number, (low, high) in enumerate(RINGS))
    tint = 4 * np.random.default_rng(5).standard_normal((1, 32, 32, 3))
    return np.asarray(np.rint(soft(1, 3, contrast=8)[0] + grey[0] + tint[0] + [9, -4, 2]), np.uint8)


def weighed(detector: object, image: NDArray[np.uint8], **changes: object) -> BandResult:
    """The last result."""
    return list(explain_bands(detector, image, settings=BandSettings(**changes)))[-1]  # type: ignore[arg-type]


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


def test_without_any_band_the_mean_brightness_is_left(rich: NDArray[np.uint8]) -> None:
    empty = split_image(rich).versions(np.zeros((1, len(BANDS)), bool))[0]
    assert (empty == np.rint((rich @ LUMA).mean())).all()


def test_shuffled_bands_keep_their_spectrum_and_nothing_else(rich: NDArray[np.uint8]) -> None:
    drawn = [split_image(rich, fill="shuffled", seed=seed) for seed in range(20)]
    for number, (one, part) in enumerate(zip(BANDS, drawn[0].bands, strict=True)):
        fills = [parts.fills[number] for parts in drawn]
        if one.high == 0:
            assert not np.any(fills)
            continue
        spectra = [np.abs(np.fft.fft2(values.reshape(32, 32, 3), axes=(0, 1))) for values in (part, fills[0])]
        np.testing.assert_allclose(*spectra, atol=0.05 * spectra[0].max())
        # a few waves may look like themselves by chance, but not with every draw
        assert abs(np.mean([np.corrcoef(part, fill)[0, 1] for fill in fills])) < 0.25


@pytest.mark.parametrize("channel", ["brightness", "colour"])
@pytest.mark.parametrize("rings", list(RINGS))
def test_the_band_that_is_read_speaks_and_no_other(
    rich: NDArray[np.uint8], channel: str, rings: tuple[float, float]
) -> None:
    """The energy of one ring of the luma or of red less luma, against a threshold."""
    radius = np.hypot(np.fft.fftfreq(32, 1 / 32)[:, None], np.fft.fftfreq(32, 1 / 32))
    inside = (radius > rings[0]) & (radius <= rings[1])

    def formula(x: NDArray[np.float64]) -> NDArray[np.float64]:
        luma = x @ LUMA
        seen = luma if channel == "brightness" else x[..., 0] - luma
        power = (np.abs(np.fft.fft2(seen)) ** 2 * inside).sum(axis=(1, 2)) / 1024**2
        return np.sqrt(power) - 0.5

    result = weighed(CueDetector(formula), rich)
    right = BANDS.index(Band(channel, *rings))  # type: ignore[arg-type]
    assert result.decisions[right] == 1
    assert result.weights.argmax() == right
    assert np.abs(np.delete(result.weights, right)).max() < 0.15 * result.weights[right]
    label = BANDS[right].label
    assert f"{label[0].lower()}{label[1:]} speaks most for REAL" in result.sentence[0].lower() + result.sentence[1:]
    # a FAKE verdict for the same detail is the same with the sign turned
    turned = weighed(CueDetector(lambda x: -formula(x)), rich)
    np.testing.assert_allclose(turned.weights, -result.weights, atol=1e-3)
    assert "speaks most for FAKE" in turned.sentence


def test_the_ring_of_the_cue_is_named() -> None:
    cue = ring_energy()
    result = weighed(cue.detector, cue.pixels[60])
    assert BANDS[int(result.weights.argmax())] == Band("brightness", 8, 12)
    assert "Brightness in waves of 2.7 to 4 pixels speaks most for REAL" in result.sentence


def test_a_detector_that_adds_bands_up_is_read_to_the_coefficient(rich: NDArray[np.uint8]) -> None:
    parts = split_image(rich)
    direction = np.random.default_rng(0).normal(size=3072) / 200
    result = weighed(CueDetector(lambda x: x.reshape(len(x), -1) @ direction), rich, n_samples=512)
    expected = parts.bands @ direction
    np.testing.assert_allclose(result.weights, expected, atol=0.05 * np.abs(expected).max())
    assert (np.abs(result.weights - expected) <= result.high - result.weights + 0.01 * np.abs(expected).max()).all()
    assert result.r2 > 0.99


def test_the_interval_holds_what_all_versions_together_would_say() -> None:
    """The ridge on all 8,192 versions, by scikit-learn with lime's kernel written out."""
    cue = ring_energy()
    keep = np.array([[number >> bit & 1 for bit in range(len(BANDS))] for number in range(2 ** len(BANDS))], bool)
    values = cue.detector.margins(split_image(cue.pixels[60]).versions(keep)).astype(float)
    # no version has a distance from the one that lacks everything; the package takes it as the farthest
    far = np.append(1.0, cosine_distances(keep[1:], keep[-1:]).ravel())
    ridge = Ridge(alpha=len(keep) / 1000).fit(keep, values, sample_weight=np.sqrt(np.exp(-(far**2) / 0.25**2)))
    found = weighed(cue.detector, cue.pixels[60])
    inside = (found.low <= ridge.coef_) & (ridge.coef_ <= found.high)
    assert inside.sum() >= len(BANDS) - 2
    np.testing.assert_allclose(found.weights, ridge.coef_, atol=0.05 * np.abs(ridge.coef_).max())


def test_steps_grow_no_version_is_judged_twice_and_stop_means_stop(
    rich: NDArray[np.uint8], tiny_detector: Detector
) -> None:
    judged = []

    def formula(x: NDArray[np.float64]) -> NDArray[np.float64]:
        judged.append(len(x))
        return x.mean(axis=(1, 2, 3))

    found = list(explain_bands(CueDetector(formula), rich, settings=BandSettings(n_samples=300)))  # type: ignore[arg-type]
    assert [one.samples for one in found] == [64, 128, 256, 300]
    assert [one.complete for one in found] == [False, False, False, True]
    assert sum(judged) == found[-1].distinct <= 300
    answers = iter([False, True])
    assert len(list(explain_bands(tiny_detector, rich, cancel=lambda: next(answers)))) == 1


def test_equal_settings_give_equal_answers_and_other_seeds_others(
    rich: NDArray[np.uint8], tiny_detector: Detector
) -> None:
    one, again, other = (weighed(tiny_detector, rich, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.weights, again.weights)
    assert (one.weights != other.weights).any()
    assert one.margin == pytest.approx(float(tiny_detector.margins(rich[None])[0]), abs=1e-4)
    assert (one.low <= one.weights).all()
    assert (one.weights <= one.high).all()


def test_what_moves_nothing_is_undecided(rich: NDArray[np.uint8]) -> None:
    result = weighed(CueDetector(lambda x: np.ones(len(x))), rich)
    assert (result.decisions == 0).all()
    assert "nothing speaks clearly for" in result.sentence.lower()
    assert f"{len(BANDS)} of {len(BANDS)} kinds of detail are undecided" in result.sentence


def test_what_does_not_fit_is_one_sentence(rich: NDArray[np.uint8]) -> None:
    fine = CueDetector(lambda x: x.mean(axis=(1, 2, 3)))
    with pytest.raises(ExplanationError, match="resize it first"):
        weighed(fine, rich[:16])
    with pytest.raises(ExplanationError, match="not finite"):
        weighed(replace(fine, formula=lambda x: np.full(len(x), np.nan)), rich)
    for changes in ({"n_samples": 1}, {"seed": -1}, {"fill": "black"}, {"confidence": 1.0}, {"least_share": 2.0}):
        with pytest.raises(ExplanationError, match="must be"):
            BandSettings(**changes)  # type: ignore[arg-type]
