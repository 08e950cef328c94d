"""Probing one image: the verdict after each small named change, and a one-sentence conclusion."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.explainer import check_finite
from core.explainers.explanation import Judged, Provenance
from core.explainers.settings import ExplanationError
from core.findings.numbers import plus
from core.images.labels import ClassName, other_class, verdict_of
from core.perturbations.flips import (
    DETAIL_TESTS,
    controlled_flips,
    detail_decides,
    flipped_predictions,
    own_columns,
    smallest_flips,
)
from core.perturbations.photometric import rms
from core.perturbations.probe import Batch, Chance, Probe, Strength, size_column
from core.perturbations.table import PROBES, probe_columns

if TYPE_CHECKING:
    from core.detectors.detector import Detector


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


Pixels = NDArray[np.uint8]
# pictures between two checks of `cancel`
BATCH = 32
# the most that a change is amplified
MAX_GAIN = 32


@dataclass(frozen=True, eq=False)
class _Job:
    """One image with everything that its probes need, before any has been run.

    Attributes:
        other, same: uint8 (K, side, side, 3), rightly classified donors of the other and the same verdict.
        other_margin: of the first donor of the other verdict, NaN without one.
        pictures: uint8 (C, side, side, 3), one per column; the image itself where the change cannot be made.
        sizes: float32 (C,), NaN where it cannot be made.
        queue: uint8 (Q, side, side, 3), the pictures to classify: those of `pictures` that could be made, then those
            made with the donors after the first.
        lent: the columns of the latter, in order: (column, number of pictures).
    """

    detector: "Detector"
    settings: ProbeSettings
    image: Pixels
    margin: float
    other: Pixels
    same: Pixels
    other_margin: float
    pictures: Pixels
    sizes: NDArray[np.float32]
    queue: Pixels
    lent: tuple[tuple[str, int], ...]
    started: float


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
            are REAL; see `core.studies.donors.with_donors`. Without donors, probes that need them are left out.
        settings: `ProbeSettings()` when None.
        cancel: called between batches; the iteration ends once it returns True.

    Yields:
        Results with more and more of the changes classified; the last is `complete` and has the sentence.

    Raises:
        ExplanationError: `pixels` has the wrong shape or dtype or fewer pictures than the settings say, or the
            detector's output is not finite.
    """
    job = _prepare(detector, pixels, settings or ProbeSettings())
    found = np.zeros(0, np.float32)
    for start in range(0, len(job.queue), BATCH):
        if cancel is not None and cancel():
            return
        found = np.concatenate([found, _margins(detector, job.queue[start : start + BATCH])])
        yield _result(job, found, judged=len(pixels))


def _margins(detector: "Detector", pixels: Pixels) -> NDArray[np.float32]:
    margins = detector.margins(pixels)
    check_finite(detector, margins)
    return margins


def _prepare(detector: "Detector", pixels: Pixels, settings: ProbeSettings) -> _Job:
    started = time.perf_counter()
    side = detector.side
    if pixels.shape[1:] != (side, side, 3) or pixels.dtype != np.uint8:
        raise ExplanationError(
            f"pixels must be uint8 (N, {side}, {side}, 3), not {pixels.dtype} {pixels.shape}; resize it first"
        )
    if len(pixels) < 1 + settings.donors:
        raise ExplanationError(f"pixels must hold the image and {settings.donors} donors, not {len(pixels)} pictures")
    margins = _margins(detector, pixels)
    real = margins > 0
    # a donor that this detector misclassifies is not used
    rightly = real == (np.arange(len(pixels)) > settings.donors)
    donors = np.arange(len(pixels)) > 0
    other, same = (np.flatnonzero(donors & rightly & (real == called)) for called in (not real[0], real[0]))
    lenders = pixels[other], pixels[same]
    batch = _batch(pixels[0], *lenders, settings, called_real=bool(real[0]))
    lacking = {"nothing": False, "other": not len(other), "same": not len(same)}
    pictures, sizes = [], []
    for probe, strength in probe_columns().values():
        if lacking[probe.needs] or (probe.key in ("tint", "tint_control") and settings.means is None):
            pictures.append(pixels[0])
            sizes.append(np.nan)
            continue
        pictures.append(probe.edit(batch, strength.value)[0])
        sizes.append(float(rms(pictures[-1][None], batch.other if probe.changes_donor else batch.pixels)[0]))
    made = np.flatnonzero(np.isfinite(sizes))
    lent, more = _other_donors(pixels[0], *lenders)
    return _Job(
        detector=detector,
        settings=settings,
        image=pixels[0],
        margin=float(margins[0]),
        other=lenders[0],
        same=lenders[1],
        other_margin=float(margins[other[0]]) if len(other) else np.nan,
        pictures=np.stack(pictures),
        sizes=np.array(sizes, np.float32),
        queue=np.concatenate([np.stack(pictures)[made], *more]),
        lent=lent,
        started=started,
    )


