"""Which band of detail does a verdict need: fine, medium, or fine relative to medium?

Fine detail are waves of under 4 pixels, down to 1.4 in the corners of the spectrum; medium detail are waves of 4 to 8.
Each is kept, halved or absent, which makes nine cells, and what is absent is tried in three ways. With the spectrum F
of the image and the gain g (0, 1/2 or 1) of each wave's amplitude, a cell has the spectrum

- removed: g F. The energy falls with g squared.
- scrambled: F u / abs(u), with u = g + sqrt(1 - g^2) exp(i phi) and the phases phi of white noise, shared by the
  channels. Every amplitude stays, and the phase is the mean of the image's own and a random one, weighted by g and
  sqrt(1 - g^2) (weighted mean phase: Dakin et al. 2002, Current Biology 12, R476).
- swapped: g F + sqrt(1 - g^2) D, with the spectrum D of an image of the same verdict. Since two images' waves are
  uncorrelated, the energy goes over from the one to the other and does not fall in between.

The controls change as much energy by a random grey pattern in another band: in coarse detail, which no cell touches, or
in the band that is kept.

Fine detail is needed relative to medium detail if fewer verdicts flip where medium detail is absent too, though that is
the larger change. An interaction of the two effects would not show that, since verdicts that have flipped cannot flip
again. With both removed, some of it is the verdict FAKE that blurred pictures get: of `swift`, 33% of FAKE verdicts
flip then, and 38% of REAL ones. A stranger's detail leaves no blur.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from core.arrays import Float32, Float64, Mask, Pixels
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_mean
from core.findings.paired import compare_means, compare_shares, strongest_first
from core.perturbations.flips import short_margins
from core.perturbations.frequency import (
    Ring,
    Spectra,
    energy,
    images_of,
    patterned_elsewhere,
    random_phases,
    ring,
    spectra_of,
    transplanted,
)
from core.perturbations.probe import Chance
from core.runs.run import Run
from core.storage.memory import lazy_property
from core.studies.shared.flips import lent_images
from core.studies.shared.groups import groups
from core.studies.study import Context, Parameters, Rows, Study

# radii of the spectrum at which bands begin, see `core.perturbations.frequency`: waves of 8 pixels and of 4
MEDIUM_RADIUS = 4
FINE_RADIUS = 8
BANDS = {
    "fine": "fine detail (waves of 1.4 to 4 pixels)",
    "medium": "medium detail (waves of 4 to 8 pixels)",
    "coarse": "coarse detail (waves of 8 pixels and more)",
}
REMOVED = "removed"
SCRAMBLED = "scrambled"
SWAPPED = "swapped"
ABSENCES = {
    REMOVED: "removed",
    SCRAMBLED: "its phases scrambled",
    SWAPPED: "that of another image of the same verdict",
}
# key of a level -> gain, and in words
LEVELS = {"0": (0.0, "absent"), "half": (0.5, "halved"), "1": (1.0, "kept")}
CELLS = tuple(cell for cell in product(LEVELS, LEVELS) if cell != ("1", "1"))
# band that is absent -> bands in which its controls add a pattern, the coarse first
ELSEWHERE = {"fine": ("coarse", "medium"), "medium": ("coarse", "fine")}
# a coarse pattern as large as the change of medium detail, in a picture without fine detail
WITHOUT_FINE = "medium_by_coarse_without_fine_margin"
# what is swapped in, beside the cell `swapped_0_1`
SWAPS = {
    "other_fine": "fine detail of an image of the other verdict",
    "other_rest": "all but fine detail of an image of the other verdict",
    "same_rest": "all but fine detail of another image of the same verdict",
}
QUESTIONS = {
    "fine": "Do {} verdicts need fine detail?",
    "medium": "Do {} verdicts need medium detail?",
    "relative": "Do {} verdicts need fine detail relative to medium detail?",
    "class-fine": "Do {} verdicts rest on the fine detail of their class?",
    "class-rest": "Do {} verdicts rest on the medium and coarse detail of their class?",
}
# finding of flips -> what flips
SUBJECTS = {
    "fine": "removing fine detail",
    "medium": "removing medium detail",
    "relative": "removing fine detail alone",
}


def cell_column(absence: str, fine: str, medium: str) -> str:
    """Name the column of a cell: `removed_0_half_margin` has no fine and half of the medium detail."""
    return f"{absence}_{fine}_{medium}_margin"


def control_column(absence: str, band: str, elsewhere: str) -> str:
    """Name the column of a control of the cell in which one band is absent."""
    return f"{absence}_{band}_by_{elsewhere}_margin"


def _columns() -> dict[str, str]:
    columns = {}
    for absence, words in ABSENCES.items():
        for fine, medium in CELLS:
            levels = f"{BANDS['fine']} {LEVELS[fine][1]}, {BANDS['medium']} {LEVELS[medium][1]}"
            columns[cell_column(absence, fine, medium)] = f"Margin with {levels}; absent detail is {words}"
        for band, elsewhere in ELSEWHERE.items():
            for other in elsewhere:
                size = f"as large as the change where {BANDS[band]} is {words}"
                columns[control_column(absence, band, other)] = f"Margin with a grey pattern in {BANDS[other]}, {size}"
        columns[f"{absence}_{WITHOUT_FINE}"] = (
            f"Margin with {BANDS['fine']} absent, {words}, and a grey pattern in {BANDS['coarse']}, as large as the "
            "change where medium detail is absent too"
        )
    return columns | {f"swap_{swap}_margin": f"Margin with {words}" for swap, words in SWAPS.items()}


@dataclass(frozen=True, eq=False)
class Originals:
    """N images and what stands in for their absent detail.

    Attributes:
        own: spectra of the images.
        same, other: spectra of their donors with the same and with the other verdict.
        noise: float32 (N, side, side), white noise.
    """

    own: Spectra
    same: Spectra
    other: Spectra
    noise: Float32

    @lazy_property
    def bands(self) -> dict[str, Ring]:
        """The frequencies of each of `BANDS`."""
        side = self.own.shape[1]
        return {
            "fine": ring(FINE_RADIUS, side=side),
            "medium": ring(MEDIUM_RADIUS, FINE_RADIUS, side=side),
            "coarse": ring(0, MEDIUM_RADIUS, side=side),
        }

    def cell(self, absence: str, fine: float, medium: float) -> Spectra:
        """Return the spectra of a cell, see the module.

        Args:
            absence: one of `ABSENCES`.
            fine, medium: gains of the bands, 0 to 1.
        """
        bands = self.bands
        gains = np.ones((*bands["fine"].shape, 1), np.float32)
        gains[bands["fine"]] = fine
        gains[bands["medium"]] = medium
        rest = np.sqrt(1 - gains**2)
        if absence == REMOVED:
            return self.own * gains
        if absence == SWAPPED:
            return self.own * gains + self.same * rest
        turned = gains + rest * random_phases(self.noise)
        return self.own * turned / np.abs(turned)

    def patterned(self, spectra: Spectra, band: str, amount: Float64) -> Pixels:
        """Add a grey pattern of so much energy, float64 (N,), to a band of spectra."""
        outside = ~self.bands[band]
        return patterned_elsewhere(spectra, outside, self.noise[..., None], amount)

    def versions(self) -> Iterator[tuple[str, Pixels]]:
        """Yield each column with its pictures, uint8 (N, side, side, 3)."""
        everywhere = ring(0, side=self.own.shape[1])
        for absence in ABSENCES:
            for fine, medium in CELLS:
                spectra = self.cell(absence, LEVELS[fine][0], LEVELS[medium][0])
                yield cell_column(absence, fine, medium), images_of(spectra)
            without = {"fine": self.cell(absence, 0, 1), "medium": self.cell(absence, 1, 0)}
            amounts = {band: energy(spectra - self.own, everywhere) for band, spectra in without.items()}
            for band, elsewhere in ELSEWHERE.items():
                for other in elsewhere:
                    yield control_column(absence, band, other), self.patterned(self.own, other, amounts[band])
            yield f"{absence}_{WITHOUT_FINE}", self.patterned(without["fine"], "coarse", amounts["medium"])
        fine_ring = self.bands["fine"]
        yield "swap_other_fine_margin", transplanted(self.own, self.other, fine_ring)
        yield "swap_other_rest_margin", transplanted(self.other, self.own, fine_ring)
        yield "swap_same_rest_margin", transplanted(self.same, self.own, fine_ring)


def originals(context: Context, rows: Rows, *, seed: int) -> tuple[Originals, Mapping[str, Mask]]:
    """Read images and their donors.

    Returns:
        The images, and bool (N,), which of them lack a donor, by "same" and "other"; those are their own donors.
    """
    donors, lacking = lent_images(context, rows, seed=seed)
    own = np.asarray(context.pixels[rows])
    chance = Chance.of(context.ids(rows).astype(str).tolist(), side=own.shape[1], seed=seed)
    return Originals(spectra_of(own), spectra_of(donors["same"]), spectra_of(donors["other"]), chance.normal), lacking


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Compute the margins of each image's cells, controls and swaps; NaN where it lacks the donor."""
    images, lacking = originals(context, rows, seed=parameters["seed"])
    table = {"id": context.ids(rows)}
    nothing = np.zeros(len(rows), bool)
    for column, pictures in images.versions():
        margins = short_margins(context.detector.margins(pictures))
        first, second = column.split("_")[:2]
        if first == SWAPPED:
            lacks = lacking["same"]
        else:
            lacks = lacking.get(second, nothing)
        table[column] = np.where(lacks, np.nan, margins).astype(np.float16)
    return pd.DataFrame(table)


