"""The worker's search for neighbours: among the training images, or else among a run's own images."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.images.image_set import BusyError, DatasetError
from core.images.labels import CLASSES, verdict_of
from core.runs.nearest import find_nearest, halved
from core.runs.run import read_run
from core.storage import Bounded
from core.studies.training_reference import (
    NO_FEATURES,
    NeighbourError,
    Reference,
    compute_features,
    is_sample,
    open_training_set,
    read_features,
    run_reference,
)

if TYPE_CHECKING:
    from core.detectors.detector import Detector

MAX_KEPT = 4
UNKNOWN = "{} does not say which images it was trained on."
# sets that were searched last; only the worker's thread is here
_kept: Bounded[tuple[str, str, str | Path | None], Reference] = Bounded(MAX_KEPT)


@dataclass(frozen=True)
class NeighbourSettings:
    """A request for the nearest images of one image.

    Attributes:
        data: where CIFAKE is, for the training images and their pictures; None where it is not available.
        run: folder of a run of this detector whose own images are searched where the training images cannot be.
        leave_out: sha256 of a file that is not to be found, the image's own.
        prepare: compute the features of the training images where they are not kept yet, which takes minutes.
        k: how many.
        stamp: changes when the run is made again in its folder.
    """

    data: str | None = None
    run: Path | None = None
    leave_out: str | None = None
    prepare: bool = False
    k: int = 10
    stamp: str = ""


@dataclass(frozen=True)
class Preparing:
    """Progress before there is an answer.

    Attributes:
        text: a few words.
    """

    text: str


class Neighbour(NamedTuple):
    """One image that is near.

    Attributes:
        id, name: of its row.
        label: "FAKE" or "REAL", what it is.
        predicted: the class that the detector predicts, "FAKE" or "REAL".
        category: what it shows, or None.
        distance: 1 - cosine of the features, 0 (the same) to 2.
        image: uint8 (side, side, 3), or None where its picture is not available.
    """

    id: str
    name: str
    label: str
    predicted: str
    category: str | None
    distance: float
    image: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest images of one image.

    Attributes:
        near: the nearest images, nearest first.
        other: the nearest image that the detector calls the other class, or None.
        verdict: what the image itself is called.
        name: of the set that was searched.
        candidates: how many images were searched.
        is_training: whether the detector was trained on them.
        why_not: why it was not its training images that were searched, a sentence; "" where they can be asked for.
    """

    near: tuple[Neighbour, ...]
    other: Neighbour | None
    verdict: str
    name: str
    candidates: int
    is_training: bool
    why_not: str = ""


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
        images = open_training_set(detector, settings.data, progress=between)
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


def find_neighbours(
    reference: Reference,
    features: NDArray[np.floating],
    margin: float,
    *,
    k: int = 10,
    leave_out: str | None = None,
) -> Neighbours:
    """Find the images that, to the detector, are most similar to one image.

    Args:
        reference: where to look.
        features: (C,), of the image.
        margin: of the image: above 0 it is called REAL.
        k: how many.
        leave_out: sha256 of a file that is not to be found, the image's own.
    """
    query = halved(np.asarray(features))[None]
    predicted = reference.margins > 0
    allowed = np.ones(len(reference), bool)
    if leave_out is not None:
        allowed = (reference.rows["sha256"] != leave_out).to_numpy(bool)
    near = find_nearest(query, reference.features, k, among=allowed)
    other = find_nearest(query, reference.features, 1, among=allowed & (predicted != (margin > 0)))
    nearest, others = (
        [
            _neighbour(reference, int(row), float(distance))
            for row, distance in zip(rows[0], distances[0], strict=True)
            if row >= 0
        ]
        for rows, distances in (near, other)
    )
    return Neighbours(
        tuple(nearest),
        others[0] if others else None,
        verdict_of(margin),
        reference.name,
        int(allowed.sum()),
        reference.is_training,
    )


def _neighbour(reference: Reference, row: int, distance: float) -> Neighbour:
    about = reference.rows.iloc[row]
    return Neighbour(
        id=str(about["id"]),
        name=str(about["name"]),
        label=CLASSES[int(about["label"])],
        predicted=verdict_of(reference.margins[row]),
        category=about["category"] if isinstance(about["category"], str) else None,
        distance=distance,
        image=None if reference.pixels is None else np.asarray(reference.pixels[row]),
    )
