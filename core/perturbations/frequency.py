"""Frequency edits of a batch of images: rings of the spectrum attenuated, randomised, or swapped with other images'.

A ring is a bool (side, side // 2 + 1) mask over the half spectrum of a real image. Radii are sixteenths of the Nyquist
frequency, so that a radius means the same wavelength at any size: from 0 (the mean) to 16 along a side (waves of two
pixels, the finest) and 22.6 in the corner. All channels are treated alike.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from core.arrays import Float32, Float64, Mask, Pixels
from core.images.statistics import frequency_radius

Spectra = NDArray[np.complex64]
Ring = Mask
# larger than the corner's radius
OUTERMOST = 1000.0
# the radius of waves of two pixels
NYQUIST = 16


def spectra_of(pixels: Pixels) -> Spectra:
    """Compute the half spectra complex64 (N, side, side // 2 + 1, 3) of uint8 (N, side, side, 3)."""
    return fft.rfft2(pixels.astype(np.float32), axes=(1, 2), workers=1)


def images_of(spectra: Spectra) -> Pixels:
    """Transform spectra back to uint8 (N, side, side, 3), rounded and clipped to 0..255."""
    return to_pixels(_inverse(spectra))


def _inverse(spectra: Spectra) -> Float32:
    side = spectra.shape[1]
    return fft.irfft2(spectra, s=(side, side), axes=(1, 2), workers=1)


def to_pixels(values: Float32) -> Pixels:
    """Round and clip floats to uint8; `values` is overwritten."""
    np.rint(values, out=values)
    np.clip(values, 0, 255, out=values)
    return values.astype(np.uint8)


def ring(low: float, high: float = OUTERMOST, *, side: int) -> Ring:
    """Select the frequencies above radius `low` and up to `high`, for images of this side; the mean is in no ring.

    Example:
        >>> ring(8, side=4).astype(int)
        array([[0, 0, 1],
               [0, 1, 1],
               [1, 1, 1],
               [0, 1, 1]])
    """
    radius = frequency_radius(side)[:, : side // 2 + 1] * 2 * NYQUIST / side
    return (radius > max(low, 0)) & (radius <= high)


def energy(spectra: Spectra, rings: Ring) -> Float64:
    """Sum the squared pixel values that a ring's frequencies hold (Parseval), over all channels: float64 (N,)."""
    side = spectra.shape[1]
    # a half spectrum omits the mirror images of all columns but the first and, for an even side, the last
    twice = np.where(np.isin(np.arange(side // 2 + 1), (0, side / 2)), 1.0, 2.0)
    power = spectra.real**2 + spectra.imag**2
    return np.einsum("nyxc,yx->n", power, twice * rings, dtype=np.float64) / side**2


def attenuated(spectra: Spectra, rings: Ring) -> Pixels:
    """Remove a ring: uint8 (N, side, side, 3).

    Args:
        spectra: from `spectra_of`.
        rings: from `ring`; removing radii above 12 is a low-pass, 0 to 4 a high-pass that keeps the mean.

    Example:
        >>> stripes = np.tile(np.uint8([[[90], [110]]]), (1, 4, 2, 3)).reshape(1, 4, 4, 3)
        >>> attenuated(spectra_of(stripes), ring(8, side=4))[0, 0, :, 0]
        array([100, 100, 100, 100], dtype=uint8)
    """
    return images_of(spectra * np.where(rings, 0, 1).astype(np.float32)[..., None])


def attenuated_elsewhere(spectra: Spectra, rings: Ring, amount: Float64 | None = None) -> Pixels:
    """Attenuate all other rings so that the image changes by as much as under `attenuated`: an energy-matched control.

    All coefficients outside the ring except the mean shrink by one factor per image. Where they hold less energy than
    is to be taken they are removed entirely.

    Args:
        spectra: from `spectra_of`.
        rings: from `ring`.
        amount: float64 (N,), the energy of the change; that of the ring when None.
    """
    others = _others(spectra, rings)
    if amount is None:
        amount = energy(spectra, rings)
    share = np.sqrt(_ratio(amount, energy(spectra, others)))
    gain = np.ones((len(spectra), *others.shape), np.float32)
    # removing share * F removes share**2 of their energy
    gain -= np.minimum(share, 1)[:, None, None] * others
    return images_of(spectra * gain[..., None])


def patterned_elsewhere(spectra: Spectra, rings: Ring, noise: Float32, amount: Float64 | None = None) -> Pixels:
    """Add a random pattern to all other rings: an energy-matched control that, unlike a fade, adds structure.

    Args:
        spectra: from `spectra_of`.
        rings: from `ring`.
        noise: white noise, float32 (N, side, side, 3), or (N, side, side, 1) for a grey pattern; only its coefficients
            in the other rings are used.
        amount: float64 (N,), the energy of the pattern; that of the ring when None.

    Returns:
        uint8 (N, side, side, 3).
    """
    others = _others(spectra, rings)
    if amount is None:
        amount = energy(spectra, rings)
    pattern = np.broadcast_to(_noise_spectra(noise) * others[..., None], spectra.shape)
    # of a few pixels the other rings may be empty, and nothing can be added to them
    scale = np.nan_to_num(np.sqrt(_ratio(amount, energy(pattern, others))), posinf=0)
    return images_of(np.asarray(spectra + pattern * scale[:, None, None, None], np.complex64))


def rephased(spectra: Spectra, rings: Ring, noise: Float32) -> Spectra:
    """Add random phases, shared by the channels, to a ring's coefficients; every amplitude stays.

    Args:
        spectra: from `spectra_of`.
        rings: from `ring`.
        noise: float32 (N, side, side), white noise, whose phases are added.

    Returns:
        Spectra like those given.

    Example:
        >>> pixels = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3)).astype(np.uint8)
        >>> noise = np.random.default_rng(1).standard_normal((1, 8, 8)).astype(np.float32)
        >>> before = spectra_of(pixels)
        >>> bool(np.allclose(np.abs(rephased(before, ring(4, side=8), noise)), np.abs(before), rtol=1e-4))
        True
    """
    return np.where(rings[..., None], spectra * random_phases(noise), spectra)


def transplanted(spectra: Spectra, donors: Spectra, rings: Ring) -> Pixels:
    """Replace a ring by that of a donor, image by image.

    Args:
        spectra, donors: from `spectra_of`, of equal number.
        rings: from `ring`.

    Returns:
        uint8 (N, side, side, 3).
    """
    return images_of(np.where(rings[..., None], donors, spectra))


def transplanted_elsewhere(spectra: Spectra, donors: Spectra, rings: Ring) -> Pixels:
    """Move all other rings towards the same donor's by as much energy: the energy-matched control of `transplanted`.

    In each image they move by one fraction of the difference, at most 1; the mean stays.
    """
    others = _others(spectra, rings)
    change = donors - spectra
    share = np.minimum(np.sqrt(_ratio(energy(change, rings), energy(change, others))), 1)
    change *= (share[:, None, None] * others).astype(np.float32)[..., None]
    change += spectra
    return images_of(change)


def scrambled(spectra: Spectra, noise: Float32) -> Float32:
    """Make textures with each image's amplitudes and the phases of white noise, shared by the three channels.

    Args:
        spectra: from `spectra_of`.
        noise: float32 (N, side, side), white noise.

    Returns:
        float32 (N, side, side, 3), not clipped to 0..255.
    """
    return _inverse(spectra * random_phases(noise))


def _noise_spectra(noise: Float32) -> Spectra:
    return fft.rfft2(noise, axes=(1, 2), workers=1)


def random_phases(noise: Float32) -> Spectra:
    """Compute complex64 (N, side, side // 2 + 1, 1), the phases of white noise."""
    phases = _noise_spectra(noise[..., None])
    phases /= np.maximum(np.abs(phases), 1e-20)
    return phases


def _others(spectra: Spectra, rings: Ring) -> Ring:
    """Select every frequency outside the ring except the mean."""
    return ring(0, side=spectra.shape[1]) & ~rings


def _ratio(wanted: Float64, held: Float64) -> Float64:
    """Divide; infinite where `held` is 0."""
    return np.divide(wanted, held, out=np.full_like(wanted, np.inf), where=held > 0)
