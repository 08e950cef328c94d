"""The worker's search for neighbours: among the training images, or else among a run's own images."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.images.image_set import BusyError, DatasetError
from core.runs.run import read_run
from core.storage import Bounded
from core.studies.neighbours.reference import (
    NO_FEATURES,
    NeighbourError,
    Reference,
    compute_features,
    is_sample,
    open_training_set,
    read_features,
    run_reference,
)
from core.studies.neighbours.similarity import Neighbours, NeighbourSettings, Preparing, find_neighbours

if TYPE_CHECKING:
    from core.detectors.detector import Detector

MAX_KEPT = 4
UNKNOWN = "{} does not say which images it was trained on."
# sets that were searched last; only the worker's thread is here
_kept: Bounded[tuple[str, str, str | Path | None], Reference] = Bounded(MAX_KEPT)


class _StopError(Exception):
    """Nobody waits for the answer any more."""


def look_for_neighbours(
    detector: "Detector", pixels: NDArray[np.uint8], settings: NeighbourSettings, cancel: Callable[[], bool]
) -> Iterator[tuple[Neighbours | Preparing, float]]:
    """Yield what is being done, with its share, and at last the neighbours; as `jobs.compute_answer`."""
    try:
        reference, why_not = yield from _find_reference(detector, settings, cancel)
    except _StopError:
        return
    result = detector.full_pass(pixels)
    if result.features is None:
        raise NeighbourError(NO_FEATURES.format(detector.name))
    margin = float(result.margins[0])
    near = find_neighbours(reference, result.features[0], margin, k=settings.k, leave_out=settings.leave_out)
    yield replace(near, why_not=why_not), 1.0


def _find_reference(
    detector: "Detector", settings: NeighbourSettings, cancel: Callable[[], bool]
) -> Generator[tuple[Preparing, float], None, tuple[Reference, str]]:
    """Yield what is being done; return the images to search, and why the training images are not searched."""
    fingerprint = str(detector.manifest.get("training_set_fingerprint", ""))
    unknown = "" if fingerprint else UNKNOWN.format(detector.name)
    key = detector.cache_key, fingerprint, settings.data
    if key in _kept:
        return _kept[key], ""
    reference = read_features(detector.cache_key, fingerprint)
    # the sample is small, so nobody is asked before it is read
    if reference is None and not settings.prepare and not is_sample(detector.manifest):
        return _own_images(detector, settings), unknown
    yield Preparing("Reading the training images"), 0.0

    def between(_done: int, _of: int) -> None:
        if cancel():
            raise _StopError

    try:
        images = open_training_set(detector.manifest, settings.data, fit=detector.preprocessing, progress=between)
    except (DatasetError, NeighbourError) as error:
        if reference is not None:
            # what the detector saw of them is enough to find them, without their pictures
            return reference, ""
        # an answer without images that are soon prepared would be kept
        if settings.run is None or isinstance(error, BusyError):
            raise
        return _own_images(detector, settings), f"Its training images were not searched: {str(error).rstrip('.')}."
    if images is not None:
        if reference is None:
            for share in compute_features(detector, images, stop=cancel):
                yield Preparing("The detector looks at its training images"), 0.99 * share
        reference = read_features(detector.cache_key, fingerprint, images=images)
    if reference is not None:
        if images is not None or settings.data is None:
            _kept[key] = reference
        return reference, ""
    if cancel():
        raise _StopError
    return _own_images(detector, settings), unknown


def _own_images(detector: "Detector", settings: NeighbourSettings) -> Reference:
    if settings.run is None:
        raise NeighbourError("there are no images of this detector to look for neighbours among; attach CIFAKE")
    key = detector.cache_key, settings.stamp, settings.run
    if key not in _kept:
        if not detector.channels:
            raise NeighbourError(NO_FEATURES.format(detector.name))
        run = read_run(settings.run)
        if not detector.identity.made(run.manifest):
            raise NeighbourError(f"{run.name} was made by another detector; choose another run")
        _kept[key] = run_reference(run)
    return _kept[key]
