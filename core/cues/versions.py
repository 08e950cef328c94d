"""Versions of an image set that keep a single cue each.

A version is one entry of versions.toml, made by a function of `MAKERS`, which maps a batch of images to one of the same
shape and dtype. Lengths are for images of 32 pixels a side and scale with the side.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.arrays import Float32, Pixels
from core.images.encoding import compressed
from core.images.image_set import ImageSet
from core.perturbations import edits, frequency

LABELS = "labels"
ENOUGH_ALONE = "Is this cue enough to tell REAL from FAKE?"
# raised whenever the recipe changes; a version that changes gets another key, so that only its networks are made again
EDITION = 1
# the grey that replaces what is removed
NOTHING = 128
SIDE = 32
BATCH = 1000


class Version(NamedTuple):
    """A version of the image set.

    Attributes:
        title: for a row of a table or figure.
        keeps: what it keeps, in a few words.
        make: a key of `MAKERS`.
        size: a number for that function.
        question: what networks that were trained on it answer.
    """

    title: str
    keeps: str
    make: str
    size: int = 0
    question: str = ENOUGH_ALONE


class Batch(NamedTuple):
    """Images with what their versions need beside them.

    Attributes:
        pixels: uint8 (N, side, side, 3).
        generators: one for each image, seeded by the hash of its file, so that its version never depends on the batch.
        amplitude: float32 (side, side // 2 + 1, 3), the mean amplitude spectrum of the training images.
        size: of the version.
    """

    pixels: Pixels
    generators: list[np.random.Generator]
    amplitude: Float32
    size: int

    @property
    def side(self) -> int:
        """Pixels along each side."""
        return int(self.pixels.shape[1])

    @property
    def length(self) -> int:
        """The size, scaled from images of 32 pixels a side to these."""
        return max(1, round(self.size * self.side / SIDE))


def mean_amplitude(pixels: Pixels) -> Float32:
    """Return the mean amplitude spectrum of images, uint8 (N, side, side, 3), as in `Batch`."""
    parts = (np.asarray(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH))
    total = sum(np.abs(frequency.spectra_of(part)).sum(axis=0) for part in parts)
    return np.asarray(total / len(pixels), np.float32)


def make_version(name: str, images: ImageSet, amplitude: Float32) -> Pixels:
    """Make a version of images, uint8 (N, side, side, 3), with the `mean_amplitude` of the training images."""
    version = VERSIONS[name]
    made = np.empty(images.pixels.shape, np.uint8)
    for start in range(0, len(images), BATCH):
        here = slice(start, start + BATCH)
        generators = [np.random.default_rng(int(str(digest)[:16], 16)) for digest in images.rows["sha256"].iloc[here]]
        batch = Batch(np.asarray(images.pixels[here]), generators, amplitude, version.size)
        made[here] = MAKERS[version.make](batch)
    return made


def _unchanged(batch: Batch) -> Pixels:
    return batch.pixels


def _grey(batch: Batch) -> Pixels:
    return edits.saturated(batch.pixels, 0)


def _compressed(batch: Batch) -> Pixels:
    return compressed(batch.pixels, batch.size)


def _border(batch: Batch) -> Pixels:
    width = batch.side // 8
    made = batch.pixels.copy()
    made[:, width:-width, width:-width] = NOTHING
    return made


def _centre(batch: Batch) -> Pixels:
    inner = slice(batch.length, -batch.length)
    made = np.full_like(batch.pixels, NOTHING)
    made[:, inner, inner] = batch.pixels[:, inner, inner]
    return made


def _low_pass(batch: Batch) -> Pixels:
    fine = frequency.ring(batch.size, side=batch.side)
    return frequency.attenuated(frequency.spectra_of(batch.pixels), fine)


def _high_pass(batch: Batch) -> Pixels:
    spectra = frequency.spectra_of(batch.pixels)
    # brightness and mean colour go with the coarse waves
    spectra[:, 0, 0] = NOTHING * batch.side**2
    return frequency.attenuated(spectra, frequency.ring(0, batch.size, side=batch.side))


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


def _shuffled_blocks(batch: Batch) -> Pixels:
    block = max(2, batch.size * batch.side // SIDE)
    count = (batch.side // block) ** 2
    orders = np.stack([generator.permutation(count) for generator in batch.generators])
    return edits.without_seams(batch.pixels, block, orders)


def _patch(batch: Batch) -> Pixels:
    length = batch.length
    made = np.full_like(batch.pixels, NOTHING)
    start = (batch.side - length) // 2
    middle = slice(start, start + length)
    for image, patch, generator in zip(batch.pixels, made, batch.generators, strict=True):
        row, column = generator.integers(0, batch.side - length + 1, 2)
        patch[middle, middle] = image[row : row + length, column : column + length]
    return made


MAKERS: dict[str, Callable[[Batch], Pixels]] = {
    "unchanged": _unchanged,
    "low_pass": _low_pass,
    "high_pass": _high_pass,
    "grey": _grey,
    "mean_colours": _mean_colours,
    "amplitudes": _amplitudes,
    "phases": _phases,
    "shuffled_blocks": _shuffled_blocks,
    "patch": _patch,
    "border": _border,
    "centre": _centre,
    "compressed": _compressed,
}
_DECLARED = tomllib.loads(Path(__file__).with_name("versions.toml").read_text(encoding="utf-8"))
VERSIONS = {key: Version(**about) for key, about in _DECLARED.items()}
