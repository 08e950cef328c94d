"""The dial: one picture under a few changes of growing strength, each beside its control. Needs no torch.

Changes, strengths and controls are those of the study `probes`, so what it measured on a test set holds for the dial.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.perturbations.photometric import rms
from core.perturbations.probe import Batch, Chance, Strength
from core.perturbations.table import PROBES
from core.runs.run import Run
from core.studies.study import WEIGHT

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Experiment:
    """One change on the dial.

    Attributes:
        probe: key of the probe that makes it.
        title: for the choice among experiments.
        changed: what has been done to the picture.
        less, more: the ends of the slider.
    """

    probe: str
    title: str
    changed: str
    less: str
    more: str

    @property
    def strengths(self) -> tuple[Strength, ...]:
        """Weakest first, without those that change more than what is tested."""
        return tuple(strength for strength in PROBES[self.probe].strengths if not strength.excess)

    @property
    def control(self) -> str | None:
        """Key of its best matched control, None where nothing of the same size was declared."""
        return next(iter(PROBES[self.probe].controls), None)

    @property
    def columns(self) -> tuple[tuple[str, str | None], ...]:
        """The study's column of each strength, and that of the control at this strength."""
        control = None if self.control is None else PROBES[self.control]
        return tuple(
            (PROBES[self.probe].column(strength.key), None if control is None else control.column(strength.key))
            for strength in self.strengths
        )


EXPERIMENTS = tuple(
    experiment
    for experiment in (
        Experiment("lowpass", "Fine detail", "Finest detail removed", "all detail", "less detail"),
        Experiment("fade", "Colour", "Colour faded", "full colour", "grey"),
        Experiment("shuffle_blend", "Blocks", "Blocks shuffled", "in place", "small blocks"),
        Experiment("blur", "Blur", "Blurred", "sharp", "blurred"),
        Experiment("jpeg", "JPEG", "Saved as JPEG", "as it is", "low quality"),
        Experiment("turn", "Turn", "Turned", "upright", "270°"),
    )
    if experiment.probe in PROBES
)
COLUMNS = tuple(
    column for experiment in EXPERIMENTS for pair in experiment.columns for column in pair if column is not None
)


def dial_pictures(image: Pixels, *, name: str, seed: int = 0) -> dict[str, Pixels]:
    """Change a picture in every way of the dial: a picture for each of `COLUMNS`.

    Args:
        image: uint8 (side, side, 3).
        name: the image's id, which seeds what is random, as in the study.
        seed: of the study.
    """
    nothing = np.zeros((1, 3), np.float32)
    chance = Chance.of([name], side=len(image), seed=seed)
    batch = Batch(image[None], image[None], image[None], nothing, nothing, chance)
    pictures = {}
    for experiment in EXPERIMENTS:
        for key in filter(None, (experiment.probe, experiment.control)):
            for strength in experiment.strengths:
                pictures[PROBES[key].column(strength.key)] = PROBES[key].edit(batch, strength.value)[0]
    return {column: pictures[column] for column in COLUMNS}


def flip_shares(run: Run, table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Compute the share of the run's verdicts that each of `COLUMNS` flips: column -> verdict -> share, 0 to 1.

    Args:
        run: whose verdicts they are.
        table: of its study `probes`; columns that it lacks are left out, and verdicts that do not occur.
    """
    rows = run.predictions.iloc[pd.Index(run.predictions["id"]).get_indexer(table["id"])]
    verdicts, weights = rows["predicted"].astype(str).to_numpy(), table[WEIGHT].to_numpy(np.float64)
    shares: dict[str, dict[str, float]] = {}
    for column in filter(table.columns.__contains__, COLUMNS):
        margins = table[column].to_numpy(np.float64)
        flipped = (margins > 0) != (verdicts == "REAL")
        for verdict in ("FAKE", "REAL"):
            chosen = (verdicts == verdict) & np.isfinite(margins)
            if weights[chosen].sum() > 0:
                share = float(np.average(flipped[chosen], weights=weights[chosen]))
                shares.setdefault(column, {})[verdict] = share
    return shares


def smallest_flip(
    image: Pixels, pictures: dict[str, Pixels], margins: dict[str, float], *, before: float
) -> tuple[Experiment, Strength] | None:
    """Find the smallest change (root mean square) that flips the verdict while its control does not.

    Args:
        image: uint8 (side, side, 3).
        pictures: from `dial_pictures`.
        margins: of each of them.
        before: the image's own.
    """
    flipping = []
    for experiment in EXPERIMENTS:
        for (column, control), strength in zip(experiment.columns, experiment.strengths, strict=True):
            flips = (margins[column] > 0) != (before > 0)
            if flips and (control is None or (margins[control] > 0) == (before > 0)):
                size = float(rms(pictures[column][None], image[None])[0])
                flipping.append((size, experiment, strength))
    return min(flipping, key=lambda found: found[0])[1:] if flipping else None
