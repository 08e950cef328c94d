"""The inputs of probes: images, their donors, and randomness seeded by the image. Needs no torch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.perturbations.frequency import Spectra, scrambled, spectra_of

Pixels = NDArray[np.uint8]
# numbers of shuffled blocks along a side
BLOCKS = (2, 4, 8)


@dataclass(frozen=True, eq=False)
class Chance:
    """Random numbers for the probes of N images; those of an image do not depend on the rest of its batch.

    Attributes:
        uniform: float32 (N, side, side, 3) in [0, 1).
        normal: float32 (N, side, side), white noise.
        orders: number of blocks along a side, from `BLOCKS` -> int64 (N, B), a permutation of each image's B blocks.
    """

    uniform: NDArray[np.float32]
    normal: NDArray[np.float32]
    orders: dict[int, NDArray[np.int64]]

    @classmethod
    def of(cls, ids: Sequence[str], *, side: int, seed: int = 0) -> "Chance":
        """Draw for each id and seed; equal ids and seeds give equal numbers."""
        generators = [np.random.default_rng(number_of(one, seed)) for one in ids]
        uniform = np.empty((len(ids), side, side, 3), np.float32)
        normal = np.empty((len(ids), side, side), np.float32)
        # a side that the number does not divide has room for more blocks
        along = {count: side // block_side(side, count) for count in BLOCKS}
        orders = {count: np.empty((len(ids), along[count] ** 2), np.int64) for count in BLOCKS}
        for row, generator in enumerate(generators):
            generator.random(out=uniform[row], dtype=np.float32)
            generator.standard_normal(out=normal[row], dtype=np.float32)
            # skip four numbers that are no longer used, so that the orders stay those of the shipped studies
            generator.random(4, dtype=np.float32)
            for order in orders.values():
                order[row] = generator.permutation(order.shape[1])
        return cls(uniform, normal, orders)


def block_side(side: int, parts: int) -> int:
    """Return the side of the blocks of which `parts` lie along an image, at least 2 pixels: one can only move."""
    return max(2, side // parts)


def number_of(text: str, seed: int) -> int:
    """Hash a text and a seed to a number of 64 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed} {text}".encode()).digest()[:8], "little")


@dataclass(frozen=True, eq=False)
class Batch:
    """N images and the inputs of their probes.

    Attributes:
        pixels: uint8 (N, side, side, 3).
        other: uint8 (N, side, side, 3), for each image a correctly classified donor with the other verdict.
        same: uint8 (N, side, side, 3), for each image a correctly classified donor with the same verdict.
        other_means: float32 (N, 3), the mean colour of the class that was not predicted, 0 to 255.
        same_means: float32 (N, 3), the mean colour of the predicted class, 0 to 255.
        chance: the random numbers.
    """

    pixels: Pixels
    other: Pixels
    same: Pixels
    other_means: NDArray[np.float32]
    same_means: NDArray[np.float32]
    chance: Chance = field(repr=False)

    @property
    def side(self) -> int:
        """Pixels along each side of the images."""
        return int(self.pixels.shape[1])

    @cached_property
    def spectra(self) -> Spectra:
        """Spectra of the images."""
        return spectra_of(self.pixels)

    @cached_property
    def other_spectra(self) -> Spectra:
        """Spectra of the donors of the other verdict."""
        return spectra_of(self.other)

    @cached_property
    def same_spectra(self) -> Spectra:
        """Spectra of the donors of the same verdict."""
        return spectra_of(self.same)

    @cached_property
    def textures(self) -> NDArray[np.float32]:
        """float32 (N, side, side, 3), each image's own spectrum with shuffled phases."""
        return scrambled(self.spectra, self.chance.normal)
