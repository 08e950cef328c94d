"""Which images lend their detail to which: chosen by the id of the image alone, among those judged correctly."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Mask, Pixels, Positions
from core.perturbations.probe import number_of
from core.perturbations.registry import probe_pictures
from core.runs.run import Run
from core.studies.study import Context

# in place of a donor's position, where no image qualifies
NO_DONOR = -1
# in place of a category, of images of every category or of none
ANY_CATEGORY = -1


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
            chosen[number] = _draw(lenders[real, category[row]], draw, but=first[row])
            if chosen[number] == NO_DONOR:
                chosen[number] = _draw(lenders[real, ANY_CATEGORY], draw, but=first[row])
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