def conclude(run: Run, table: pd.DataFrame, _parameters: Parameters) -> Iterator[Finding]:
    """Conclude `fine-`, `medium-`, `relative-`, `class-fine-` and `class-rest-<verdict>`.

    The first three are of flips under the absence "removed", and the other absences are choices. The last two are of
    margins: how far a swap with the other class moves them, beside the same swap within the class.
    """
    swaps = {
        "class-fine": ("swap_other_fine_margin", cell_column(SWAPPED, "0", "1")),
        "class-rest": ("swap_other_rest_margin", "swap_same_rest_margin"),
    }
    swapped = "swapping with the other class"
    within = "the same swap within the class"
    for verdict, part, weights in groups(table, run):
        margins = _towards(part, verdict)
        flips = _flips(margins)
        for name, subject in SUBJECTS.items():
            contrasts: list[Contrast] = []
            for absence, words in ABSENCES.items():
                compared = strongest_first([_compare(flips, weights, pair) for pair in _pairs(name, absence)])
                if contrasts:
                    # of a choice, only the strongest control
                    compared = (replace(compared[0], kind="absence", value=words),)
                contrasts += compared
            question = QUESTIONS[name].format(verdict)
            yield Finding(f"{name}-{verdict}", question, "flip_rate", tuple(contrasts), group=verdict, subject=subject)
        for name, (other, same) in swaps.items():
            moved = margins[["margin", "margin"]].to_numpy() - margins[[other, same]].to_numpy()
            is_known = np.isfinite(moved).all(axis=1)
            own, control = moved[is_known].T
            contrast = compare_means("control", "within the class", own, control, weights[is_known], control=within)
            question = QUESTIONS[name].format(verdict)
            yield Finding(f"{name}-{verdict}", question, "margin_effect", (contrast,), group=verdict, subject=swapped)


