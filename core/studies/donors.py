"""Which images lend their detail to which: chosen by the id of the image alone, among those judged correctly."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.explainers.probing import ProbeSettings
from core.perturbations.probe import Batch, Chance, Probe, number_of
from core.perturbations.table import probe_columns
from core.runs.run import Run

Pixels = NDArray[np.uint8]
MEANS = ["red", "green", "blue"]


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
    verdict = (run.predictions["predicted"] == "REAL").to_numpy()
    category = pd.factorize(run.predictions["category"])[0]
    ids = run.predictions["id"].to_numpy(str)
    pools, first = _pools(run), _first_copies(run)
    chosen = np.full((2, len(rows)), -1, np.intp)
    for number, row in enumerate(rows):
        draw = number_of(f"donor {ids[row]}", seed)
        for which, called in enumerate((not verdict[row], bool(verdict[row]))):
            chosen[which, number] = _draw(pools[called, category[row]], pools[called, -1], int(first[row]), draw)
    return Donors(chosen[0], chosen[1])


def _pools(run: Run) -> dict[tuple[bool, int], NDArray[np.intp]]:
    """Positions of the images that may lend, by verdict (REAL is True) and code of the category, -1 for any."""
    table = run.predictions
    verdict = (table["predicted"] == "REAL").to_numpy()
    right = verdict == (table["label"] == "REAL").to_numpy()
    category = pd.factorize(table["category"])[0]
    # a repeated file would lend an image to itself
    usable = np.flatnonzero(right & ~table["is_repeat"].to_numpy(bool))
    return {
        (called, kind): usable[(verdict[usable] == called) & ((category[usable] == kind) | (kind == -1))]
        for called in (False, True)
        for kind in (-1, *range(category.max() + 1))
    }


def _first_copies(run: Run) -> NDArray[np.intp]:
    """For each image of a run the position of the first with the same file, intp (N,)."""
    codes = pd.factorize(run.predictions["sha256"])[0]
    return np.asarray(np.unique(codes, return_index=True)[1][codes], np.intp)


def with_donors(
    image: NDArray[np.uint8],
    run: Run,
    get: Callable[[int], NDArray[np.uint8] | None],
    *,
    name: str,
    row: int | None = None,
    seed: int = 0,
    donors: int = 8,
) -> tuple[NDArray[np.uint8], ProbeSettings]:
    """Assemble the input of `explain_probes`: an image, its donors, and the settings.

    Args:
        image: uint8 (side, side, 3).
        run: of the detector that is asked; its images lend.
        get: position in the run -> uint8 (side, side, 3), or None where the picture is not at hand (`Pictures.get`).
        name: the image's id; for an upload anything that tells it from others, such as its hash.
        row: where the image stands in the run, so that it does not lend to itself and its category lends first; None
            where it is not of the run.
        seed: of the choice.
        donors: at most so many of each verdict; the first are those of the study.

    Returns:
        uint8 (1 + D, side, side, 3), the image and its donors, those that are FAKE first; and the settings.
    """
    kind = -1 if row is None else int(pd.factorize(run.predictions["category"])[0][row])
    pools = _pools(run)
    # a repeated file must not borrow from its first copy
    own = -1 if row is None else int(_first_copies(run)[row])
    lent: list[list[NDArray[np.uint8]]] = [[], []]
    for called in (False, True):
        first = _draw(pools[called, kind], pools[called, -1], own, number_of(f"donor {name}", seed))
        near = pools[called, kind] if len(pools[called, kind]) > donors else pools[called, -1]
        order = np.random.default_rng(number_of(f"donors {name}", seed)).permutation(near)
        for position in (first, *(candidate for candidate in order[: 4 * donors] if candidate not in (first, own))):
            picture = get(int(position)) if position >= 0 else None
            if picture is not None and len(lent[called]) < donors:
                lent[called].append(picture)
    means = tuple(tuple(float(value) for value in mean) for mean in class_means(run))
    settings = ProbeSettings(name, seed, len(lent[0]), means)  # type: ignore[arg-type]
    return np.stack([image, *lent[0], *lent[1]]), settings


def _draw(near: NDArray[np.intp], far: NDArray[np.intp], row: int, draw: int) -> int:
    """The image, other than `row`, that a random number picks of the near ones, or of the far ones without these."""
    for pool in (near, far):
        if len(pool) > 1 or (len(pool) == 1 and pool[0] != row):
            position = draw % len(pool)
            return int(pool[position] if pool[position] != row else pool[(position + 1) % len(pool)])
    return -1


def class_means(run: Run) -> NDArray[np.float32]:
    """float32 (2, 3), the mean red, green and blue of the images of each class, FAKE first, by their true label."""
    table = run.predictions
    overall = table[MEANS].mean()
    means = [table.loc[table["label"] == name, MEANS].mean().fillna(overall) for name in ("FAKE", "REAL")]
    return np.stack(means).astype(np.float32)


@dataclass(frozen=True, eq=False)
class ProbeExample:
    """An image, its donor, and the picture that each probe makes.

    Attributes:
        row: its position in the run.
        image: uint8 (side, side, 3).
        donor: uint8 (side, side, 3), an image of the other verdict that lends to it; None if none is available.
        pictures: column -> uint8 (side, side, 3), the changed picture; probes whose donor is missing are left out.
    """

    row: int
    image: Pixels
    donor: Pixels | None
    pictures: Mapping[str, Pixels]

    def before(self, probe: Probe) -> Pixels:
        """uint8 (side, side, 3), the picture that a probe changes."""
        return self.donor if probe.changes_donor and self.donor is not None else self.image


def probe_example(run: Run, row: int, get: Callable[[int], Pixels | None], *, seed: int = 0) -> ProbeExample | None:
    """Make every picture that the study `probes` judges for one image.

    Args:
        run: whose image it is.
        row: its position.
        get: position -> uint8 (side, side, 3), or None where the picture is not at hand (`Pictures.get`).
        seed: of the study, its parameter.

    Returns:
        The example, or None where the image's own picture is not at hand.
    """
    image = get(row)
    if image is None:
        return None
    chosen = [int(donor[0]) for donor in choose_donors(run, np.array([row]), seed=seed)]
    other, same = (get(position) if position >= 0 else None for position in chosen)
    verdict = int(run.predictions["predicted"].iloc[row] == "REAL")
    means = class_means(run)
    batch = Batch(
        image[None],
        (image if other is None else other)[None],
        (image if same is None else same)[None],
        means[None, 1 - verdict],
        means[None, verdict],
        Chance.of([str(run.predictions["id"].iloc[row])], side=len(image), seed=seed),
    )
    there = {"nothing": True, "other": other is not None, "same": same is not None}
    pictures = {
        column: probe.edit(batch, strength.value)[0]
        for column, (probe, strength) in probe_columns().items()
        if there[probe.needs]
    }
    return ProbeExample(row, image, other, pictures)
