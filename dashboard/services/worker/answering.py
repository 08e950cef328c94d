"""Answers to the worker's requests. The only part of the dashboard that imports torch."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core.detectors.detector import Detector
from core.explainers.explainer import check_finite
from core.explainers.probing import ProbeSettings, explain_probes
from core.explainers.registry import find_explainer
from core.studies.neighbours.similarity import NeighbourSettings
from dashboard.services.worker.neighbourhood import look_for_neighbours
from dashboard.services.worker.requests import Prediction, PredictRequest, Settings


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
        cancel: asked between batches; True ends the iteration. Others may be answered in the meantime.
    """
    cancel = _with_own_gradients(cancel)
    if isinstance(settings, PredictRequest):
        found = detector.full_pass(pixels)
        check_finite(detector, found.margins)
        yield Prediction(found.margins, detector.p_real(found.margins), found.maps, found.features), 1.0
    elif isinstance(settings, NeighbourSettings):
        yield from look_for_neighbours(detector, pixels[:1], settings, cancel)
    elif isinstance(settings, ProbeSettings):
        for probed in explain_probes(detector, pixels, settings=settings, cancel=cancel):
            yield probed, probed.done / probed.total
    else:
        explainer = find_explainer(settings.method)
        for explained in explainer.explain(detector, pixels[0], settings.settings, cancel=cancel):
            yield explained, explained.done


def leave_a_core() -> None:
    """Have torch compute on all cores but one, in this thread: the pages need that one.

    Its threads synchronise many times per forward pass, spinning meanwhile. If a page preempts one of them, all stall:
    on two busy cores a pass on both took six times as long as on one, and four times the processor time.
    """
    # a container may have fewer cores than its machine
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores - 1)))


def _with_own_gradients(cancel: Callable[[], bool]) -> Callable[[], bool]:
    """Wrap `cancel` to run in torch's default gradient mode and to restore the previous mode afterwards.

    The mode belongs to the thread, which all requests share: one that switched gradients off and gave way would switch
    them off for the others, and on again in the middle of their work.
    """

    def asked() -> bool:
        with torch.inference_mode(mode=False), torch.enable_grad():
            return cancel()

    return asked
