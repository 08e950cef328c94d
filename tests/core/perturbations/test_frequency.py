"""Edits of the spectrum against numpy's own full FFT."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.perturbations.frequency import (
    attenuated,
    attenuated_elsewhere,
    energy,
    images_of,
    patterned_elsewhere,
    rephased,
    ring,
    scrambled,
    spectra_of,
    to_pixels,
    transplanted,
    transplanted_elsewhere,
)
from tests.conftest import noise


def radii_of(side):
    """Radius of every frequency of the full transform, in sixteenths of the Nyquist frequency."""
    frequency = 32 * np.fft.fftfreq(side)
    return np.hypot(frequency[:, None], frequency)


def by_full_transform(values):
    return np.clip(np.rint(np.fft.ifft2(values, axes=(1, 2)).real), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [15, 32])
@pytest.mark.parametrize("low, high", [(10, 99), (4, 8), (2, 99)])
def test_edits_and_their_controls_are_those_of_the_full_transform(side, low, high):
    generator = np.random.default_rng(side)
    pixels = np.clip(generator.normal(128, 30, (8, side, side, 3)), 0, 255).astype(np.uint8)
    # one of nothing, and one of the mean and a wave of two pixels
    pixels[0], pixels[1, ::2] = 90, 90
    image, donor = (np.fft.fft2(part.astype(float), axes=(1, 2)) for part in (pixels[:4], pixels[4:]))
    radius = radii_of(side)
    rings = ((radius > low) & (radius <= high))[None, :, :, None]
    others = ((radius > 0) & ~((radius > low) & (radius <= high)))[None, :, :, None]

    def power_of(values):
        return (np.abs(values) ** 2).sum(axis=(1, 2, 3), keepdims=True) / side**2

    def match(wanted, there, most):
        """The factor that gives what is there the wanted energy."""
        return np.minimum(
            np.sqrt(np.divide(wanted, there, out=np.where(wanted > 1e-6, 1.0, 0.0), where=there > 1e-6)), most
        )

    half, theirs, mask = spectra_of(pixels[:4]), spectra_of(pixels[4:]), ring(low, high, side=side)
    fade = match(power_of(image * rings), power_of(image * others), 1)
    change = donor - image
    move = match(power_of(change * rings), power_of(change * others), 1)
    noise = generator.standard_normal((4, side, side, 1)).astype(np.float32)
    amount = generator.uniform(10, 1000, 4)
    grain = np.fft.fft2(noise.astype(float), axes=(1, 2)) * others * np.ones(3)
    grain *= match(amount[:, None, None, None], power_of(grain), np.inf)
    white = np.fft.fft2(noise.astype(float), axes=(1, 2))
    for found, expected in (
        (attenuated(half, mask), image * ~rings),
        (attenuated_elsewhere(half, mask), image * (1 - fade * others)),
        (transplanted(half, theirs, mask), np.where(rings, donor, image)),
        (transplanted_elsewhere(half, theirs, mask), image + move * others * change),
        (patterned_elsewhere(half, mask, noise, amount), image + grain),
        (images_of(rephased(half, mask, noise[..., 0])), np.where(rings, image * white / np.abs(white), image)),
        (to_pixels(scrambled(half, noise[..., 0])), image * white / np.abs(white)),
    ):
        # rounding in single precision may decide otherwise at a half
        difference = np.abs(found.astype(int) - by_full_transform(expected))
        assert difference.max() <= 1
        assert difference.mean() < 1e-3
    assert_allclose(energy(half, mask), power_of(image * rings).ravel(), rtol=1e-5, atol=1e-3)


def test_where_nothing_else_is_left_controls_add_nothing():
    # of 3 x 3 pixels all frequencies but the mean are in one ring
    pixels = noise(2, 3, 3)
    spectra, every = spectra_of(pixels), ring(0, side=3)
    assert_array_equal(
        patterned_elsewhere(spectra, every, np.ones((2, 3, 3, 3), np.float32), np.array([9.0, 9.0])), pixels
    )
    assert_array_equal(attenuated_elsewhere(spectra, every), pixels)
    # radii may reach the corner, and the mean is in no ring
    assert ring(-5, side=32).sum() == ring(0, side=32).sum() == 32 * 17 - 1
