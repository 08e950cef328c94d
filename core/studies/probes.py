"""Probes of every image: the margin after each small change that has a name, and how large the change was."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.edits import rms
from core.explain.probe_batch import Batch, Chance
from core.explain.probe_table import PROBES, probe_columns, size_column
from core.studies.donors import Donors, choose_donors, class_means
from core.studies.probe_findings import conclude
from core.studies.study import Context, Study

# what they are for needs no more digits, and the file is a third smaller
SIZE_DIGITS = 2
MARGIN_BITS = 7


def make_batch(context: Context, rows: NDArray[np.intp], donors: Donors, *, seed: int) -> Batch:
    """The images at `rows` with their donors; one without a donor is its own, and what comes of it is left out."""
    pixels = np.asarray(context.pixels[rows])
    verdict = (context.run.predictions["predicted"] == "REAL").to_numpy(int)[rows]
    means = class_means(context.run)
    ids = context.run.predictions["id"].to_numpy(str)[rows]
    other, same = (np.asarray(context.pixels[np.where(chosen < 0, rows, chosen)]) for chosen in donors)
    return Batch(pixels, other, same, means[1 - verdict], means[verdict], Chance.of(list(ids), seed=seed))


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """The margin of each image under each strength of each probe, and what turns its verdict."""
    donors = choose_donors(context.run, rows, seed=parameters["seed"])
    batch = make_batch(context, rows, donors, seed=parameters["seed"])
    called_real = (context.run.predictions["predicted"] == "REAL").to_numpy()[rows]
    lacking = {"nothing": np.zeros(len(rows), bool), "other": donors.other < 0, "same": donors.same < 0}
    margins, sizes = {}, {}
    for column, (probe, strength) in probe_columns().items():
        changed = probe.edit(batch, strength.value)
        original = batch.other if probe.changes_donor else batch.pixels
        lacks = lacking[probe.needs]
        margins[column] = np.where(lacks, np.nan, short_margins(context.detector.margins(changed))).astype(np.float16)
        sizes[size_column(column)] = np.where(lacks, np.nan, short_sizes(rms(changed, original)))
    told = tell(pd.DataFrame(margins), pd.DataFrame(sizes), called_real)
    ids = context.run.predictions["id"].to_numpy()[rows]
    parts = [pd.DataFrame({"id": ids}), told, pd.DataFrame(margins), pd.DataFrame(sizes).astype(np.float16)]
    return pd.concat(parts, axis=1)


def short_sizes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers with `SIZE_DIGITS` digits and no more."""
    some = np.where(values > 0, values, 1)
    scale = 10.0 ** (SIZE_DIGITS - 1 - np.floor(np.log10(some)))
    return np.asarray(np.rint(values * scale) / scale, np.float32)


def short_margins(margins: NDArray[np.float32]) -> NDArray[np.float16]:
    """Margins as float16 with `MARGIN_BITS` of the ten bits of the mantissa: to 0.4 %, their sign untouched."""
    step = np.uint16(1 << (10 - MARGIN_BITS))
    bits = np.asarray(margins, np.float16).view(np.uint16)
    return np.asarray((bits + step // 2) & ~(step - np.uint16(1)), np.uint16).view(np.float16)


def tell(margins: pd.DataFrame, sizes: pd.DataFrame, called_real: NDArray[np.bool_]) -> pd.DataFrame:
    """What turns each verdict, in the few columns that can be browsed by.

    Args:
        margins: a column for each strength of each probe.
        sizes: the size of each of those changes.
        called_real: bool (N,), the verdict.
    """
    own = {
        column: probe for column, (probe, _) in probe_columns().items() if not (probe.is_control or probe.changes_donor)
    }
    turned = ((margins[list(own)] > 0).to_numpy() != called_real[:, None]) & margins[list(own)].notna().to_numpy()
    cost = np.where(turned, sizes[[size_column(column) for column in own]].to_numpy(np.float64), np.inf)
    least = cost.argmin(axis=1)
    some = turned.any(axis=1)
    keys = np.array([probe.key for probe in own.values()], object)
    families = np.array([probe.family for probe in own.values()])
    count = sum(turned[:, families == family].any(axis=1).astype(np.int8) for family in dict.fromkeys(families))
    radii = np.array([strength.value for strength in PROBES["lowpass"].strengths])
    finest = np.where(
        (margins[list(PROBES["lowpass"].columns)] > 0).to_numpy() != called_real[:, None], radii, -np.inf
    ).max(axis=1)
    return pd.DataFrame(
        {
            "turned_by": np.where(some, keys[least], None),
            "turned_size": np.where(some, cost.min(axis=1), np.nan).astype(np.float16),
            "turned_families": np.asarray(count, np.int8),
            "detail_radius": np.where(np.isfinite(finest), finest, np.nan).astype(np.float16),
            "detail_both_ways": detail_both_ways(margins, called_real),
        }
    )


def detail_both_ways(margins: pd.DataFrame, called_real: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool (N,): at one radius the other class's detail turns the verdict, its own class's and coarser do not, and the
    image's own detail makes its donor's verdict the image's.
    """
    found = np.zeros(len(margins), bool)
    for strength in PROBES["lend"].strengths:
        after = {key: margins[PROBES[key].column(strength.key)] for key in ("transplant", "lend")}
        still = [margins[PROBES[key].column(strength.key)] for key in PROBES["transplant"].controls]
        taken = ((after["transplant"] > 0) != called_real) & after["transplant"].notna()
        given = ((after["lend"] > 0) == called_real) & after["lend"].notna()
        kept = np.all([((one > 0) == called_real) | one.isna() for one in still], axis=0)
        found |= (taken & given).to_numpy() & kept
    return found


def describe_columns() -> dict[str, str]:
    """Every column in plain words."""
    told = {
        "turned_by": "Smallest probe that turns it, by the size of the change; none where no probe does",
        "turned_size": "Size of the smallest turn, root mean square in grey levels, 0 to 255",
        "turned_families": "Kinds of probes that turn it, 0 to 9",
        "detail_radius": "Mildest low-pass that turns it, radius in cycles an image, 8 to 14; none where none does",
        "detail_both_ways": "Fine detail decides, both ways: the other class's turns it, and its own turns the other",
    }
    margins = {
        column: f"{probe.title}: {strength.label}, margin after it{' of the donor' if probe.changes_donor else ''}"
        for column, (probe, strength) in probe_columns().items()
    }
    sizes = {
        size_column(column): f"{probe.title}: {strength.label}, root mean square of the change, grey levels"
        for column, (probe, strength) in probe_columns().items()
    }
    return told | margins | sizes


STUDY = Study(
    name="probes",
    title="Probes",
    question="Which small change that has a name turns the verdict?",
    columns=describe_columns(),
    better="neither",
    control="each probe has its own: as much energy taken from or put into other rings, a donor of the same class, "
    "the class's own mean colour, the seams without shuffling, as much of the picture covered elsewhere",
    compute=compute,
    conclude=conclude,
    parameters={"seed": 0},
    explore=("turned_by", "turned_size", "turned_families", "detail_radius", "detail_both_ways"),
)
