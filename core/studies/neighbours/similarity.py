"""Nearest images: those whose pooled features point the same way to the detector. Needs no torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.images.labels import CLASSES, verdict_of
from core.runs.nearest import find_nearest, halved
from core.studies.neighbours.reference import Reference


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

    @property
    def sentence(self) -> str:
        """A summary in plain words."""
        same = sum(one.label == self.verdict for one in self.near)
        whose = "training images" if self.is_training else "images of this run"
        if not self.near:
            return f"There are no other {whose} to compare with."
        found = f"Of the {len(self.near)} {whose} that are most alike to it, {same} are {self.verdict}"
        if same == len(self.near) > 1:
            return f"All {same} {whose} that are most alike to it are {self.verdict}, as it calls this image."
        if 2 * same > len(self.near):
            return f"{found}, as it calls this image."
        if 2 * same == len(self.near):
            return f"{found}, as many as of the other class: what is most alike does not decide."
        return f"{found}, fewer than the other class: the verdict parts from what is most alike."


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
    found, others = (
        [_neighbour(reference, int(row), float(distance)) for row, distance in zip(rows[0], distances[0], strict=True)
         if row >= 0]
        for rows, distances in (near, other)
    )  # fmt: skip
    return Neighbours(
        tuple(found),
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
