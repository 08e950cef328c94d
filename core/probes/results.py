"""What the probes of one image say: plain values and pictures, made by probing.py. Needs no torch."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.explainers.explanation import ClassName, ExplanationError, Judged
from core.probes.probe import Probe, Strength
from core.probes.table import PROBES, probe_columns

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class ProbeSettings:
    """How one image is probed; hashable, so that equal settings find a cached result.

    Attributes:
        name: the image's id; everything random belongs to it, so that a run's image gets what its study gave it.
        seed: of all that is random.
        donors: how many of the pictures handed in after the image are donors that are FAKE; the others are REAL.
        means: mean red, green and blue of the images of each class, FAKE first, 0 to 255; None leaves out what moves
            the mean colour.
    """

    name: str = ""
    seed: int = 0
    donors: int = 0
    means: tuple[Colour, Colour] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise ExplanationError(f"seed must be from 0 to {2**32 - 1}, not {self.seed}")
        if self.donors < 0:
            raise ExplanationError(f"donors must be 0 or more, not {self.donors}")


class After(NamedTuple):
    """The verdict after one strength of one probe.

    Attributes:
        column: see `probe_columns`; the study's column of the same name is the same number, shortened.
        before, margin: logit_REAL - logit_FAKE before and after; before the change it is the image's, or the donor's
            where a donor is changed. Both NaN where the change could not be made.
        p_real: probability of REAL after it, 0 to 1.
        size: root mean square of the change, grey levels 0 to 255.
        turned: the verdict is another one; where a donor is changed, its verdict has become the image's.
        clean: it turned, and with none of its controls of the same strength; never for a control.
        side: of the picture, in pixels.
    """

    column: str
    before: float
    margin: float
    p_real: float
    size: float
    flipped: bool
    controlled: bool
    side: int

    @property
    def probe(self) -> Probe:
        """What was done."""
        return probe_columns()[self.column][0]

    @property
    def strength(self) -> Strength:
        """How strongly."""
        return probe_columns()[self.column][1].at(self.side)

    @property
    def verdict(self) -> ClassName:
        """What the detector calls the changed picture."""
        return "REAL" if self.margin > 0 else "FAKE"

    @property
    def known(self) -> bool:
        """Whether the change could be made."""
        return not math.isnan(self.margin)

    @property
    def controls(self) -> tuple[str, ...]:
        """The columns of its controls at the same strength, the fittest first."""
        return tuple(PROBES[key].column(self.strength.key) for key in self.probe.controls)


@dataclass(frozen=True, eq=False)
class Flip:
    """The smallest change that turns the verdict while its controls do not, as pictures.

    Attributes:
        after: which change, and what came of it.
        picture: uint8 (side, side, 3), the changed image.
        difference: uint8 (side, side, 3), what was changed: 128 where nothing was, `gain` times the change added.
        gain: how many times it is amplified, so that its largest value just fits.
    """

    after: After
    picture: NDArray[np.uint8]
    difference: NDArray[np.uint8]
    gain: int


class DetailTest(NamedTuple):
    """Whether the detail finer than one radius decides the verdict, both ways.

    Attributes:
        radius: label of the strength.
        removed: the verdict turns without that detail, and not with as much coarse detail taken out.
        donors: images of the other verdict that were asked.
        replaced: with how many of them it turns when their detail takes the place of its own.
        control: the most that a control of that reaches, as a share of those it was made with, 0 to 1.
        lent: how many of them get the image's verdict when they get its detail.
        decides: see `probe_turns.detail_decides`.
    """

    radius: str
    removed: bool
    donors: int
    replaced: int
    control: float
    lent: int
    decides: bool


@dataclass(frozen=True, eq=False)
class ProbeResult(Judged):
    """The verdict on one image after each small change that has a name.

    Attributes:
        settings: what was asked for.
        after: one for each of `probe_columns`, in that order; those that are not run yet are not known.
        pictures: uint8 (C, side, side, 3), the changed picture of each.
        smallest: the smallest change that turns the verdict while its controls do not; None where none does.
        detail: one for each radius at which detail was lent both ways; empty without donors of the other verdict.
        sentence: what it comes to.
        done, total: pictures that the detector has judged, and will have.
    """

    settings: ProbeSettings
    after: tuple[After, ...]
    pictures: NDArray[np.uint8]
    smallest: Flip | None
    detail: tuple[DetailTest, ...]
    sentence: str
    done: int
    total: int

    @property
    def complete(self) -> bool:
        """Whether nothing is to come."""
        return self.done == self.total

    def get(self, column: str) -> After:
        """What one strength of one probe did."""
        return self.after[list(probe_columns()).index(column)]

    @property
    def flipping(self) -> tuple[After, ...]:
        """Every change that turns the verdict while its controls do not, smallest first."""
        return tuple(sorted((one for one in self.after if one.controlled), key=lambda one: one.size))
