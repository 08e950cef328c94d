"""Which images lend their detail to which: chosen by the id of the image alone, among those judged correctly."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.perturbations.probe import number_of
from core.perturbations.registry import probe_pictures
from core.runs.run import Run

Pixels = NDArray[np.uint8]


class Donors(NamedTuple):
    """Positions of donors in a run; -1 where no image qualifies.

    Attributes:
        other: intp (M,), of a correctly classified image with the other verdict.
        same: intp (M,), of another correctly classified image with the same verdict.
    """

    other: NDArray[np.intp]
    same: NDArray[np.intp]


def choose_donors(run: Run, rows: NDArray[np.intp], *, seed: int = 0) -> Donors:
    """Donors for the images at `rows`, from the same category where one of it fits.

    Args:
        run: whose images lend and borrow.
        rows: intp (M,).
        seed: of the choice.
    """
    table = run.predictions
    verdict, label = ((table[name] == "REAL").to_numpy() for name in ("predicted", "label"))
    category = pd.factorize(table["category"])[0]
    ids = table["id"].to_numpy(str)
    # a repeated file would lend an image to itself, and must not borrow from its first copy
    usable = np.flatnonzero((verdict == label) & ~table["is_repeat"].to_numpy(bool))
    files = pd.factorize(table["sha256"])[0]
    first = np.unique(files, return_index=True)[1][files]
    # (verdict, code of the category, -1 for any) -> positions of those that may lend
    pools = {
        (real, kind): usable[(verdict[usable] == real) & ((category[usable] == kind) | (kind == -1))]
        for real in (False, True)
        for kind in (-1, *range(category.max() + 1))
    }
    chosen = np.full((2, len(rows)), -1, np.intp)
    for number, row in enumerate(rows):
        draw = number_of(f"donor {ids[row]}", seed)
        for which, real in enumerate((not verdict[row], bool(verdict[row]))):
            for pool in (pools[real, category[row]], pools[real, -1]):
                if len(pool) > 1 or (len(pool) == 1 and pool[0] != first[row]):
                    at = draw % len(pool)
                    chosen[which, number] = pool[at] if pool[at] != first[row] else pool[(at + 1) % len(pool)]
                    break
    return Donors(chosen[0], chosen[1])


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
    chosen = (int(donor[0]) for donor in choose_donors(run, np.array([row]), seed=seed))
    other, same = (get(position) if position >= 0 else None for position in chosen)
    name = str(run.predictions["id"].iloc[row])
    return ProbeExample(image, other, probe_pictures(image, name=name, seed=seed, other=other, same=same))
