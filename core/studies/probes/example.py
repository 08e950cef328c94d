"""One image of a run under every probe, as pictures: what the study of probes did to it. Needs no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.perturbations.probe import Batch, Chance, Probe
from core.perturbations.table import probe_columns
from core.runs.run import Run
from core.studies.probes.donors import choose_donors, class_means

Pixels = NDArray[np.uint8]


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
    chosen = [int(one[0]) for one in choose_donors(run, np.array([row]), seed=seed)]
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
