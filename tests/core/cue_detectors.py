"""Detectors that see one thing only, and images in which that thing decides."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tests.conftest import make_set
from tests.core.studies.image_sets import run_on

# cells of 8 pixels whose texture is summed with these signs: the same after any mirroring and turning of the picture
ORDER = np.outer([1, -1, -1, 1], [1, -1, -1, 1])
# cycles an image of each coefficient of the spectrum
RADIUS = np.hypot(*np.meshgrid(np.fft.fftfreq(32, 1 / 32), np.fft.fftfreq(32, 1 / 32)))


@dataclass(frozen=True, eq=False)
class Cue:
    """A detector that sees one thing only, in the place of a `Detector`, and images in which that decides.

    Attributes:
        formula: its margins of float64 pixels (N, 32, 32, 3).
        pixels: uint8 (N, 32, 32, 3), the first half FAKE.
    """

    formula: object
    pixels: np.ndarray

    def margins(self, pixels):
        """float32 (N,)."""
        return self.formula(pixels.astype(np.float64)).astype(np.float32)

    def run(self, path):
        """A run of the detector on the images."""
        return run_on(make_set(self.pixels), self.margins(self.pixels), path)


def soft(n, seed, *, contrast):
    """(n, 32, 32, 3) smooth shading about 128 with so much contrast, each channel its own."""
    noise = np.random.default_rng(seed).standard_normal((n, 32, 32, 3))
    smooth = ndimage.gaussian_filter(noise, (0, 4, 4, 0), mode="wrap")
    smooth -= smooth.mean(axis=(1, 2), keepdims=True)
    return 128 + contrast * smooth / smooth.std(axis=(1, 2), keepdims=True)


def band(n, seed, low, high):
    """(n, 32, 32, 1) noise between two radii of the spectrum, with a standard deviation of 1."""
    noise = np.random.default_rng(seed).standard_normal((n, 32, 32))
    kept = np.fft.ifft2(np.fft.fft2(noise) * ((low < RADIUS) & (high >= RADIUS))).real
    return (kept / kept.std(axis=(1, 2), keepdims=True))[..., None]


def pixels_of(values):
    """Rounded and cut to uint8."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def mean_colour(n=80):
    """REAL is redder than blue on average, whatever its pattern of colours."""
    images = soft(n, 1, contrast=35)
    images[..., 0] += np.repeat([-8, 8], n // 2)[:, None, None]
    images[..., 2] -= np.repeat([-8, 8], n // 2)[:, None, None]
    return Cue(lambda x: (x[..., 0] - x[..., 2]).mean(axis=(1, 2)) / 4, pixels_of(images))


def ring_energy(n=80):
    """REAL has detail between 8 and 12 cycles an image."""
    others = 5 * band(n, 3, 12, 16) + 5 * band(n, 4, 16, 23) + 5 * band(n, 5, 4, 8)
    amount = np.repeat([1.0, 8.0], n // 2)[:, None, None, None]
    images = soft(n, 2, contrast=20) + others + amount * band(n, 6, 8, 12)
    inside = (RADIUS > 8) & (RADIUS <= 12)

    def formula(x):
        power = (np.abs(np.fft.fft2(x.mean(axis=3))) ** 2 * inside).sum(axis=(1, 2)) / 1024**2
        return 2 * np.log(np.maximum(power, 1e-6) / 8)

    return Cue(formula, pixels_of(images))


def corner(n=80):
    """REAL has a bright spot of 8 x 8 pixels in the upper left corner."""
    images = soft(n, 7, contrast=45)
    images[:, :16, :16] = 110 + 3 * band(n, 8, 8, 16)[:, :16, :16]
    images[n // 2 :, :8, :8] += 60

    def formula(x):
        grey = x.mean(axis=3)
        return (grey[:, :8, :8].mean(axis=(1, 2)) - grey[:, 8:16, 8:16].mean(axis=(1, 2)) - 20) / 8

    return Cue(formula, pixels_of(images))


def block_order(n=80):
    """REAL has its texture in the cells where `ORDER` is positive, FAKE in the others."""
    sign = np.repeat([-1, 1], n // 2)[:, None, None]
    cells = (1 + 0.8 * sign * ORDER).repeat(8, axis=1).repeat(8, axis=2)[..., None]
    images = soft(n, 9, contrast=10) + 14 * cells * band(n, 10, 2.5, 9)

    def formula(x):
        fine = x.mean(axis=3) - ndimage.gaussian_filter(x.mean(axis=3), (0, 2, 2))
        power = (fine.reshape(-1, 4, 8, 4, 8) ** 2).mean(axis=(2, 4))
        return (power * ORDER).sum(axis=(1, 2)) / 100

    return Cue(formula, pixels_of(images))


CUES = {
    "mean_colour": mean_colour,
    "ring": ring_energy,
    "corner": corner,
    "block_order": block_order,
}
