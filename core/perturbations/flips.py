"""Flips: which probes change a verdict, and whether fine detail decides it, for one image or a whole test set."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit

from core.arrays import Float32, Float64, Floats, Mask
from core.images.labels import ClassName, other_class, verdict_of
from core.perturbations.probe import FAMILIES, Probe, size_column
from core.perturbations.registry import PROBES, control_columns, probe_columns

# precision of stored sizes and margins: enough to compare them, and the study's file is a third smaller
SIZE_DIGITS = 2
MARGIN_BITS = 7
NOTHING = "Nothing that we tried flips it."
# verdict on a generated image -> what that comes to
OF_GENERATED = {"FAKE": "is caught", "REAL": "passes as REAL"}
OF_ANY: dict[ClassName, str] = {"FAKE": "is called FAKE", "REAL": "is called REAL"}


def own_columns() -> dict[str, Probe]:
    """Map the columns that support conclusions to their probes: no controls or changed donors."""
    probes = {column: probe for column, (probe, _) in probe_columns().items()}
    return {column: probe for column, probe in probes.items() if not (probe.is_control or probe.changes_donor)}


def short_sizes(values: Float32) -> Float32:
    """Round numbers to `SIZE_DIGITS` significant digits."""
    some = np.where(values > 0, values, 1)
    scale = 10.0 ** (SIZE_DIGITS - 1 - np.floor(np.log10(some)))
    return np.asarray(np.rint(values * scale) / scale, np.float32)


def short_margins(margins: Float32) -> Floats:
    """Round margins to float16 with `MARGIN_BITS` bits of mantissa: to 0.4%, their sign unchanged."""
    step = np.uint16(1 << (10 - MARGIN_BITS))
    bits = np.asarray(margins, np.float16).view(np.uint16)
    short = (bits + step // 2) & ~(step - np.uint16(1))
    # rounding to zero would lose the sign
    lost = (np.asarray(margins) != 0) & ((short & np.uint16(0x7FFF)) == 0)
    return np.asarray(np.where(lost, short | step, short), np.uint16).view(np.float16)


def flip_values(margins: ArrayLike, called_real: Mask, column: str) -> Float64:
    """Compare verdicts before and after a change: float64 (N,), 1 where it flips, 0 where not, NaN where none was made.

    A change to a donor counts as a flip if it gives the donor the image's verdict.

    Args:
        margins: (N,), after the change; NaN where it could not be made.
        called_real: bool (N,), the verdicts on the images.
        column: of the change.
    """
    after = np.asarray(margins, np.float64)
    flips = ((after > 0) == called_real) == probe_columns()[column][0].changes_donor
    return np.where(np.isnan(after), np.nan, flips)


def controlled_flips(flips: pd.DataFrame) -> pd.DataFrame:
    """Find the changes to the image that flip the verdict while no control does: bool, one column per strength.

    Args:
        flips: a column of `flip_values` for each strength. A flip whose controls could not be made is not controlled.
    """
    controlled = {}
    for column, probe in own_columns().items():
        flipped = flips[column] == 1
        if probe.controls:
            controls = flips[control_columns(column)]
            flipped &= ~(controls == 1).any(axis=1) & (controls == 0).any(axis=1)
        controlled[column] = flipped
    return pd.DataFrame(controlled, index=flips.index)


def name_of_change(column: str) -> str:
    """Name a strength of a probe as the column `smallest_flip` does."""
    probe, strength = probe_columns()[column]
    return f"{probe.title}, {strength.waves or strength.at_any_side}"


def summarise_flips(margins: pd.DataFrame, sizes: pd.DataFrame, called_real: Mask) -> pd.DataFrame:
    """Summarise what flips each verdict in a few columns to browse by.

    Args:
        margins: a column for each strength of each probe.
        sizes: the size of each of those changes in grey levels, columns named by `size_column`; they are compared by
            their first `SIZE_DIGITS` digits.
        called_real: bool (N,), the verdict.
    """
    own = own_columns()
    flips = pd.DataFrame({column: flip_values(margins[column], called_real, column) for column in probe_columns()})
    controlled = controlled_flips(flips)
    flags = controlled.to_numpy(bool)
    shown = short_sizes(sizes[[size_column(column) for column in own]].to_numpy(np.float32))
    cost = np.where(flags, shown.astype(np.float64), np.inf)
    some = flags.any(axis=1)
    # the last is for verdicts that nothing flips
    least = np.where(some, cost.argmin(axis=1), -1)
    keys = np.array([*(probe.key for probe in own.values()), None], object)
    names = np.array([*map(name_of_change, own), None], object)
    count = np.zeros(len(flips), np.int8)
    for family in FAMILIES:
        columns = [column for column, probe in own.items() if probe.family == family]
        count += controlled[columns].to_numpy(bool).any(axis=1)
    mildest = np.full(len(flips), np.nan)
    for step in PROBES["lowpass"].strengths:
        is_flipped = flips[PROBES["lowpass"].column(step.key)] == 1
        mildest[is_flipped] = np.fmax(mildest[is_flipped], step.value)
    return pd.DataFrame(
        {
            "smallest_flip": names[least],
            "smallest_flip_probe": keys[least],
            "smallest_flip_size": np.where(some, cost.min(axis=1), np.nan).astype(np.float16),
            "flipping_families_count": count,
            "detail_radius": mildest.astype(np.float16),
            "is_detail_decisive": detail_flips(flips),
        }
    )


def detail_flips(flips: pd.DataFrame) -> Mask:
    """Decide whether the fine detail beyond some radius decides each verdict, in both directions: bool (N,).

    Removing it, or replacing it by that of the donor of the other class, flips the verdict while no control does; and
    put into that donor it gives it the image's verdict. A change that could not be made shows nothing.

    Args:
        flips: a column of `flip_values` for each strength.
    """
    decided = np.zeros(len(flips), bool)
    for step in PROBES["lend"].strengths:
        is_given = flips[PROBES["lend"].column(step.key)] == 1
        for probe in (PROBES["lowpass"], PROBES["transplant"]):
            column = probe.column(step.key)
            is_taken = (flips[column] == 1) & (flips[control_columns(column)] == 0).all(axis=1)
            decided |= (is_taken & is_given).to_numpy()
    return decided


def tabulate_changes(
    margins: Mapping[str, float], sizes: Mapping[str, float], margin: float, *, temperature: float = 1.0
) -> pd.DataFrame:
    """Tabulate what each strength of each probe does to the verdict on one image.

    Args:
        margins: column -> margin after the change; columns may be missing or NaN where it could not be made.
        sizes: column -> root mean square of the change, grey levels 0 to 255.
        margin: of the image as it is.
        temperature: of the detector.

    Returns:
        A row for the image as it is, named "", and one for each of `probe_columns`, by column: `margin`, `p_real` (0 to
        1), `size` (to `SIZE_DIGITS` digits), `flips` (1, 0, or NaN as in `flip_values`), and `controlled`: it flips,
        and no control of the same strength does; False for controls and changed donors, and where controls exist but
        none could be made.
    """
    columns = ["", *probe_columns()]
    changes = pd.DataFrame(index=columns)
    changes["margin"] = pd.Series({"": margin, **margins}, dtype=float)
    exact = pd.Series({"": 0.0, **sizes}, columns, float)
    changes["size"] = short_sizes(exact.to_numpy(np.float32))
    real = np.array([margin > 0])
    after = changes["margin"]
    flips = pd.DataFrame({column: flip_values([after[column]], real, column) for column in probe_columns()})
    changes["flips"] = flips.iloc[0].reindex(columns, fill_value=0.0)
    changes["controlled"] = controlled_flips(flips).iloc[0].reindex(columns, fill_value=False)
    return changes.assign(p_real=expit(changes["margin"] / temperature))


def flipping(changes: pd.DataFrame) -> pd.DataFrame:
    """Select the changes of `tabulate_changes` that flip the verdict while their controls do not.

    The smallest comes first, and those that have no control, which show less, come after all others.
    """
    own = changes.loc[list(own_columns())]
    flips = own[own["controlled"]]
    lacks_control = [not own_columns()[column].controls for column in flips.index]
    return flips.iloc[np.lexsort((flips["size"], lacks_control))]


def reason(
    changes: pd.DataFrame, *, side: int, label: ClassName | None = None, says: Mapping[ClassName, str] = OF_ANY
) -> str:
    """Say which change flips the verdict on an image: "It is caught, until it is blurred by 2 pixels."

    Args:
        changes: from `tabulate_changes`; named is the smallest change that flips the verdict while no control does.
        side: of the image in pixels.
        label: of the image; None if unknown.
        says: verdict on an image that nobody generated, as far as is known -> what that comes to.
    """
    flips = flipping(changes)
    if flips.empty:
        return NOTHING
    verdict = other_class(verdict_of(flips["margin"].iloc[0]))
    if label == "FAKE":
        called = OF_GENERATED[verdict]
    else:
        called = says[verdict]
    column = str(flips.index[0])
    clause = probe_columns()[column][0].clause.format(strength_words(column, side))
    return f"It {called}, until {clause}."


def strength_words(column: str, side: int) -> str:
    """Write a change's strength for people: "under 4 pixels"."""
    strength = probe_columns()[column][1]
    return strength.waves.removeprefix("wavelengths ") or strength.at(side).label
