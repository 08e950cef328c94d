"""Probes of every image: the margin after each small change that has a name, and how large the change was."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.perturbations.flips import short_margins, short_sizes, tell
from core.perturbations.photometric import rms
from core.perturbations.probe import Batch, Chance, size_column
from core.perturbations.table import probe_columns
from core.runs.run import Run
from core.studies.probes.donors import Donors, choose_donors, class_means
from core.studies.study import Context, Study


def make_batch(context: Context, rows: NDArray[np.intp], donors: Donors, *, seed: int) -> Batch:
    """Pair the images at `rows` with their donors; one without is its own donor, and `compute` drops those results."""
    pixels = np.asarray(context.pixels[rows])
    verdict = (context.run.predictions["predicted"] == "REAL").to_numpy(int)[rows]
    means = class_means(context.run)
    ids = context.run.predictions["id"].to_numpy(str)[rows]
    other, same = (np.asarray(context.pixels[np.where(chosen < 0, rows, chosen)]) for chosen in donors)
    return Batch(
        pixels, other, same, means[1 - verdict], means[verdict], Chance.of(list(ids), side=pixels.shape[1], seed=seed)
    )


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The margin of each image under each strength of each probe that is asked for, and the size of the change."""
    donors = choose_donors(context.run, rows, seed=parameters["seed"])
    batch = make_batch(context, rows, donors, seed=parameters["seed"])
    lacking = {"nothing": np.zeros(len(rows), bool), "other": donors.other < 0, "same": donors.same < 0}
    found: dict[str, NDArray[Any]] = {"id": context.run.predictions["id"].to_numpy()[rows]}
    for column, (probe, strength) in probe_columns().items():
        if not context.wants(column, size_column(column)):
            continue
        changed = probe.edit(batch, strength.value)
        original = batch.other if probe.changes_donor else batch.pixels
        lacks = lacking[probe.needs]
        found[column] = np.where(lacks, np.nan, short_margins(context.detector.margins(changed))).astype(np.float16)
        found[size_column(column)] = np.where(lacks, np.nan, short_sizes(rms(changed, original))).astype(np.float16)
    return pd.DataFrame(found)


def derive(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """What turns each verdict, from the margins and sizes under all probes."""
    called_real = run.predictions.set_index("id")["predicted"].loc[table["id"]] == "REAL"
    return tell(table, table, called_real.to_numpy())


DERIVED = {
    "turned_by": "Smallest probe that flips it while its controls do not; none where none does",
    "turned_size": "Size of the smallest flip, root mean square in grey levels, 0 to 255",
    "turned_families": "Kinds of probes that flip it while their controls do not, 0 to 9",
    "detail_radius": "Mildest low-pass that flips it, radius of the spectrum, 8 to 14; none where none does",
    "detail_both_ways": "Fine detail decides, both ways: removed or replaced, it flips; lent to the other class, "
    "that flips",
}


def describe_columns() -> dict[str, str]:
    """Every column in plain words."""
    margins = {
        column: f"{probe.title}: {strength.at_any_side}, margin after it"
        f"{' of the donor' if probe.changes_donor else ''}"
        for column, (probe, strength) in probe_columns().items()
    }
    sizes = {
        size_column(column): f"{probe.title}: {strength.at_any_side}, root mean square of the change, grey levels"
        for column, (probe, strength) in probe_columns().items()
    }
    return DERIVED | margins | sizes


STUDY = Study(
    name="probes",
    title="Probes",
    question="Which small change that has a name flips the verdict?",
    columns=describe_columns(),
    control="each probe has its own: as much energy taken from or put into other rings, a donor of the same class, "
    "the class's own mean colour, the seams without shuffling, as large a square or as wide a frame covered elsewhere",
    compute=compute,
    parameters={"seed": 0},
    derived=tuple(DERIVED),
    derive=derive,
    explore=tuple(DERIVED),
)