def _batch(image: Pixels, other: Pixels, same: Pixels, settings: ProbeSettings, *, called_real: bool) -> Batch:
    """Make the batch of the image with the first donor of each verdict; without one the image is its own donor."""
    means = np.array(settings.means or np.zeros((2, 3)), np.float32)
    own = int(called_real)
    first, second = (lenders[:1] if len(lenders) else image[None] for lenders in (other, same))
    chance = Chance.of([settings.name], side=len(image), seed=settings.seed)
    return Batch(image[None], first, second, means[None, 1 - own], means[None, own], chance)


def _other_donors(image: Pixels, other: Pixels, same: Pixels) -> tuple[tuple[tuple[str, int], ...], list[Pixels]]:
    """Swap detail with the donors after the first: (column, number of pictures) and the pictures of each."""
    lent, made = [], []
    # the first donor is in the main batch
    lenders = {"other": other[1:], "same": same[1:]}
    for key in DETAIL_TESTS:
        probe = PROBES[key]
        if probe.needs == "nothing" or not len(lenders[probe.needs]):
            continue
        donors = lenders[probe.needs]
        copies = np.broadcast_to(image, donors.shape)
        none = np.zeros((len(donors), 3), np.float32)
        # these edits use no randomness
        batch = Batch(copies, donors, donors, none, none, Chance.of([""] * len(donors), side=len(image)))
        for strength in probe.strengths:
            lent.append((probe.column(strength.key), len(donors)))
            made.append(probe.edit(batch, strength.value))
    return tuple(lent), made


def _result(job: _Job, found: NDArray[np.float32], *, judged: int) -> ProbeResult:
    columns = probe_columns()
    margins = np.full(len(columns), np.nan, np.float32)
    made = np.flatnonzero(np.isfinite(job.sizes))
    margins[made[: len(found)]] = found[: len(made)]
    complete = len(found) == len(job.queue)
    called_real = job.margin > 0
    answers = pd.DataFrame([margins], columns=list(columns))
    turned = flipped_predictions(answers, np.array([called_real]))
    clean = controlled_flips(turned, answers.notna())
    flipped, controlled = (dict(zip(one.columns, one.to_numpy()[0].tolist(), strict=True)) for one in (turned, clean))
    p_real = job.detector.p_real(margins)
    after = tuple(
        After(
            column,
            job.other_margin if probe.changes_donor else job.margin,
            float(margins[at]),
            float(p_real[at]),
            float(job.sizes[at]),
            flipped[column],
            controlled.get(column, False),
            len(job.image),
        )
        for at, (column, (probe, _)) in enumerate(columns.items())
    )
    hits = turned.astype(float).where(answers.notna())
    detail = _detail(job, hits, found[len(made) :]) if complete else ()
    smallest = _smallest(job, after, clean) if complete else None
    result = ProbeResult(
        image=job.image,
        margin=job.margin,
        p_real=float(job.detector.p_real(np.array(job.margin, np.float32))),
        provenance=Provenance(job.detector.name, job.detector.sha256, time.perf_counter() - job.started),
        settings=job.settings,
        after=after,
        pictures=job.pictures,
        smallest=smallest,
        detail=detail,
        sentence="",
        done=judged + len(found),
        total=judged + len(job.queue),
    )
    return replace(result, sentence=conclude(result)) if complete else result


def _smallest(job: _Job, after: tuple[After, ...], clean: pd.DataFrame) -> After | None:
    sizes = pd.DataFrame([job.sizes], columns=[size_column(one.column) for one in after])
    own = list(own_columns())
    least = int(smallest_flips(clean[own], sizes)[0][0])
    return None if least < 0 else after[list(probe_columns()).index(own[least])]


