"""The results of probing one image: plain values and pictures. Needs no torch."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.explainers.error import ExplanationError
from core.explainers.explanation import Judged
from core.images.labels import ClassName, verdict_of
from core.perturbations.probe import Probe, Strength
from core.perturbations.table import PROBES, probe_columns

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class ProbeSettings:
    """The settings for probing one image; hashable, so that equal settings find a cached result.

    Attributes:
        name: the image's id, which seeds all randomness, so that a run's image gets the same as in the study.
        seed: of all randomness.
        donors: number of FAKE donors after the image; the remaining pictures are REAL donors.
        means: mean red, green and blue of each class, FAKE first, 0 to 255; None leaves out probes of the mean colour.
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
        column: a key of `probe_columns`; the study's column of the same name holds `margin`, rounded.
        before, margin: logit_REAL - logit_FAKE before and after, of the image, or of the donor where that is changed.
            `margin` is NaN where the change could not be made or has not run, `before` where it lacks the donor.
        p_real: probability of REAL after the change, 0 to 1; NaN where `margin` is.
        size: root mean square of the change, grey levels 0 to 255.
        flipped: the verdict has changed; where a donor is changed, it has become the image's.
        controlled: it flipped, and none of its controls of the same strength did. False for controls and changed
            donors, and where controls exist but none could be made.
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
        """The probe."""
        return probe_columns()[self.column][0]

    @property
    def strength(self) -> Strength:
        """Its strength."""
        return probe_columns()[self.column][1].at(self.side)

    @property
    def verdict(self) -> ClassName:
        """The verdict on the changed picture."""
        return verdict_of(self.margin)

    @property
    def known(self) -> bool:
        """False where the change could not be made."""
        return not math.isnan(self.margin)

    @property
    def controls(self) -> tuple[str, ...]:
        """The columns of its controls at the same strength, best matched first."""
        return tuple(PROBES[key].column(self.strength.key) for key in self.probe.controls)


class DetailTest(NamedTuple):
    """A test, in both directions, of whether the detail finer than one radius decides the verdict.

    Attributes:
        radius: label of the strength.
        removed: True where removing that detail flips the verdict and no control of the removal does.
        donors: number of donors of the other verdict.
        replaced: number of donors whose detail in place of the image's own flips the verdict.
        control: the largest share of donors that flip it under a control that could be made, 0 to 1.
        lent: number of donors that get the image's verdict with its detail.
        decides: see `core.perturbations.flips.detail_decides`.
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
        settings: of the probing.
        after: one for each of `probe_columns`, in that order; NaN where not run yet.
        pictures: uint8 (C, side, side, 3), the changed picture of each.
        smallest: the smallest change that flips the verdict while its controls do not; None where none does.
        detail: one test per radius; empty without donors of the other verdict.
        sentence: the conclusion.
        done, total: number of pictures classified so far, and in all.
    """

    settings: ProbeSettings
    after: tuple[After, ...]
    pictures: NDArray[np.uint8]
    smallest: After | None
    detail: tuple[DetailTest, ...]
    sentence: str
    done: int
    total: int

    @property
    def complete(self) -> bool:
        """True where no further result follows."""
        return self.done == self.total

    def get(self, column: str) -> After:
        """Return the effect of one strength of one probe."""
        return self.after[list(probe_columns()).index(column)]

    @property
    def flipping(self) -> tuple[After, ...]:
        """Every change that flips the verdict while its controls do not, smallest first; none that is in excess."""
        found = (one for one in self.after if one.controlled and not one.strength.excess)
        return tuple(sorted(found, key=lambda one: one.size))
