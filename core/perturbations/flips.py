"""Flips: which probes change a verdict, and whether fine detail decides it, for one image or a whole test set."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.perturbations.probe import Probe, size_column
from core.perturbations.table import PROBES, probe_columns

# precision of stored sizes and margins: enough to compare them, and the study's file is a third smaller
SIZE_DIGITS = 2
MARGIN_BITS = 7


def own_columns() -> dict[str, Probe]:
    """Map the columns that support conclusions to their probes: no controls, changed donors or `excess` strengths."""
    return {
        column: probe
        for column, (probe, strength) in probe_columns().items()
        if not (probe.is_control or probe.changes_donor or strength.excess)
    }


def short_sizes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round numbers to `SIZE_DIGITS` significant digits."""
    some = np.where(values > 0, values, 1)
    scale = 10.0 ** (SIZE_DIGITS - 1 - np.floor(np.log10(some)))
    return np.asarray(np.rint(values * scale) / scale, np.float32)


def short_margins(margins: NDArray[np.float32]) -> NDArray[np.float16]:
    """Round margins to float16 with `MARGIN_BITS` bits of mantissa: to 0.4%, their sign unchanged."""
    step = np.uint16(1 << (10 - MARGIN_BITS))
    bits = np.asarray(margins, np.float16).view(np.uint16)
    short = (bits + step // 2) & ~(step - np.uint16(1))
    # a small number would become 0, which is no side of it
    lost = (np.asarray(margins) != 0) & ((short & np.uint16(0x7FFF)) == 0)
    return np.asarray(np.where(lost, short | step, short), np.uint16).view(np.float16)


def flipped_predictions(margins: pd.DataFrame, called_real: NDArray[np.bool_]) -> pd.DataFrame:
    """Find the changes that flip the verdict: bool, one column per strength, False where it could not be made.

    A change to a donor counts as a flip if it gives the donor the image's verdict.
    """
    columns = probe_columns()
    values = margins[list(columns)].to_numpy()
    donors = np.array([probe.changes_donor for probe, _ in columns.values()])
    return pd.DataFrame(~np.isnan(values) & (((values > 0) == called_real[:, None]) == donors), columns=list(columns))


def controlled_flips(turned: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Find the changes to the image that flip the verdict while no control does: bool, one column per strength.

    Args:
        turned: from `flipped_predictions`.
        known: bool, the same columns, True where the change could be made. A flip whose controls could not be made is
            not controlled.
    """
    clean = {}
    # a data frame takes longer to find a column than an image takes to be asked
    flags, there = turned.to_numpy(bool), known[turned.columns].to_numpy(bool)
    place = {column: at for at, column in enumerate(turned.columns)}
    for column, (probe, strength) in probe_columns().items():
        if not (probe.is_control or probe.changes_donor):
            controls = [place[PROBES[key].column(strength.key)] for key in probe.controls]
            clean[column] = flags[:, place[column]]
            if controls:
                clean[column] = clean[column] & ~flags[:, controls].any(axis=1) & there[:, controls].any(axis=1)
    return pd.DataFrame(clean, index=turned.index)


def smallest_flips(clean: pd.DataFrame, sizes: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Find the smallest change that flips each verdict while its controls do not.

    Args:
        clean: from `controlled_flips`, the columns that bear claims.
        sizes: root mean square of each change in grey levels, columns named by `size_column`.

    Returns:
        intp (N,), the position among the columns of `clean`, -1 where none flips it; float64 (N,), its size in grey
        levels, NaN where none flips it. Sizes are compared by their first `SIZE_DIGITS` digits.
    """
    shown = short_sizes(sizes[[size_column(column) for column in clean.columns]].to_numpy(np.float32))
    cost = np.where(clean.to_numpy(bool), shown.astype(np.float64), np.inf)
    some = clean.to_numpy(bool).any(axis=1)
    return np.where(some, cost.argmin(axis=1), -1), np.where(some, cost.min(axis=1), np.nan)


def summarise_flips(margins: pd.DataFrame, sizes: pd.DataFrame, called_real: NDArray[np.bool_]) -> pd.DataFrame:
    """Summarise what flips each verdict in a few columns to browse by.

    Args:
        margins: a column for each strength of each probe.
        sizes: the size of each of those changes.
        called_real: bool (N,), the verdict.
    """
    turned, known = flipped_predictions(margins, called_real), margins[list(probe_columns())].notna()
    own = own_columns()
    clean = controlled_flips(turned, known)[list(own)]
    least, size = smallest_flips(clean, sizes)
    # the last is for verdicts that nothing flips
    keys = np.array([*(probe.key for probe in own.values()), None], object)
    steps = (probe_columns()[column] for column in own)
    names = np.array([*(f"{probe.title}, {step.waves or step.at_any_side}" for probe, step in steps), None], object)
    families = np.array([probe.family for probe in own.values()])
    flags = clean.to_numpy(bool)
    count = sum(flags[:, families == family].any(axis=1).astype(np.int8) for family in dict.fromkeys(families))
    lowpass = [one for one in PROBES["lowpass"].strengths if not one.excess]
    removed = turned[[PROBES["lowpass"].column(one.key) for one in lowpass]].to_numpy(bool)
    finest = np.where(removed, [one.value for one in lowpass], -np.inf).max(axis=1)
    return pd.DataFrame(
        {
            "smallest_flip": names[least],
            "turned_by": keys[least],
            "turned_size": size.astype(np.float16),
            "turned_families": np.asarray(count, np.int8),
            "detail_radius": np.where(np.isfinite(finest), finest, np.nan).astype(np.float16),
            "detail_both_ways": detail_flips(turned, margins),
        }
    )


def detail_flips(flips: pd.DataFrame, margins: pd.DataFrame) -> NDArray[np.bool_]:
    """Decide whether the fine detail beyond some radius decides each verdict, in both directions: bool (N,).

    Removing it, or replacing it by that of the donor of the other class, flips the verdict while no control does; and
    put into that donor it gives it the image's verdict. A change that could not be made shows nothing.

    Args:
        flips: from `flipped_predictions`.
        margins: NaN where a change could not be made.
    """

    def outcomes(key: str, strength: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        column = PROBES[key].column(strength)
        return flips[column].to_numpy(bool), margins[column].notna().to_numpy()

    decided = np.zeros(len(flips), bool)
    for strength in (one.key for one in PROBES["lend"].strengths):
        taken = np.zeros(len(flips), bool)
        for key in ("lowpass", "transplant"):
            controls = [outcomes(control, strength) for control in PROBES[key].controls]
            taken |= outcomes(key, strength)[0] & np.all([made & ~flipped for flipped, made in controls], axis=0)
        decided |= taken & outcomes("lend", strength)[0]
    return decided
