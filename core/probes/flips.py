"""Which probe turned a verdict, and whether fine detail decides it: one definition for one image and for a test set."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.probes.probe import Probe, size_column
from core.probes.table import PROBES, probe_columns

# what they are for needs no more digits, and the study's file is a third smaller
SIZE_DIGITS = 2
MARGIN_BITS = 7
# more than this share of the donors has to follow
MOST = 0.5


def own_columns() -> dict[str, Probe]:
    """The columns of what is done to the image itself: neither controls nor changes of a donor."""
    return {
        column: probe for column, (probe, _) in probe_columns().items() if not (probe.is_control or probe.changes_donor)
    }


def short_sizes(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Numbers with `SIZE_DIGITS` digits and no more."""
    some = np.where(values > 0, values, 1)
    scale = 10.0 ** (SIZE_DIGITS - 1 - np.floor(np.log10(some)))
    return np.asarray(np.rint(values * scale) / scale, np.float32)


def short_margins(margins: NDArray[np.float32]) -> NDArray[np.float16]:
    """Margins as float16 with `MARGIN_BITS` of the ten bits of the mantissa: to 0.4%, their sign untouched."""
    step = np.uint16(1 << (10 - MARGIN_BITS))
    bits = np.asarray(margins, np.float16).view(np.uint16)
    return np.asarray((bits + step // 2) & ~(step - np.uint16(1)), np.uint16).view(np.float16)


def flipped_predictions(margins: pd.DataFrame, called_real: NDArray[np.bool_]) -> pd.DataFrame:
    """bool, a column a strength: the verdict is another one after the change; where a donor is changed, its verdict has
    become the image's. False where the change could not be made.
    """
    return pd.DataFrame(
        {
            column: margins[column].notna().to_numpy()
            & (((margins[column] > 0).to_numpy() == called_real) == probe.changes_donor)
            for column, (probe, _) in probe_columns().items()
        }
    )


def controlled_flips(turned: pd.DataFrame) -> pd.DataFrame:
    """bool, a column a strength of the image's own probes: it turns the verdict and none of its controls does."""
    clean = {}
    for column, (probe, strength) in probe_columns().items():
        if not (probe.is_control or probe.changes_donor):
            controls = [turned[PROBES[key].column(strength.key)] for key in probe.controls]
            clean[column] = turned[column] & ~np.any(controls, axis=0) if controls else turned[column]
    return pd.DataFrame(clean)


def smallest_flips(clean: pd.DataFrame, sizes: pd.DataFrame) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The smallest change that turns each verdict while its controls do not.

    Args:
        clean: from `controlled_flips`.
        sizes: root mean square of each change in grey levels, columns named by `size_column`.

    Returns:
        intp (N,), the position among the columns of `clean`, -1 where none turns it; float64 (N,), its size in grey
        levels, NaN where none turns it. Sizes are compared by their first `SIZE_DIGITS` digits.
    """
    shown = short_sizes(sizes[[size_column(column) for column in clean.columns]].to_numpy(np.float32))
    cost = np.where(clean.to_numpy(bool), shown.astype(np.float64), np.inf)
    some = clean.to_numpy(bool).any(axis=1)
    return np.where(some, cost.argmin(axis=1), -1), np.where(some, cost.min(axis=1), np.nan)


def tell(margins: pd.DataFrame, sizes: pd.DataFrame, called_real: NDArray[np.bool_]) -> pd.DataFrame:
    """What turns each verdict, in the few columns that can be browsed by.

    Args:
        margins: a column for each strength of each probe.
        sizes: the size of each of those changes.
        called_real: bool (N,), the verdict.
    """
    turned = flipped_predictions(margins, called_real)
    clean = controlled_flips(turned)
    least, size = smallest_flips(clean, sizes)
    own = own_columns()
    # the last is where nothing turns it
    keys = np.array([*(probe.key for probe in own.values()), None], object)
    families = np.array([probe.family for probe in own.values()])
    flags = clean.to_numpy(bool)
    count = sum(flags[:, families == family].any(axis=1).astype(np.int8) for family in dict.fromkeys(families))
    radii = np.array([strength.value for strength in PROBES["lowpass"].strengths])
    finest = np.where(turned[list(PROBES["lowpass"].columns)].to_numpy(bool), radii, -np.inf).max(axis=1)
    return pd.DataFrame(
        {
            "turned_by": keys[least],
            "turned_size": size.astype(np.float16),
            "turned_families": np.asarray(count, np.int8),
            "detail_radius": np.where(np.isfinite(finest), finest, np.nan).astype(np.float16),
            "detail_both_ways": np.any(
                [
                    detail_decides({key: turned[PROBES[key].column(one.key)].to_numpy(float) for key in DETAIL_TESTS})
                    for one in PROBES["lend"].strengths
                ],
                axis=0,
            ),
        }
    )


# what is asked of fine detail at each radius: out, or replaced; its controls; and lent to the other class
DETAIL_TESTS = ("lowpass", "lowpass_control", "transplant", *PROBES["transplant"].controls, "lend")


def detail_decides(shares: Mapping[str, NDArray[np.floating]]) -> NDArray[np.bool_]:
    """Whether the fine detail beyond one radius decides a verdict, both ways.

    Without it, or with that of most donors of the other class in its place, the verdict turns, and not with the
    controls of that change; and put into most of these donors it makes their verdict the image's.

    Args:
        shares: for each of `DETAIL_TESTS`, float (N,), the share of donors with which the verdict turned, 0 to 1 (0 or
            1 where there is none or one).
    """
    removed = (shares["lowpass"] > MOST) & (shares["lowpass_control"] <= MOST)
    replaced = shares["transplant"] > MOST
    for key in PROBES["transplant"].controls:
        replaced &= shares[key] <= MOST
    return np.asarray((removed | replaced) & (shares["lend"] > MOST))
