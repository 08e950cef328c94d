"""Flip rates of the probes over a test set beside those of their controls, and which images lend their detail to which.

Rates are given by verdict, because a change pushes towards one class: a rate pooled over both verdicts would hide that.
Donors are chosen by the id of the image alone, among those judged correctly. Needs no torch.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Mask, Pixels, Positions
from core.findings.contrast import Contrast, Control
from core.findings.intervals import weighted_lead, weighted_share
from core.findings.paired import strongest_first
from core.images.labels import UNLABELLED, other_class
from core.perturbations.flips import flip_values
from core.perturbations.probe import Probe, Strength, number_of
from core.perturbations.registry import PROBES, probe_columns, probe_pictures
from core.runs.run import Run
from core.studies.study import WEIGHT, Context

# in place of a donor's position, where no image qualifies
NO_DONOR = -1
# in place of a category, of images of every category or of none
ANY_CATEGORY = -1
By = Literal["verdict", "cell"]


class Donors(NamedTuple):
    """Positions of donors in a run; `NO_DONOR` where no image qualifies.

    Attributes:
        other: intp (M,), of a correctly classified image with the other verdict.
        same: intp (M,), of another correctly classified image with the same verdict.
    """

    other: Positions
    same: Positions


def choose_donors(run: Run, rows: Positions, *, seed: int = 0) -> Donors:
    """Choose donors for the images at `rows`, intp (M,), from the same category where one of it fits."""
    table = run.predictions
    predicted = run.predicted_real
    is_right = predicted == (table["label"] == "REAL").to_numpy()
    category = pd.factorize(table["category"])[0]
    ids = table["id"].to_numpy(str)
    # a repeated file would lend an image to itself, and must not borrow from its first copy
    usable = np.flatnonzero(is_right & ~table["is_repeat"].to_numpy(bool))
    files = pd.factorize(table["sha256"])[0]
    first = np.unique(files, return_index=True)[1][files]
    # verdict and category -> positions of those that may lend
    lenders = {}
    for real in (False, True):
        every = usable[predicted[usable] == real]
        lenders[real, ANY_CATEGORY] = every
        for kind in range(category.max() + 1):
            lenders[real, kind] = every[category[every] == kind]
    donors = Donors(np.full(len(rows), NO_DONOR), np.full(len(rows), NO_DONOR))
    for number, row in enumerate(rows):
        draw = number_of(f"donor {ids[row]}", seed)
        own = bool(predicted[row])
        for chosen, real in ((donors.other, not own), (donors.same, own)):
            for kind in (category[row], ANY_CATEGORY):
                if chosen[number] == NO_DONOR:
                    chosen[number] = _draw(lenders[real, kind], draw, but=first[row])
    return donors


def _draw(positions: Positions, draw: int, *, but: int) -> int:
    """Return the position that a number draws, or the next where that is the one to leave out."""
    for number in range(draw, draw + len(positions)):
        position = int(positions[number % len(positions)])
        if position != but:
            return position
    return NO_DONOR


def lent_images(context: Context, rows: Positions, *, seed: int) -> tuple[dict[str, Pixels], dict[str, Mask]]:
    """Read the donors of the images at `rows`, intp (M,).

    Returns:
        uint8 (M, side, side, 3) by "other" and "same" verdict, and bool (M,), which images lack such a donor: they are
        their own, and those results are dropped.
    """
    pixels = {}
    lacking = {}
    for verdict, chosen in choose_donors(context.run, rows, seed=seed)._asdict().items():
        lacking[verdict] = chosen == NO_DONOR
        pixels[verdict] = np.asarray(context.pixels[np.where(lacking[verdict], rows, chosen)])
    return pixels, lacking


class ProbeExample(NamedTuple):
    """An image under every probe.

    Attributes:
        image: uint8 (side, side, 3).
        donor: uint8 (side, side, 3), an image of the other verdict that lends to it; None if none is available.
        pictures: column -> uint8 (side, side, 3), the changed picture; probes whose donor is missing are left out.
    """

    image: Pixels
    donor: Pixels | None
    pictures: Mapping[str, Pixels]


def probe_example(run: Run, row: int, get: Callable[[int], Pixels | None], *, seed: int = 0) -> ProbeExample | None:
    """Make every picture that the study `probes` judges for one image.

    Args:
        run: whose image it is.
        row: its position.
        get: position -> uint8 (side, side, 3), or None where the picture is not available (`Pictures.get`).
        seed: of the study, its parameter.

    Returns:
        The example, or None where the image's own picture is not available.
    """
    image = get(row)
    if image is None:
        return None
    lent = {}
    for verdict, chosen in choose_donors(run, np.array([row]), seed=seed)._asdict().items():
        lent[verdict] = None if chosen[0] == NO_DONOR else get(int(chosen[0]))
    name = str(run.predictions["id"].iloc[row])
    return ProbeExample(image, lent["other"], probe_pictures(image, name=name, seed=seed, **lent))


@dataclass(frozen=True)
class FlipRate:
    """How often one strength of a probe flips the verdicts of one group.

    Attributes:
        verdict: of the images.
        group: within the verdict; "all" where it is not divided.
        column: of the probe's strength.
        contrast: the share that flips, beside its strongest control.
    """

    verdict: str
    group: str
    column: str
    contrast: Contrast

    @property
    def probe(self) -> Probe:
        """The probe."""
        return probe_columns()[self.column][0]

    @property
    def strength(self) -> Strength:
        """Its strength."""
        return probe_columns()[self.column][1]

    @property
    def flipped(self) -> str:
        """The verdict that flips: the other one where the probe changes a donor."""
        if self.probe.changes_donor:
            return other_class(self.verdict)
        return self.verdict


def by_change(table: pd.DataFrame) -> pd.DataFrame:
    """Name the margins of a study of probes by the changes that they were measured after."""
    return table.rename(columns=lambda name: name.removesuffix("_margin"))


def read_flips(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Join the study's table with the run's predictions of the same images.

    Args:
        run: whose study it is.
        table: `StudyResult.table`.

    Returns:
        The table `by_change`, and `verdict` and `cell` (the true class).
    """
    where = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    rows = run.predictions.iloc[where].reset_index(drop=True)
    added = {
        "verdict": rows["predicted"].astype(str).astype("category"),
        "cell": rows["label"].astype(object).fillna(UNLABELLED),
    }
    return pd.concat([by_change(table).reset_index(drop=True), pd.DataFrame(added)], axis=1)


