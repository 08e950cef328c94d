"""A probe: one nameable change of an image, with its strengths, plain words, controls, and inputs. Needs no torch."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from core.arrays import Float32, Int64, Pixels
from core.perturbations.frequency import Spectra, scrambled, spectra_of
from core.storage.memory import lazy_property

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

    uniform: Float32
    normal: Float32
    orders: dict[int, Int64]

    @classmethod
    def of(cls, ids: Sequence[str], *, side: int, seed: int = 0) -> "Chance":
        """Draw for each id and seed; equal ids and seeds give equal numbers."""
        generators = [np.random.default_rng(number_of(identity, seed)) for identity in ids]
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
        chance: the random numbers.
    """

    pixels: Pixels
    other: Pixels
    same: Pixels
    chance: Chance = field(repr=False)

    @property
    def side(self) -> int:
        """Pixels along each side of the images."""
        return int(self.pixels.shape[1])

    @lazy_property
    def spectra(self) -> Spectra:
        """Spectra of the images."""
        return spectra_of(self.pixels)

    @lazy_property
    def other_spectra(self) -> Spectra:
        """Spectra of the donors of the other verdict."""
        return spectra_of(self.other)

    @lazy_property
    def same_spectra(self) -> Spectra:
        """Spectra of the donors of the same verdict."""
        return spectra_of(self.same)

    @lazy_property
    def textures(self) -> Float32:
        """float32 (N, side, side, 3), each image's own spectrum with shuffled phases."""
        return scrambled(self.spectra, self.chance.normal)


# probes that ask the same question -> its title
FAMILIES = {
    "detail": "Detail",
    "transplant": "Detail of other images",
    "blocks": "Shape",
    "place": "Place",
    "colour": "Colour",
    "light": "Light",
    "compression": "Compression and sharpening",
    "geometry": "Geometry",
    "levels": "Finest grey levels",
}
Needs = Literal["nothing", "other", "same"]


@dataclass(frozen=True)
class Strength:
    """One step of a probe.

    Attributes:
        key: suffix of its column's name.
        label: for a chart, with its unit.
        value: argument of the edit.
        waves: wavelengths of a range of the spectrum, in words; "" otherwise.
        parts: for block sizes, the number of blocks along a side, with `label` for 32 pixels; 0 otherwise.
        like: key of the strength of another probe whose change it makes in another way; "" where the keys are equal.
    """

    key: str
    label: str
    value: float
    waves: str = ""
    parts: int = 0
    like: str = ""

    def at(self, side: int) -> "Strength":
        """Return the strength labelled for images of this side."""
        if not self.parts:
            return self
        return replace(self, label=f"{block_side(side, self.parts)} pixels")

    @property
    def at_any_side(self) -> str:
        """The label as it holds for images of any size."""
        if self.parts:
            return f"{self.label} of 32"
        return self.label

    @property
    def full_label(self) -> str:
        """The label with its wavelengths."""
        if self.waves:
            return f"{self.label}, {self.waves}"
        return self.label


class Dial(NamedTuple):
    """How a probe stands on the dial, a slider from the picture as it is to its strongest change.

    Attributes:
        title: for the choice among probes.
        changed: what has been done to the picture.
        less, more: the ends of the slider.
    """

    title: str
    changed: str
    less: str
    more: str


# (batch, value of a strength) -> uint8 (N, side, side, 3)
Edit = Callable[[Batch, float], Pixels]


@dataclass(frozen=True)
class Probe:
    """One nameable change.

    Attributes:
        key: prefix of its columns' names.
        family: a key of `FAMILIES`.
        title: what is done to the image, for a heading or a bar: "Removing fine detail".
        sentence: what is done to the image; "" for a control.
        clause: what becomes of the image, where "{}" stands for the strength: "it is blurred by {}"; "" for a control.
        result: the changed image, in two words: "blurred".
        strengths: weakest first; for bands, finest first; for fills, in any order.
        edit: makes it.
        controls: keys of its controls, which have the same strengths and change the image in the same way and about as
            much.
        way: how it makes the change, where there are several ways.
        others: kind of choice -> keys of the probes that make the same change in another way and must agree with a
            conclusion; each has a `way`, and strengths that are alike are compared.
        strengths_are: kind of choice between the strengths, such as "fill"; "" where they are doses.
        needs: what it uses besides the image: a donor with the "other" or the "same" verdict, or "nothing".
        changes_donor: True where the donor with the other verdict is changed and classified instead of the image; it
            flips if it gets the image's verdict.
        is_control: True for a probe that only serves as a control.
        beside: True for a probe that is reported alongside the answer to its family's question but does not decide it.
        dial: how it stands on the dial; None where it does not fit there, as its strengths are no doses.
    """

    key: str
    family: str
    title: str
    sentence: str
    strengths: tuple[Strength, ...]
    edit: Edit
    clause: str = ""
    result: str = ""
    controls: tuple[str, ...] = ()
    way: str = ""
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strengths_are: str = ""
    needs: Needs = "nothing"
    changes_donor: bool = False
    is_control: bool = False
    beside: bool = False
    dial: Dial | None = None

    @property
    def inline(self) -> str:
        """The title within a sentence."""
        return inline(self.title)

    def column(self, strength: str) -> str:
        """Return the column of the strength with this key."""
        return f"{self.key}_{strength}"


def inline(title: str) -> str:
    """Return a title as it stands within a sentence: "Recompressing as JPEG" -> "recompressing as JPEG"."""
    return title[:1].lower() + title[1:]


def margin_column(change: str) -> str:
    """Return the column that holds the margin after a change, from the change's key such as "lowpass_8"."""
    return f"{change}_margin"


def size_column(change: str) -> str:
    """Return the column that holds the size of a change."""
    return f"{change}_size"
