"""What the worker's thread does with a question. The only part of the dashboard that reads torch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.registry import find_explainer
from core.probes.probing import explain_probes
from core.probes.results import ProbeSettings
from core.studies.neighbours.similarity import NeighbourSettings
from dashboard.services.neighbourhood import look_for_neighbours
from dashboard.services.requests import Look, Looked, Settings


def answer(
    detector: Detector,
    pixels: NDArray[np.uint8],
    settings: Settings,
    cancel: Callable[[], bool],
) -> Iterator[tuple[Any, float]]:
    """Answers, each better than the one before, with the share of the work that is done.

    Args:
        detector: who is asked.
        pixels: uint8 (K, side, side, 3); explanations are of the first, and probes take the others as donors.
        settings: the question.
        cancel: asked between batches; True ends the iteration.
    """
    if isinstance(settings, Look):
        found = detector.full_pass(pixels)
        yield Looked(found.margins, detector.p_real(found.margins), found.maps), 1.0
    elif isinstance(settings, NeighbourSettings):
        yield from look_for_neighbours(detector, pixels[:1], settings, cancel)
    elif isinstance(settings, ProbeSettings):
        for probed in explain_probes(detector, pixels, settings=settings, cancel=cancel):
            yield probed, probed.done / probed.total
    else:
        explainer = find_explainer(settings.method)
        for explained in explainer.explain(detector, pixels[0], settings.settings, cancel=cancel):
            yield explained, explained.done
