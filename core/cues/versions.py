"""Versions of an image set that keep a single cue each.

A version is one entry of `VERSIONS`: its `make` maps a batch of images to a batch of the same shape and dtype. Lengths
are for images of 32 pixels a side and scale with the side.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from core.arrays import Float32, Pixels
from core.images.encoding import compressed
from core.images.image_set import ImageSet
from core.perturbations import edits, frequency

EVERYTHING = "everything"
LABELS = "labels"
# the grey that replaces what is removed
NOTHING = 128
SIDE = 32
BATCH = 1000


class Batch(NamedTuple):
    """Images with what their versions need beside them.

    Attributes:
        pixels: uint8 (N, side, side, 3).
        generators: one for each image, seeded by the hash of its file, so that its version never depends on the batch.
        amplitude: float32 (side, side // 2 + 1, 3), the mean amplitude spectrum of the training images.
    """

    pixels: Pixels
    generators: list[np.random.Generator]
    amplitude: Float32

    @property
    def side(self) -> int:
        """Pixels along each side."""
        return int(self.pixels.shape[1])

    def scaled(self, length: float) -> int:
        """Scale a length from images of 32 pixels a side to these."""
        return max(1, round(length * self.side / SIDE))


class Version(NamedTuple):
    """A version of the image set.

    Attributes:
        title: for a row of a table or figure.
        keeps: what it keeps, in a few words.
        make: batch -> uint8 pixels of the same shape.
    """

    title: str
    keeps: str
    make: Callable[[Batch], Pixels]


def mean_amplitude(pixels: Pixels) -> Float32:
    """Return the mean amplitude spectrum of images, uint8 (N, side, side, 3), as in `Batch`."""
    parts = (np.asarray(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH))
    total = sum(np.abs(frequency.spectra_of(part)).sum(axis=0) for part in parts)
    return np.asarray(total / len(pixels), np.float32)


def make_version(name: str, images: ImageSet, amplitude: Float32) -> Pixels:
    """Make a version of images, uint8 (N, side, side, 3), with the `mean_amplitude` of the training images."""
    made = np.empty(images.pixels.shape, np.uint8)
    for start in range(0, len(images), BATCH):
        here = slice(start, start + BATCH)
        generators = [np.random.default_rng(int(str(digest)[:16], 16)) for digest in images.rows["sha256"].iloc[here]]
        made[here] = VERSIONS[name].make(Batch(np.asarray(images.pixels[here]), generators, amplitude))
    return made


def _unchanged(batch: Batch) -> Pixels:
    return batch.pixels


def _grey(batch: Batch) -> Pixels:
    return edits.saturated(batch.pixels, 0)


def _compressed(batch: Batch) -> Pixels:
    return compressed(batch.pixels, 30)


def _border(batch: Batch) -> Pixels:
    width = batch.side // 8
    made = batch.pixels.copy()
    made[:, width:-width, width:-width] = NOTHING
    return made


def _centre(batch: Batch) -> Pixels:
    width = batch.scaled(5)
    inner = slice(width, -width)
    made = np.full_like(batch.pixels, NOTHING)
    made[:, inner, inner] = batch.pixels[:, inner, inner]
    return made


def _low_pass(radius: float, batch: Batch) -> Pixels:
    spectra = frequency.spectra_of(batch.pixels)
    fine = frequency.ring(radius, side=batch.side)
    return frequency.attenuated(spectra, fine)


def _high_pass(radius: float, batch: Batch) -> Pixels:
    spectra = frequency.spectra_of(batch.pixels)
    # brightness and mean colour go with the coarse waves
    spectra[:, 0, 0] = NOTHING * batch.side**2
    return frequency.attenuated(spectra, frequency.ring(0, radius, side=batch.side))


def _mean_colours(batch: Batch) -> Pixels:
    cell = np.arange(batch.side) * 8 // batch.side
    inside = np.equal.outer(cell, np.unique(cell)).astype(np.float32)
    sums = np.einsum("nhwc,hi,wj->nijc", batch.pixels.astype(np.float32), inside, inside, optimize=True)
    means = frequency.to_pixels(sums / np.outer(inside.sum(axis=0), inside.sum(axis=0))[..., None])
    return means[:, cell][:, :, cell]


def _amplitudes(batch: Batch) -> Pixels:
    shape = (batch.side, batch.side)
    noise = np.stack([generator.standard_normal(shape, np.float32) for generator in batch.generators])
    texture = frequency.scrambled(frequency.spectra_of(batch.pixels), noise)
    # the random phase of the mean is a sign, and would make every second image black
    mean = batch.pixels.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return frequency.to_pixels(texture + (mean - texture.mean(axis=(1, 2), keepdims=True)))


def _phases(batch: Batch) -> Pixels:
    spectra = frequency.spectra_of(batch.pixels)
    phases = spectra / np.maximum(np.abs(spectra), 1e-6)
    return frequency.images_of(np.asarray(phases * batch.amplitude, np.complex64))


def _shuffled_blocks(block: int, batch: Batch) -> Pixels:
    size = max(2, block * batch.side // SIDE)
    count = (batch.side // size) ** 2
    orders = np.stack([generator.permutation(count) for generator in batch.generators])
    return edits.without_seams(batch.pixels, size, orders)


def _patch(size: int, batch: Batch) -> Pixels:
    own = batch.scaled(size)
    made = np.full_like(batch.pixels, NOTHING)
    start = (batch.side - own) // 2
    for image, patch, generator in zip(batch.pixels, made, batch.generators, strict=True):
        row, column = generator.integers(0, batch.side - own + 1, 2)
        patch[start : start + own, start : start + own] = image[row : row + own, column : column + own]
    return made


RADII = (4, 6, 8, 10, 12)
WAVES = {radius: f"{frequency.wave_length(radius):.3g} pixels" for radius in RADII}
VERSIONS: dict[str, Version] = {
    # controls: what there is to learn with all cues, and without any, as the training labels are shuffled
    EVERYTHING: Version("everything", "the whole image", _unchanged),
    LABELS: Version("shuffled labels", "the whole image, with shuffled labels", _unchanged),
    **{
        f"low-{radius}": Version(f"low-pass {radius}", f"wavelengths of {waves} and more", partial(_low_pass, radius))
        for radius, waves in WAVES.items()
    },
    **{
        f"high-{radius}": Version(f"high-pass {radius}", f"wavelengths under {waves}", partial(_high_pass, radius))
        for radius, waves in WAVES.items()
    },
    "grey": Version("grey", "grey levels, no colour", _grey),
    "colour": Version("mean colours of 8 x 8", "the mean colour of each of 8 x 8 places", _mean_colours),
    "amplitudes": Version("amplitude spectrum", "how strong each wave is, with random phases", _amplitudes),
    "phase": Version("phases", "the phase of each wave, with the mean strength of all images", _phases),
    **{
        f"shuffle-{block}": Version(
            f"shuffled blocks of {block}",
            f"blocks of {block} pixels, in another order and without seams",
            partial(_shuffled_blocks, block),
        )
        for block in (16, 8, 4)
    },
    **{
        f"patch-{size}": Version(
            f"one {size} x {size} patch",
            f"one patch of {size} x {size} pixels from anywhere, in the middle of grey",
            partial(_patch, size),
        )
        for size in (5, 9, 17)
    },
    "border": Version("border", "the outer 4 pixels", _border),
    # 22 of 32 pixels a side: about as large as the border
    "centre": Version("centre", "the inner 22 x 22 pixels", _centre),
    "jpeg-30": Version("JPEG 30", "what JPEG at quality 30 keeps", _compressed),
}
# raised whenever the recipe changes; a version that changes gets another key, so that only its networks are made again
EDITION = 1