def amplified(picture: Pixels, image: Pixels) -> tuple[Pixels, int]:
    """Amplify the difference of two images around grey (128), and return the integer factor as well."""
    change = picture.astype(np.int64) - image
    gain = int(np.clip(127 // max(int(np.abs(change).max()), 1), 1, MAX_GAIN))
    return np.clip(128 + gain * change, 0, 255).astype(np.uint8), gain


def _detail(job: _Job, turned: pd.DataFrame, found: NDArray[np.float32]) -> tuple[DetailTest, ...]:
    """Evaluate the tests of fine detail over all donors; `turned` is 1 or 0 for the first, NaN where not possible."""
    if not len(job.other):
        return ()
    called_real = job.margin > 0
    hits = {column: [float(turned[column].iloc[0])] for column in turned.columns}
    start = 0
    for column, count in job.lent:
        real = found[start : start + count] > 0
        hits[column] += (real == (called_real == probe_columns()[column][0].changes_donor)).tolist()
        start += count
    tests = []
    for strength in PROBES["lend"].strengths:
        own = {key: hits[PROBES[key].column(strength.key)] for key in DETAIL_TESTS}
        shares = {key: np.array([np.mean(one)]) for key, one in own.items()}
        tests.append(
            DetailTest(
                radius=strength.label,
                removed=bool(own["lowpass"][0]) and not any(own[key][0] for key in PROBES["lowpass"].controls),
                donors=len(job.other),
                replaced=int(sum(own["transplant"])),
                control=float(np.fmax.reduce([shares[key][0] for key in PROBES["transplant"].controls])),
                lent=int(sum(own["lend"])),
                decides=bool(detail_decides(shares)[0]),
            )
        )
    return tuple(tests)


def conclude(result: ProbeResult) -> str:
    """Say what decides this verdict, as far as the probes can tell."""
    test = next((one for one in result.detail if one.decides), None)
    if test is not None:
        return f"{_detail_words(result, test)}{_also(result)}."
    if result.smallest is not None:
        after = result.smallest
        control = _controls(result, after)
        return (
            f"Called {result.verdict}: the smallest change that flips it is {name_of(after)}, "
            f"which moves values by about {levels(after.size)} of 255{control}."
        )
    return _unturned(result)


def name_of(after: After) -> str:
    """Name a change and its strength within a sentence."""
    return f"{after.probe.inline} ({after.strength.label})"


def levels(size: float) -> str:
    """Write the root mean square of a change in words."""
    return f"{size:.1f} grey levels" if size < 10 else f"{size:.0f} grey levels"


def _detail_words(result: ProbeResult, test: DetailTest) -> str:
    other = other_class(result.verdict)
    taken = (
        f"without what is finer than {test.radius} it is called {other}"
        if test.removed
        else f"with that of {other} images beyond {test.radius} in its place it is called {other} "
        f"({test.replaced} of {test.donors})"
    )
    return (
        f"Called {result.verdict} for its fine detail: {taken}, and the same detail put into {test.donors} {other} "
        f"image{'s' if test.donors > 1 else ''} makes {test.lent} of them {result.verdict}"
    )


def _also(result: ProbeResult) -> str:
    if result.smallest is None:
        return ""
    after = result.smallest
    return f"; the smallest change that flips it is {name_of(after)}, about {levels(after.size)} of 255"


def _controls(result: ProbeResult, after: After) -> str:
    tried = [control for control in map(result.get, after.controls) if control.known]
    titles = [control.probe.inline for control in tried]
    if not titles:
        return "; there is no control to compare it with"
    return f", while {' and '.join(titles)} {'do' if len(titles) > 1 else 'does'} not"


def _unturned(result: ProbeResult) -> str:
    own = [one for one in result.after if one.known and not (one.probe.is_control or one.probe.changes_donor)]
    tried = [one for one in own if not one.strength.excess]
    turned = [one for one in tried if one.flipped]
    if turned:
        first = min(turned, key=lambda one: one.size)
        return (
            f"Called {result.verdict}: nothing that flips it is conclusive, because a control flips it too; "
            f"the smallest such change is {name_of(first)}."
        )
    excess = any(one.flipped for one in own if one.strength.excess)
    beyond = ", only changes that remove far more than they are named for do" if excess else ""
    sign = 1 if result.verdict == "REAL" else -1
    nearest = min(tried, key=lambda one: sign * one.margin)
    return (
        f"Called {result.verdict}, and none of {len(tried)} changes flips it{beyond}; {name_of(nearest)} comes "
        f"closest, with a margin of {plus(nearest.margin, 1)} instead of {plus(result.margin, 1)}."
    )


def said(result: ProbeResult, one: After) -> str:
    """Say what a change did."""
    whose = "the other image is" if one.probe.changes_donor else "the verdict is"
    outcome = f"{whose} now {one.verdict}" if one.flipped else f"{whose} still {one.verdict}"
    controls = [control for control in map(result.get, one.controls) if control.known]
    turning = [control.probe.inline for control in controls if control.flipped]
    beside = ""
    if one.flipped and controls:
        beside = f"; its control, {turning[0]}, flips it too" if turning else "; its control does not flip it"
    return f"{outcome}{beside} (margin {plus(one.before)} to {plus(one.margin)}, a change of {levels(one.size)})"
