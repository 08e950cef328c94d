"""Probing one image: the verdict after each small named change, and which controlled change flips it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import check_finite, check_pixels
from core.explainers.settings import ExplanationError
from core.images.labels import ClassName, verdict_of
from core.perturbations.flips import controlled_flips, detail_flips, flipped_predictions, own_columns, smallest_flips
from core.perturbations.photometric import rms
from core.perturbations.probe import Batch, Chance, Probe, Strength, size_column
from core.perturbations.table import PROBES, probe_columns

if TYPE_CHECKING:
    from core.detectors.detector import Detector


Colour = tuple[float, float, float]
Pixels = NDArray[np.uint8]
# pictures between two checks of `cancel`
BATCH = 32
# the most that a change is amplified
MAX_GAIN = 32
HEADLINES = {
    "detail": "Fine detail decides this verdict.",
    "controlled": "A small change flips this verdict.",
    "uncontrolled": "Only changes whose controls flip it too flip this verdict.",
    "nothing": "No change that was tried flips this verdict.",
}


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


@dataclass(frozen=True, eq=False)
class ProbeResult:
    """The verdict on one image after each small change that has a name.

    Attributes:
        image: uint8 (height, width, 3), the detector's input.
        margin: the detector's margin: above 0 the verdict is REAL, otherwise FAKE.
        p_real: probability of REAL after temperature scaling, 0 to 1.
        settings: of the probing.
        after: one for each of `probe_columns`, in that order; NaN where not run yet.
        pictures: uint8 (C, side, side, 3), the changed picture of each.
        smallest: the smallest change that flips the verdict while its controls do not; None where none does.
        detail_decides: fine detail decides the verdict, see `core.perturbations.flips.detail_decides`.
        done, total: number of pictures classified so far, and in all.
    """

    image: Pixels
    margin: float
    p_real: float
    settings: ProbeSettings
    after: tuple[After, ...]
    pictures: NDArray[np.uint8]
    smallest: After | None
    detail_decides: bool
    done: int
    total: int

    @property
    def verdict(self) -> ClassName:
        """The predicted class of the image."""
        return verdict_of(self.margin)

    @property
    def complete(self) -> bool:
        """True where no further result follows."""
        return self.done == self.total

    @property
    def sentence(self) -> str:
        """The headline of a complete result; "" before."""
        if not self.complete:
            return ""
        if self.detail_decides:
            return HEADLINES["detail"]
        own = own_columns()
        flipped = any(one.flipped for one in self.after if one.column in own)
        return HEADLINES["controlled" if self.smallest else "uncontrolled" if flipped else "nothing"]

    def get(self, column: str) -> After:
        """Return the effect of one strength of one probe."""
        return self.after[list(probe_columns()).index(column)]

    @property
    def flipping(self) -> tuple[After, ...]:
        """Every change that flips the verdict while its controls do not, smallest first; none that is in excess."""
        found = (one for one in self.after if one.controlled and not one.strength.excess)
        return tuple(sorted(found, key=lambda one: one.size))


def explain_probes(
    detector: "Detector",
    pixels: Pixels,
    *,
    settings: ProbeSettings | None = None,
    cancel: Callable[[], bool] | None = None,
) -> Iterator[ProbeResult]:
    """Probe one image, a few dozen changed pictures at a time.

    Args:
        detector: to explain.
        pixels: uint8 (1 + D, side, side, 3): the image, then `settings.donors` donors that are FAKE, then those that
            are REAL, of which the first of each that the detector classifies correctly is used; see
            `core.studies.donors.with_donors`. Without donors, probes that need them are left out.
        settings: `ProbeSettings()` when None.
        cancel: called between batches; the iteration ends once it returns True.

    Yields:
        Results with more and more of the changes classified; the last is `complete` and has the sentence.

    Raises:
        ExplanationError: `pixels` has the wrong shape or dtype or fewer pictures than the settings say, or the
            detector's output is not finite.
    """
    settings = settings or ProbeSettings()
    check_pixels(detector, pixels)
    if len(pixels) < 1 + settings.donors:
        raise ExplanationError(f"pixels must hold the image and {settings.donors} donors, not {len(pixels)} pictures")
    before = _margins(detector, pixels)
    batch, donor, same = _batch(pixels, before, settings)
    columns = probe_columns()
    lacking = {"nothing": False, "other": donor is None, "same": same is None}
    pictures, sizes = np.repeat(pixels[:1], len(columns), axis=0), np.full(len(columns), np.nan, np.float32)
    for at, (probe, strength) in enumerate(columns.values()):
        if not (lacking[probe.needs] or (probe.key in ("tint", "tint_control") and settings.means is None)):
            pictures[at] = probe.edit(batch, strength.value)[0]
            sizes[at] = rms(pictures[at : at + 1], batch.other if probe.changes_donor else batch.pixels)[0]
    made, margins = np.flatnonzero(np.isfinite(sizes)), np.full(len(columns), np.nan, np.float32)
    for start in range(0, len(made), BATCH):
        if cancel is not None and cancel():
            return
        part = made[start : start + BATCH]
        margins[part] = _margins(detector, pictures[part])
        after, least, decides = _effects(
            detector, margins, sizes, before[0], np.nan if donor is None else before[donor]
        )
        done = len(pixels) + start + len(part)
        complete = start + len(part) == len(made)
        yield ProbeResult(
            image=pixels[0],
            margin=float(before[0]),
            p_real=float(detector.p_real(before[0])),
            settings=settings,
            after=after,
            pictures=pictures,
            smallest=least if complete else None,
            detail_decides=complete and decides,
            done=done,
            total=len(pixels) + len(made),
        )


def _margins(detector: "Detector", pixels: Pixels) -> NDArray[np.float32]:
    margins = detector.margins(pixels)
    check_finite(detector, margins)
    return margins


def _batch(
    pixels: Pixels, margins: NDArray[np.float32], settings: ProbeSettings
) -> tuple[Batch, int | None, int | None]:
    """Pair the image with the first donor of each verdict, and give their positions; without one it is its own."""
    real = margins > 0
    # a donor that this detector misclassifies is not used
    usable = (real == (np.arange(len(pixels)) > settings.donors)) & (np.arange(len(pixels)) > 0)
    other, same = (
        next(iter(np.flatnonzero(usable & (real == called)).tolist()), None) for called in (not real[0], real[0])
    )
    means, own = np.array(settings.means or np.zeros((2, 3)), np.float32), int(real[0])
    chance = Chance.of([settings.name], side=pixels.shape[1], seed=settings.seed)
    lender, twin = (pixels[at or 0][None] for at in (other, same))
    return Batch(pixels[:1], lender, twin, means[None, 1 - own], means[None, own], chance), other, same


def _effects(
    detector: "Detector", margins: NDArray[np.float32], sizes: NDArray[np.float32], before: float, donor: float
) -> tuple[tuple[After, ...], After | None, bool]:
    """Judge the changes classified so far: their effects, the smallest flip, and whether fine detail decides."""
    columns, p_real = probe_columns(), detector.p_real(margins)
    answers = pd.DataFrame([margins], columns=list(columns))
    flips = flipped_predictions(answers, np.array([before > 0]))
    controlled = controlled_flips(flips, answers.notna())
    after = tuple(
        After(
            column,
            float(donor if probe.changes_donor else before),
            float(margins[at]),
            float(p_real[at]),
            float(sizes[at]),
            bool(flips[column].iloc[0]),
            column in controlled and bool(controlled[column].iloc[0]),
            detector.side,
        )
        for at, (column, (probe, _)) in enumerate(columns.items())
    )
    own = list(own_columns())
    least = int(smallest_flips(controlled[own], pd.DataFrame([sizes], columns=list(map(size_column, columns))))[0][0])
    smallest = None if least < 0 else after[list(columns).index(own[least])]
    return after, smallest, bool(detail_flips(flips, answers)[0])


def amplified(picture: Pixels, image: Pixels) -> tuple[Pixels, int]:
    """Amplify the difference of two images around grey (128), and return the integer factor as well."""
    change = picture.astype(np.int64) - image
    gain = int(np.clip(127 // max(int(np.abs(change).max()), 1), 1, MAX_GAIN))
    return np.clip(128 + gain * change, 0, 255).astype(np.uint8), gain


def describe_effect(result: ProbeResult, one: After) -> str:
    """Say what a change did."""
    whose = "the other image is" if one.probe.changes_donor else "the verdict is"
    controls = [control for control in map(result.get, one.controls) if control.known]
    flipping = [control.probe.inline for control in controls if control.flipped]
    beside = ""
    if one.flipped and controls:
        beside = f"; its control, {flipping[0]}, flips it too" if flipping else "; its control does not flip it"
    return (
        f"{whose} {'now' if one.flipped else 'still'} {one.verdict}{beside} "
        f"(margin {one.before:+.2f} to {one.margin:+.2f}, a change of {one.size:.2g} grey levels)"
    )
