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
# the side on which labels and keys of lengths were given their numbers
LABELLED = 2 * frequency.NYQUIST
Needs = Literal["nothing", "other", "same"]


@dataclass(frozen=True)
class Strength:
    """One step of a probe.

    Attributes:
        key: the end of its column's name.
        label: for a chart, with its unit.
        value: what the edit is called with.
        waves: the waves that a range of the spectrum is, in pixels; "" where it is none.
        parts: where it is a length of one of so many parts of the side: how many; its label is for `LABELLED` pixels.
    """

    key: str
    label: str
    value: float
    waves: str = ""
    parts: int = 0

    def at(self, side: int) -> "Strength":
        """The same with the label that it has on images of this side."""
        return replace(self, label=f"{side // self.parts} pixels") if self.parts else self

    @property
    def told(self) -> str:
        """The label, and what it comes to."""
        return f"{self.label}, {self.waves}" if self.waves else self.label


@dataclass(frozen=True)
class Probe:
    """One thing that is changed.

    Attributes:
        key: the beginning of its columns' names.
        family: a key of `FAMILIES`.
        title: for a heading or a bar.
        sentence: what is done to the picture.
        strengths: weakest first; where they are places or bands, finest first.
        edit: (batch, value of a strength) -> uint8 (N, side, side, 3).
        means: what a verdict rested on if this turns it and the controls do not.
        controls: keys of the probes that it is compared with, the fittest first; they have the same strengths.
        needs: whose pixels it takes beside the image's own: donors of the "other" verdict or of the "same".
        changes_donor: the picture that is changed and judged is the donor of the other verdict; it turns where its
            verdict becomes the image's.
        is_control: it is there for other probes only.
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
        """The column of each strength: the margin after the change."""
        return tuple(f"{self.key}_{strength.key}" for strength in self.strengths)

    def at(self, side: int) -> tuple[Strength, ...]:
        """Its strengths, labelled for images of this side."""
        return tuple(strength.at(side) for strength in self.strengths)

    def column(self, strength: str) -> str:
        """The column of the strength with this key."""
        return f"{self.key}_{strength}"


def size_column(column: str) -> str:
    """The column that holds how large the change of a margin's column was."""
    return f"{column}_size"


def steps(values: Sequence[float], label: str) -> tuple[Strength, ...]:
    """Strengths whose keys are their values; `label` is formatted with each, its last word in the plural."""
    labels = [label.removesuffix("s") if value == 1 else label for value in values]
    return tuple(
        Strength(f"{value:g}", text.format(f"{value:g}"), value) for value, text in zip(values, labels, strict=True)
    )


def radii(values: Sequence[float], waves: str) -> tuple[Strength, ...]:
    """Strengths that are radii of the spectrum; `waves` is formatted with the length of a wave at each, in pixels."""
    return tuple(
        Strength(f"{value:g}", f"radius {value:g}", value, waves.format(wave_length(value))) for value in values
    )


def wave_length(radius: float) -> str:
    """The length in pixels of the waves at a radius of the spectrum, in words: 14 -> "2.3"."""
    return f"{round(frequency.wave_length(radius), 1):g}"
