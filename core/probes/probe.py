"""A probe: one nameable change of an image, with its strengths, plain words, and the controls that fit it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.edits import frequency
from core.probes.batch import Batch

Pixels = NDArray[np.uint8]
Family = Literal["levels", "detail", "transplant", "colour", "light", "compression", "blocks", "place", "geometry"]
FAMILIES: dict[Family, str] = {
    "levels": "Finest grey levels",
    "detail": "Detail",
    "transplant": "Detail of other images",
    "colour": "Colour",
    "light": "Light",
    "compression": "Compression and sharpness",
    "blocks": "Shape against texture",
    "place": "Place",
    "geometry": "Geometry",
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
        parts: for lengths, the number of such parts along a side; the label is for `LABELLED` pixels.
    """

    key: str
    label: str
    value: float
    waves: str = ""
    parts: int = 0

    def at(self, side: int) -> "Strength":
        """Return the strength labelled for images of this side."""
        return replace(self, label=f"{side // self.parts} pixels") if self.parts else self

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
        title: for a heading or a bar.
        sentence: what is done to the image.
        strengths: weakest first; for places or bands, finest first.
        edit: (batch, value of a strength) -> uint8 (N, side, side, 3).
        means: what a verdict rests on if this flips it and the controls do not.
        controls: keys of the probes that it is compared with, best matched first; they have the same strengths.
        needs: donors whose pixels it takes, of the "other" or the "same" verdict, or "nothing".
        changes_donor: the donor of the other verdict is changed and classified instead; it flips where it gets the
            image's verdict.
        is_control: it only serves other probes.
    """

    key: str
    family: Family
    title: str
    sentence: str
    strengths: tuple[Strength, ...]
    edit: Callable[[Batch, float], Pixels]
    means: str
    controls: tuple[str, ...] = ()
    needs: Needs = "nothing"
    changes_donor: bool = False
    is_control: bool = False

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
