"""A probe: one nameable change of an image, with its strengths, plain words, and the controls that fit it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.perturbations import frequency
from core.perturbations.batch import Batch, block_side

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Family:
    """Probes that ask the same question.

    Attributes:
        title: for a heading.
        question: that they ask together.
        rests: what follows "FAKE verdicts mostly", of verdicts that the probes flip and their controls do not.
    """

    title: str
    question: str
    rests: str


FAMILIES: dict[str, Family] = {
    "detail": Family("Detail", "Fine detail?", "rest on fine detail"),
    "transplant": Family("Detail of other images", "Whose fine detail?", "follow the fine detail of the other class"),
    "blocks": Family("Shape", "The order of the parts?", "rest on the order of the parts"),
    "place": Family("Place", "One place?", "rest on one place"),
    "colour": Family("Colour", "Colour?", "rest on colour"),
    "light": Family("Light", "Light?", "rest on light"),
    "compression": Family("Compression and sharpness", "Sharpness?", "rest on sharpness"),
    "geometry": Family("Geometry", "Which way up?", "rest on which way up the picture is"),
    "levels": Family("Finest grey levels", "The finest grey levels?", "rest on the finest grey levels"),
}
# the side that labels and keys of lengths refer to
LABELLED = 2 * frequency.NYQUIST
Needs = Literal["nothing", "other", "same"]


@dataclass(frozen=True)
class Strength:
    """One step of a probe.

    Attributes:
        key: suffix of its column's name.
        label: for a chart, with its unit.
        value: argument of the edit.
        waves: wavelengths of a range of the spectrum, in words; "" otherwise.
        parts: for block sizes, the number of blocks along a side, with `label` for `LABELLED` pixels; 0 otherwise.
        excess: True where it changes more than what is tested: it completes a curve but supports no conclusion.
    """

    key: str
    label: str
    value: float
    waves: str = ""
    parts: int = 0
    excess: bool = False

    def at(self, side: int) -> "Strength":
        """Return the strength labelled for images of this side."""
        if not self.parts:
            return self
        return replace(self, label=f"{block_side(side, self.parts)} pixels")

    @property
    def at_any_side(self) -> str:
        """The label as it holds for images of any size."""
        return f"{self.label} of {LABELLED}" if self.parts else self.label

    @property
    def told(self) -> str:
        """The label with its wavelengths."""
        return f"{self.label}, {self.waves}" if self.waves else self.label


@dataclass(frozen=True)
class Probe:
    """One nameable change.

    Attributes:
        key: prefix of its columns' names.
        family: a key of `FAMILIES`.
        title: what is done to the image, for a heading or a bar: "Removing fine detail".
        sentence: what is done to the image.
        strengths: weakest first; for bands, finest first; for fills, in any order.
        edit: (batch, value of a strength) -> uint8 (N, side, side, 3).
        means: what a verdict rests on if this flips it and the controls do not.
        controls: keys of its controls, best matched first; they have the same strengths and change the image in the
            same way and, but for those of shuffled blocks, as much.
        way: how it makes the change, where there are several ways.
        others: kind of choice -> keys of the probes that make the same change in another way and must agree with a
            conclusion; each has a `way`, and strengths with the same key are compared.
        strengths_are: kind of choice between the strengths, such as "fill"; "" where they are doses.
        needs: the donors whose pixels it uses, those with the "other" or the "same" verdict, or "nothing".
        changes_donor: True where the donor with the other verdict is changed and classified instead of the image; it
            flips if it gets the image's verdict.
        is_control: True for a probe that only serves as a control.
        beside: True for a probe that is reported alongside the answer to its family's question but does not decide it.
    """

    key: str
    family: str
    title: str
    sentence: str
    strengths: tuple[Strength, ...]
    edit: Callable[[Batch, float], Pixels]
    means: str
    controls: tuple[str, ...] = ()
    way: str = ""
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strengths_are: str = ""
    needs: Needs = "nothing"
    changes_donor: bool = False
    is_control: bool = False
    beside: bool = False

    @property
    def inline(self) -> str:
        """The title within a sentence."""
        return inline(self.title)

    @property
    def columns(self) -> tuple[str, ...]:
        """The column of each strength, which holds the margin after the change."""
        return tuple(f"{self.key}_{strength.key}" for strength in self.strengths)

    def at(self, side: int) -> tuple[Strength, ...]:
        """Return its strengths, labelled for images of this side."""
        return tuple(strength.at(side) for strength in self.strengths)

    def column(self, strength: str) -> str:
        """Return the column of the strength with this key."""
        return f"{self.key}_{strength}"


def inline(title: str) -> str:
    """Return a title as it stands within a sentence: "Recompressing as JPEG" -> "recompressing as JPEG"."""
    return title[:1].lower() + title[1:]


def size_column(column: str) -> str:
    """Return the column that holds the size of the change behind a margin's column."""
    return f"{column}_size"


def steps(values: Sequence[float], label: str) -> tuple[Strength, ...]:
    """Make strengths whose keys are their values; `label` is formatted with each, its last word in the plural."""
    labels = [label.removesuffix("s") if value == 1 else label for value in values]
    return tuple(
        Strength(f"{value:g}", text.format(f"{value:g}"), value) for value, text in zip(values, labels, strict=True)
    )


def radii(values: Sequence[float], waves: str) -> tuple[Strength, ...]:
    """Make strengths that are radii of the spectrum; `waves` is formatted with the wavelength at each, in pixels."""
    return tuple(
        Strength(f"{value:g}", f"radius {value:g}", value, waves.format(wave_length(value))) for value in values
    )


def wave_length(radius: float) -> str:
    """Write the wavelength in pixels at a radius of the spectrum: 14 -> "2.3"."""
    return f"{round(frequency.wave_length(radius), 1):g}"