def _towards(rows: pd.DataFrame, verdict: str) -> pd.DataFrame:
    """Return all margins towards the verdict of the rows, float64; NaN where there is no donor."""
    margins = rows.filter(regex="margin$").astype(np.float64)
    if verdict == "FAKE":
        return -margins
    return margins


def _flips(towards: pd.DataFrame) -> pd.DataFrame:
    """Return 1 where a verdict flips and 0 where not, NaN where there is no donor."""
    return (towards <= 0).astype(np.float64).where(towards.notna())


def _pairs(name: str, absence: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield what a finding of flips compares under an absence: choice, column, column of the control, control."""
    without_fine = cell_column(absence, "0", "1")
    if name == "relative":
        # without fine detail, alone or under a coarse pattern, and without both
        both = cell_column(absence, "0", "0")
        control = "removing medium detail too"
        yield "fine detail alone", without_fine, both, control
        pattern = "as large a coarse pattern in place of medium detail"
        yield pattern, f"{absence}_{WITHOUT_FINE}", both, control
        return
    cell = without_fine
    if name == "medium":
        cell = cell_column(absence, "1", "0")
    for other in ELSEWHERE[name]:
        control = f"as large a pattern in {other} detail"
        yield control, cell, control_column(absence, name, other), control


def _compare(flips: pd.DataFrame, weights: Float32, pair: tuple[str, str, str, str]) -> Contrast:
    """Compare the flips of one of `_pairs`, of the images that have both."""
    value, own, other, control = pair
    both = flips[[own, other]].to_numpy()
    is_known = np.isfinite(both).all(axis=1)
    first, second = both[is_known].T > 0
    return compare_shares("control", value, first, second, weights[is_known], control=control)


def cell_flips(run: Run, table: pd.DataFrame, verdict: str) -> dict[str, pd.DataFrame]:
    """Estimate the share of verdicts that flip in each cell.

    Returns:
        Absence, in words -> shares, 0 to 1: a row a level of fine, a column a level of medium detail, all of it first.
    """
    tables = {}
    levels = list(reversed(LEVELS))
    names = [LEVELS[level][1] for level in levels]
    for group, part, weights in groups(table, run):
        if group != verdict:
            continue
        flips = _flips(_towards(part, verdict))
        for absence, words in ABSENCES.items():
            shares = pd.DataFrame(0.0, levels, levels)
            for fine, medium in CELLS:
                shares.loc[fine, medium] = weighted_mean(flips[cell_column(absence, fine, medium)], weights).value
            shares.index = pd.Index([f"fine {name}" for name in names])
            tables[words] = shares.set_axis([f"medium {name}" for name in names], axis=1)
    return tables


STUDY = Study(
    name="bands",
    title="Bands of detail",
    question="Does a verdict need fine detail, medium detail, or fine relative to medium detail?",
    columns=_columns(),
    control="A random grey pattern in another band, as large as the change; for swaps, the same swap within the class.",
    compute=compute,
    conclude=conclude,
    parameters={"seed": 0},
    shard=64,
)