def strengths_in(rows: pd.DataFrame, probe: Probe) -> list[Strength]:
    """List the strengths of a probe that a table holds with their controls; an older file may lack some."""
    keys = (probe.key, *probe.controls)
    return [step for step in probe.strengths if all(PROBES[key].column(step.key) in rows for key in keys)]


def compare_flips(
    rows: pd.DataFrame, column: str, controls: Sequence[str], *, kind: str = "control", value: str = ""
) -> Contrast:
    """Compare how often a change flips the verdict with the strongest of some controls.

    Args:
        rows: from `read_flips`, of one verdict.
        column: of the change.
        controls: keys of probes; those that the table lacks, or that could not be made, are left out.
        kind, value: of the choice; the control's name where `value` is "".
    """
    _, strength = probe_columns()[column]
    weights = rows[WEIGHT]
    real = (rows["verdict"] == "REAL").to_numpy()
    flips = flip_values(rows[column], real, column)
    made = np.isfinite(flips)
    share = weighted_share(flips[made] > 0, weights[made])
    contrasts = []
    for key in controls:
        name = PROBES[key].column(strength.key)
        if name not in rows:
            continue
        others = flip_values(rows[name], real, name)
        both = np.isfinite(flips) & np.isfinite(others)
        if both.any():
            control = Control(PROBES[key].inline, weighted_share(others[both] > 0, weights[both]))
            difference = weighted_lead(flips[both] - others[both], weights[both])
            contrasts.append(Contrast(kind, value or control.name, share, control, difference))
    return next(iter(strongest_first(contrasts)), Contrast(kind, value, share))


def flip_rates(rows: pd.DataFrame, *, by: By = "verdict", probes: Sequence[str] | None = None) -> list[FlipRate]:
    """Compute how often each strength of each probe flips verdicts.

    Args:
        rows: from `read_flips`.
        by: groups within a verdict: "verdict" for none, "cell" for the true class.
        probes: keys; all of them, controls included, when None.

    Returns:
        One for each verdict, group, probe and strength with images.
    """
    groups = pd.Series("all", rows.index)
    if by == "cell":
        groups = rows["cell"]
    rates = []
    for (verdict, group), own in rows.groupby(["verdict", groups], observed=True):
        for probe in map(PROBES.__getitem__, probes or PROBES):
            for strength in strengths_in(rows, probe):
                column = probe.column(strength.key)
                contrast = compare_flips(own, column, probe.controls)
                if contrast.n:
                    rates.append(FlipRate(verdict, str(group), column, contrast))
    return rates
