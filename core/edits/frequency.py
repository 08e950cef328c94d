"""Edits of an image's spectrum, a batch at a time: rings of spatial frequency removed, drained, or put in from others.

A ring is a bool (side, side // 2 + 1) mask over the half spectrum of a real image. Radii count waves on 32 pixels, so
that one means waves of the same length at any size: from 0 (the mean) to 16 along a side (waves of two pixels, the
finest there are) and 22.6 in the corner. Every channel is treated alike.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.images.statistics import frequency_radius

Spectra = NDArray[np.complex64]
Ring = NDArray[np.bool_]
# beyond the corner of any spectrum
OUTERMOST = 1000.0
# the radius of waves of two pixels, the finest along a side
NYQUIST = 16


def spectra_of(pixels: NDArray[np.uint8]) -> Spectra:
    """complex64 (N, side, side // 2 + 1, 3), the half spectra of uint8 (N, side, side, 3)."""
    return np.asarray(fft.rfft2(pixels.astype(np.float32), axes=(1, 2), workers=1), np.complex64)


def images_of(spectra: Spectra) -> NDArray[np.uint8]:
    """uint8 (N, side, side, 3): back to pixels, rounded and cut to 0..255."""
    return to_pixels(_inverse(spectra))


def _inverse(spectra: Spectra) -> NDArray[np.float32]:
    side = spectra.shape[1]
    return np.asarray(fft.irfft2(spectra, s=(side, side), axes=(1, 2), workers=1))


def to_pixels(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Floats rounded and cut to uint8; `values` is overwritten."""
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


def ring(low: float, high: float = OUTERMOST, *, side: int) -> Ring:
    """The frequencies above radius `low` and up to `high`, of images of this side; the mean is in no ring."""
    radius = frequency_radius(side)[:, : side // 2 + 1] * 2 * NYQUIST / side
    return np.asarray((radius > max(low, 0)) & (radius <= high))


def wave_length(radius: float) -> float:
    """The length in pixels of the waves at a radius."""
    return 2 * NYQUIST / radius


def energy(spectra: Spectra, rings: Ring) -> NDArray[np.float64]:
    """float64 (N,), the sum of squared pixel values that the frequencies of a ring hold (Parseval), all channels."""
    side = spectra.shape[1]
    # a half spectrum leaves out the mirror images of all columns but the first and, of an even side, the last
    twice = np.where(np.isin(np.arange(side // 2 + 1), (0, side / 2)), 1.0, 2.0)
    power = spectra.real**2 + spectra.imag**2
    return np.asarray(np.einsum("nyxc,yx->n", power, twice * rings, dtype=np.float64) / side**2)


def without(spectra: Spectra, rings: Ring) -> NDArray[np.uint8]:
    """The images with a ring removed.

    Args:
        spectra: from `spectra_of`.
        rings: from `ring`; above radius 12 it leaves a low-pass, from 0 to 4 a high-pass that keeps the mean.

    Returns:
        uint8 (N, side, side, 3).
    """
    return images_of(spectra * (~rings).astype(np.float32)[..., None])


def attenuated_elsewhere(spectra: Spectra, rings: Ring) -> NDArray[np.uint8]:
    """The control of `without`: as much energy as the ring holds is taken from all other rings, in equal parts.

    The coefficients outside the ring, but for the mean, shrink by one factor an image. Where they hold less energy than
    the ring they are removed wholly.
    """
    others = ring(0, side=spectra.shape[1]) & ~rings
    share = _ratio(energy(spectra, rings), energy(spectra, others))
    gain = np.ones((len(spectra), *others.shape), np.float32)
    # what is taken away is share * F, whose energy is share**2 of theirs
    gain -= np.minimum(np.sqrt(share), 1)[:, None, None] * others
    return images_of(spectra * gain[..., None])


def transplanted(spectra: Spectra, donors: Spectra, rings: Ring) -> NDArray[np.uint8]:
    """The images with a ring taken from their donors, image by image.

    Args:
        spectra, donors: from `spectra_of`, equally many.
        rings: from `ring`.

    Returns:
        uint8 (N, side, side, 3).
    """
    return images_of(np.where(rings[..., None], donors, spectra))


def transplanted_elsewhere(spectra: Spectra, donors: Spectra, rings: Ring) -> NDArray[np.uint8]:
    """The control of `transplanted`: as much change in energy from the same donor, put into all other rings.

    The other rings move towards the donor's by one share an image; the mean stays. The share is at most 1.
    """
    others = ring(0, side=spectra.shape[1]) & ~rings
    change = donors - spectra
    share = np.minimum(np.sqrt(_ratio(energy(change, rings), energy(change, others))), 1)
    change *= (share[:, None, None] * others).astype(np.float32)[..., None]
    change += spectra
    return images_of(change)


def scrambled(spectra: Spectra, noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Textures with the amplitudes of each image and the phases of white noise, which the three channels share.

    Args:
        spectra: from `spectra_of`.
        noise: float32 (N, side, side), white noise.

    Returns:
        float32 (N, side, side, 3), not cut to 0..255.
    """
    phases = np.asarray(fft.rfft2(noise, axes=(1, 2), workers=1), np.complex64)
    phases /= np.maximum(np.abs(phases), 1e-20)
    return np.asarray(_inverse(spectra * phases[..., None]), np.float32)


def _ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """one / other, 0 where both are nothing, infinite where only `other` is."""
    nothing = np.where(one > 0, np.inf, 0.0)
    return np.divide(one, other, out=nothing, where=other > 0)
