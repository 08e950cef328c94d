"""What the worker is asked, and what it says of images. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.detectors.identity import Identity
from core.explainers.lime.band_results import BandSettings
from core.explainers.results import CamSettings, LimeSettings
from core.probes.results import ProbeSettings
from core.studies.neighbours.similarity import NeighbourSettings

# the rank of what is least urgent
LAST = 2


@dataclass(frozen=True)
class Look:
    """The question what the detector says of some images: margins, probabilities, margin maps."""


Settings = Look | CamSettings | LimeSettings | NeighbourSettings | ProbeSettings | BandSettings


@dataclass(frozen=True, eq=False)
class Looked:
    """What a detector says of K images.

    Attributes:
        margins: float32 (K,).
        p_real: float32 (K,), 0 to 1.
        maps: float32 (K, h, w), signed margin maps; None of a detector that gives none.
    """

    margins: NDArray[np.float32]
    p_real: NDArray[np.float32]
    maps: NDArray[np.float32] | None


@dataclass(frozen=True)
class Question:
    """What is asked; equal questions have one answer.

    Attributes:
        detector: its folder.
        identity: who that is, as computed from the files there.
        images_sha256: of the pixels.
        settings: `Look()`, how to explain or to probe, or where to look for neighbours.
    """

    detector: Path
    identity: Identity
    images_sha256: str
    settings: Settings

    @property
    def rank(self) -> int:
        """How urgent it is: 0 what is answered in one go of a few forward passes, 1 LIME, 2 everything else."""
        if isinstance(self.settings, CamSettings):
            # one of the methods takes a forward pass for every channel
            return LAST if self.settings.method == "ScoreCAM" else 0
        if isinstance(self.settings, Look):
            return 0
        return 1 if isinstance(self.settings, LimeSettings) else LAST
