"""Edits of the spectrum against numpy's own full FFT."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.perturbations.frequency import (
    attenuated,
    energy,
    images_of,
    rephased,
    ring,
    spectra_of,
    transplanted,
)
from core.perturbations.photometric import rms


@pytest.fixture
def grain() -> NDArray[np.uint8]:
    """uint8 (6, 32, 32, 3), soft enough that no edit leaves 0..255."""
    generator = np.random.default_rng(3)
    coarse = generator.uniform(100, 150, (6, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return np.rint(coarse + generator.normal(0, 6, (6, 32, 32, 3))).astype(np.uint8)


def power(pixels: NDArray[np.uint8], low: float, high: float) -> NDArray[np.float64]:
    """Energy of each image between two radii by the full FFT."""
    frequency = np.fft.fftfreq(32, 1 / 32)
    radius = np.hypot(*np.meshgrid(frequency, frequency, indexing="ij"))
    spectrum = np.fft.fft2(pixels.astype(np.float64), axes=(1, 2))
    inside = ((radius > low) & (radius <= high))[None, :, :, None]
    return (np.abs(spectrum) ** 2 * inside).sum(axis=(1, 2, 3)) / 1024


@pytest.mark.parametrize(("low", "high"), [(0, 4), (4, 8), (12, 16), (8, 99)])
def test_energy_is_parsevals(grain: NDArray[np.uint8], low: float, high: float) -> None:
    np.testing.assert_allclose(energy(spectra_of(grain), ring(low, high, side=32)), power(grain, low, high), rtol=1e-4)


@pytest.mark.parametrize(("low", "high"), [(12, 99), (8, 12), (0, 2)])
def test_a_ring_that_is_removed_is_gone_and_the_rest_stays(grain: NDArray[np.uint8], low: float, high: float) -> None:
    after = attenuated(spectra_of(grain), ring(low, high, side=32))
    # rounding to whole grey levels leaves 1/12 of a level squared a value
    frequencies = np.count_nonzero(ring(low, high, side=32)) * 2 * 3
    assert (power(after, low, high) < frequencies / 12 * 2).all()
    kept = [(0, low), (high, 99)]
    before, now = (sum(power(images, *band) for band in kept) for images in (grain, after))
    np.testing.assert_allclose(now, before, rtol=0.02)
    np.testing.assert_allclose(after.mean(axis=(1, 2)), grain.mean(axis=(1, 2)), atol=0.1)


def test_random_phases_keep_every_amplitude_and_all_that_is_coarser(grain: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(0).standard_normal((6, 32, 32)).astype(np.float32)
    spectra, rings = spectra_of(grain), ring(10, side=32)
    after = rephased(spectra, rings, noise)
    np.testing.assert_allclose(np.abs(after), np.abs(spectra), rtol=1e-4, atol=1e-2)
    np.testing.assert_array_equal(after[:, ~rings], spectra[:, ~rings])
    # the same turn for all channels, so that their differences keep their size too
    turns = after[:, rings] / spectra[:, rings]
    np.testing.assert_allclose(turns[..., 1:], turns[..., :1].repeat(2, axis=-1), atol=1e-3)
    pixels = images_of(after)
    np.testing.assert_allclose(power(pixels, 10, 99), power(grain, 10, 99), rtol=0.05)
    assert rms(pixels, grain).min() > 3


def test_a_transplant_brings_the_donors_ring_and_nothing_else(grain: NDArray[np.uint8]) -> None:
    image, donor = grain[:3], grain[3:]
    after = np.fft.fft2(
        transplanted(spectra_of(image), spectra_of(donor), ring(10, side=32)).astype(float), axes=(1, 2)
    )
    frequency = np.fft.fftfreq(32, 1 / 32)
    fine = np.hypot(*np.meshgrid(frequency, frequency, indexing="ij")) > 10
    own, lent = (np.fft.fft2(pixels.astype(float), axes=(1, 2)) for pixels in (image, donor))
    expected = np.where(fine[None, :, :, None], lent, own)
    # whole grey levels: an error of 1/12 in each value is 1024/12 in each coefficient's square
    assert np.mean(np.abs(after - expected) ** 2) < 1024 / 12 * 1.2
