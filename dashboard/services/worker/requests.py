"""Requests to the worker, and its predictions. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.detectors.identity import Identity
from core.explainers.probing import ProbeSettings
from core.explainers.registry import find_explainer
from core.explainers.settings import ExplainerSettings
from core.studies.neighbours.similarity import NeighbourSettings

# the rank of what is least urgent
LAST = 2
# most forward passes of a request of rank 0, and of a map of rank 1
AT_ONCE, SOON = 16, 512


@dataclass(frozen=True)
class PredictRequest:
    """A request for a detector's predictions of some images: margins, probabilities, margin maps."""


@dataclass(frozen=True)
class ExplainRequest:
    """A request for an explanation of an image.

    Attributes:
        method: name of an explainer in the registry.
        settings: of its type.
    """

    method: str
    settings: ExplainerSettings


Settings = PredictRequest | ExplainRequest | NeighbourSettings | ProbeSettings


@dataclass(frozen=True, eq=False)
class Prediction:
    """A detector's predictions of K images.

    Attributes:
        margins: float32 (K,).
        p_real: float32 (K,), 0 to 1.
        maps: float32 (K, h, w), signed margin maps; None of a detector that gives none.
        features: float32 (K, C), pooled features; None of a detector that has none.
    """

    margins: NDArray[np.float32]
    p_real: NDArray[np.float32]
    maps: NDArray[np.float32] | None
    features: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Request:
    """A request; equal ones have one answer.

    Attributes:
        detector: its folder.
        identity: who that is, as computed from the files there.
        images_sha256: of the pixels.
        settings: `PredictRequest()`, how to explain or to probe, or where to look for neighbours.
    """

    detector: Path
    identity: Identity
    images_sha256: str
    settings: Settings

    @property
    def family(self) -> str:
        """The method, or the kind of request: those of one family take roughly as long."""
        return self.settings.method if isinstance(self.settings, ExplainRequest) else type(self.settings).__name__

    @property
    def rank(self) -> int:
        """The urgency: 0 for what takes a few forward passes, 1 for other maps, 2 for everything else."""
        if isinstance(self.settings, PredictRequest):
            return 0
        if not isinstance(self.settings, ExplainRequest):
            return LAST
        explainer = find_explainer(self.settings.method)
        cost = explainer.cost(self.settings.settings)
        if cost <= AT_ONCE:
            return 0
        return 1 if explainer.has_map and cost <= SOON else LAST
