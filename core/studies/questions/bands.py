"""Which band of detail does a verdict need: fine, medium, or fine relative to medium?

How cells, controls and swaps are made stands in `core.perturbations.bands`.

Fine detail is needed relative to medium detail if fewer verdicts flip where medium detail is absent too, though that is
the larger change. An interaction of the two effects would not show that, since verdicts that have flipped cannot flip
again. With both removed, some of it is the verdict FAKE that blurred pictures get: of `swift`, 33% of FAKE verdicts
flip then, and 38% of REAL ones. A stranger's detail leaves no blur.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from core.arrays import Float32, Mask
from core.findings.contrast import Contrast, Finding
from core.findings.intervals import weighted_mean
from core.findings.paired import compare_means, compare_shares, strongest_first
from core.perturbations.bands import (
    ABSENCES,
    BANDS,
    CELLS,
    ELSEWHERE,
    LEVELS,
    SWAPPED,
    SWAPS,
    WITHOUT_FINE,
    Originals,
    cell_column,
    control_column,
)
from core.perturbations.flips import short_margins
from core.perturbations.frequency import spectra_of
from core.perturbations.probe import Chance
from core.runs.run import Run
from core.studies.shared.flips import lent_images
from core.studies.shared.groups import groups
from core.studies.study import Context, Parameters, Rows, Study

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
