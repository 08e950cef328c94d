"""Versions of an image set that keep a single cue each, and their names.

A version is one entry of `VERSIONS`: its `make` maps a batch of images, with random numbers of its own for each image,
to a batch of the same shape and dtype. Lengths are for images of 32 pixels a side and scale with the side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.perturbations import frequency, photometric, spatial

Pixels = NDArray[np.uint8]
# where nothing is kept
NOTHING = 128
SIDE = 32
# images that are made at once
BATCH = 1000


@dataclass(frozen=True, eq=False)
class Chance:
    """Random numbers for N images; an image's own do not depend on the rest of the batch.

    Attributes:
        seeds: uint64 (N,), from the hash of each file.
    """

    seeds: NDArray[np.uint64]

    @classmethod
    def of(cls, sha256: NDArray[Any]) -> "Chance":
        """The random numbers of files with these hashes."""
        return cls(np.array([int(str(digest)[:16], 16) for digest in sha256], np.uint64))

    def noise(self, side: int) -> NDArray[np.float32]:
        """float32 (N, side, side), white noise."""
        return np.stack([one.standard_normal((side, side), np.float32) for one in self._generators()])

    def orders(self, count: int) -> NDArray[np.intp]:
        """intp (N, count), a permutation for each image."""
        return np.stack([one.permutation(count) for one in self._generators()])

    def places(self, most: int) -> NDArray[np.intp]:
        """intp (N, 2), two integers from 0 to `most` for each image."""
        return np.stack([one.integers(0, most + 1, 2) for one in self._generators()])

    def _generators(self) -> list[np.random.Generator]:
        return [np.random.default_rng(int(seed)) for seed in self.seeds]


@dataclass(frozen=True, eq=False)
class Learned:
    """What a version takes from the training images.

    Attributes:
        amplitude: float32 (side, side // 2 + 1, 3), the mean amplitude spectrum of the training images.
    """

    amplitude: NDArray[np.float32]

    @classmethod
    def of(cls, pixels: Pixels) -> "Learned":
        """Measure the training images, uint8 (N, side, side, 3)."""
        total: Any = 0.0
        for start in range(0, len(pixels), BATCH):
            total = total + np.abs(frequency.spectra_of(np.asarray(pixels[start : start + BATCH]))).sum(axis=0)
        return cls(np.asarray(total / len(pixels), np.float32))


Make = Callable[[Pixels, Chance, Learned], Pixels]


@dataclass(frozen=True)
class Version:
    """A version of the image set.

    Attributes:
        title: for a row of a table or figure.
        family: what kind of thing is kept.
        keeps: what it keeps, in a few words that follow "keeps".
        make: (pixels, chance, learned) -> pixels of the same form.
        control: it says what there is to learn without any cue, or with all of them.
        shuffled: the training labels are shuffled.
    """

    title: str
    family: str
    keeps: str
    make: Make
    control: bool = False
    shuffled: bool = False

    def keeps_at(self, side: int) -> str:
        """What it keeps of images of this side, in words."""
        scales = side != SIDE and self.family in {"arrangement", "patch", "place"}
        return f"{self.keeps} (scaled from {SIDE} x {SIDE} pixels)" if scales else self.keeps


def make_version(version: Version, pixels: Pixels, sha256: NDArray[Any], learned: Learned) -> Pixels:
    """Make a version of images, uint8 (N, side, side, 3), a batch at a time."""
    made = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), BATCH):
        here = slice(start, start + BATCH)
        made[here] = version.make(np.asarray(pixels[here]), Chance.of(sha256[here]), learned)
    return made


def _everything(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
    return pixels


def _low(radius: float) -> Version:
    def make(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
        return frequency.attenuated(frequency.spectra_of(pixels), frequency.ring(radius, side=pixels.shape[1]))

    waves = f"{frequency.wave_length(radius):.3g}"
    return Version(f"low-pass {radius:g}", "fineness", f"wavelengths of {waves} pixels and more", make)


def _high(radius: float) -> Version:
    def make(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
        side = pixels.shape[1]
        spectra = frequency.spectra_of(pixels)
        # brightness and mean colour go with the coarse waves
        spectra[:, 0, 0] = NOTHING * side**2
        return frequency.attenuated(spectra, frequency.ring(0, radius, side=side))

    waves = f"{frequency.wave_length(radius):.3g}"
    return Version(f"high-pass {radius:g}", "fineness", f"wavelengths under {waves} pixels", make)


def _grey(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
    return photometric.saturated(pixels, 0)


def _colour(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
    cell = np.arange(pixels.shape[1]) * 8 // pixels.shape[1]
    _, first, where, size = np.unique(cell, return_index=True, return_inverse=True, return_counts=True)
    rows = np.add.reduceat(pixels.astype(np.float32), first, axis=1)
    sums = np.add.reduceat(rows, first, axis=2)
    means = frequency.to_pixels((sums / np.outer(size, size)[..., None]).astype(np.float32))
    return means[:, where][:, :, where]


def _amplitude(pixels: Pixels, chance: Chance, _learned: Learned) -> Pixels:
    noise = chance.noise(pixels.shape[1])
    texture = frequency.scrambled(frequency.spectra_of(pixels), noise)
    # the random phase of the mean is a sign, and would make every second image black
    texture += pixels.mean(axis=(1, 2), keepdims=True, dtype=np.float32) - texture.mean(axis=(1, 2), keepdims=True)
    return frequency.to_pixels(texture)


def _phase(pixels: Pixels, _chance: Chance, learned: Learned) -> Pixels:
    spectra = frequency.spectra_of(pixels)
    size = np.abs(spectra)
    return frequency.images_of(np.asarray(spectra / np.maximum(size, 1e-6) * learned.amplitude, np.complex64))


def _shuffle(block: int) -> Version:
    def make(pixels: Pixels, chance: Chance, _learned: Learned) -> Pixels:
        side = pixels.shape[1]
        own = max(2, block * side // SIDE)
        return spatial.without_seams(pixels, own, chance.orders((side // own) ** 2))

    title = f"shuffled blocks of {block}"
    return Version(title, "arrangement", f"blocks of {block} pixels, in another order and without seams", make)


def _patch(size: int) -> Version:
    def make(pixels: Pixels, chance: Chance, _learned: Learned) -> Pixels:
        n, side = pixels.shape[:2]
        own = max(1, round(size * side / SIDE))
        top, left = chance.places(side - own).T
        line = np.arange(own)
        rows, columns = (start[:, None] + line for start in (top, left))
        made = np.full_like(pixels, NOTHING)
        start = (side - own) // 2
        made[:, start : start + own, start : start + own] = pixels[
            np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]
        ]
        return made

    keeps = f"one patch of {size} x {size} pixels from anywhere, in the middle of grey"
    return Version(f"one {size} x {size} patch", "patch", keeps, make)


def _depth(side: int) -> NDArray[np.intp]:
    away = np.minimum(np.arange(side), np.arange(side)[::-1])
    return np.asarray(np.minimum(away[:, None], away))


def _border(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
    side = pixels.shape[1]
    return np.where((_depth(side) < side // 8)[..., None], pixels, np.uint8(NOTHING))


def _centre(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
    # 22 of 32 pixels a side: about as large as the border
    side = pixels.shape[1]
    return np.where((_depth(side) >= round(5 * side / SIDE))[..., None], pixels, np.uint8(NOTHING))


def _jpeg(pixels: Pixels, _chance: Chance, _learned: Learned) -> Pixels:
    return photometric.compressed(pixels, 30)


RADII = (4, 6, 8, 10, 12)
VERSIONS: dict[str, Version] = {
    "everything": Version("everything", "control", "the whole image", _everything, control=True),
    "labels": Version(
        "shuffled labels", "control", "the whole image, with shuffled labels", _everything, control=True, shuffled=True
    ),
    **{f"low-{radius}": _low(radius) for radius in RADII},
    **{f"high-{radius}": _high(radius) for radius in RADII},
    "grey": Version("grey", "colour", "grey levels, no colour", _grey),
    "colour": Version("mean colours of 8 x 8", "colour", "the mean colour of each of 8 x 8 places", _colour),
    "amplitudes": Version("amplitude spectrum", "spectrum", "how strong each wave is, with random phases", _amplitude),
    "phase": Version("phases", "spectrum", "the phase of each wave, with the mean strength of all images", _phase),
    **{f"shuffle-{block}": _shuffle(block) for block in (16, 8, 4)},
    **{f"patch-{size}": _patch(size) for size in (5, 9, 17)},
    "border": Version("border", "place", "the outer 4 pixels", _border),
    "centre": Version("centre", "place", "the inner 22 x 22 pixels", _centre),
    "jpeg-30": Version("JPEG 30", "file", "what JPEG at quality 30 keeps", _jpeg),
}
# raised whenever the recipe changes; a version that changes gets another key, so that only its networks are made again
EDITION = 1
