"""The study `neighbours`: the nearest training images of each image by pooled features, and their labels."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.numbers import percent
from core.images.labels import CLASSES
from core.runs.nearest import Nearest, find_nearest
from core.studies.neighbours.findings import HEADLINES, NAMED, conclude
from core.studies.neighbours.reference import (
    NO_FEATURES,
    NeighbourError,
    Reference,
    compute_features,
    find_training_set,
    read_features,
    run_reference,
)
from core.studies.study import Context, Study

OWN = "the run's own images"


class Searched(NamedTuple):
    """The images among which neighbours are searched.

    Attributes:
        reference: by features.
        pixels: uint8 (N, side, side, 3), the same images.
        features: (M, C), those of the run's own images.
    """

    reference: Reference
    pixels: NDArray[np.uint8]
    features: NDArray[Any]


@lru_cache(maxsize=1)
def searched(context: Context) -> Searched:
    """The training images, or the run's own where those are not available."""
    run, detector = context.run, context.detector
    kept = run.features
    features = detector.full_pass(context.pixels).features if kept is None else np.asarray(kept)
    if features is None:
        raise NeighbourError(NO_FEATURES.format(detector.name))
    images = find_training_set(
        detector, context.data, progress=lambda done, of: context.say(0.0, f"reading {done:,} of {of:,}")
    )
    if images is None:
        return Searched(run_reference(run, features), context.pixels, features)
    reference = read_features(detector.cache_key, images.fingerprint, images=images)
    if reference is None:
        for share in compute_features(detector, images):
            context.say(0.0, f"features of the training images, {percent(share, 0)}")
        reference = read_features(detector.cache_key, images.fingerprint, images=images)
    if reference is None:
        raise NeighbourError("the features of the training images were kept and cannot be read; check the cache folder")
    return Searched(reference, images.pixels, features)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """One row an image: labels and distances of its neighbours, and the same by raw pixels."""
    found, k = searched(context), int(parameters["k"])
    reference, predictions = found.reference, context.run.predictions.iloc[rows]
    own, codes = _codes(predictions["sha256"], reference.rows["sha256"])
    near = find_nearest(found.features[rows], reference.features, max(k, NAMED), query_codes=own, base_codes=codes)
    nearest = Nearest(near.rows[:, :k], near.distances[:, :k])
    pixels = find_nearest(context.pixels[rows], found.pixels, k, query_codes=own, base_codes=codes)
    labels = reference.rows["label"].to_numpy() == 1
    shuffled = np.random.default_rng(int(parameters["seed"])).permutation(labels)
    predicted = (predictions["margin"] > 0).to_numpy()
    other = _other_verdict(found.features[rows], predicted, reference, own, codes)
    says, shares = _majority(nearest, labels)
    ids = reference.rows["id"].to_numpy(object)
    return pd.DataFrame(
        {
            "id": predictions["id"].to_numpy(),
            "fake_share": (1 - shares).astype(np.float32),
            "distance": _known(near.distances[:, 0]),
            "distance_other": _known(other.distances[:, 0]),
            "neighbours_say": _words(says),
            "agrees": says == predicted,
            "pixels_say": _words(_majority(pixels, labels)[0]),
            "shuffled_say": _words(_majority(nearest, shuffled)[0]),
            **{f"near_{n + 1}": _names(ids, near.rows[:, n]) for n in range(NAMED)},
            "near_other": _names(ids, other.rows[:, 0]),
            "among": reference.name if reference.is_training else OWN,
            "candidates": np.full(len(rows), len(reference), np.int32),
        }
    )


def _known(distances: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return distances with NaN where there is no such image."""
    return np.where(np.isinf(distances), np.nan, distances).astype(np.float32)


def _codes(own: pd.Series, base: pd.Series) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    """Number the files of both columns, equal files alike: neither a file nor its exact copy is its own neighbour."""
    codes, _ = pd.factorize(pd.concat([own, base], ignore_index=True))
    return codes[: len(own)], codes[len(own) :]


def _other_verdict(
    features: NDArray[Any],
    predicted: NDArray[np.bool_],
    reference: Reference,
    own: NDArray[np.integer],
    codes: NDArray[np.integer],
) -> Nearest:
    """The nearest image that the detector calls the other class, for each row of `features`."""
    rows, distances = np.full((len(predicted), 1), -1, np.intp), np.full((len(predicted), 1), np.inf, np.float32)
    for verdict in (False, True):
        here = np.flatnonzero(predicted == verdict)
        among = (reference.margins > 0) != verdict
        found = find_nearest(
            features[here], reference.features, 1, among=among, query_codes=own[here], base_codes=codes
        )
        rows[here], distances[here] = found.rows, found.distances
    return Nearest(rows, distances)


def _majority(near: Nearest, labels: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether most neighbours are REAL, and the share that is; where they are even, the nearest decides."""
    there = near.rows >= 0
    real = labels[near.rows] & there
    shares = real.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(shares == 0.5, real[:, 0], shares > 0.5), shares


def _words(real: NDArray[np.bool_]) -> list[str]:
    return [CLASSES[int(one)] for one in real]


def _names(ids: NDArray[np.object_], rows: NDArray[np.intp]) -> list[str | None]:
    return [str(ids[row]) if row >= 0 else None for row in rows]


STUDY = Study(
    name="neighbours",
    title="Neighbours",
    question="Which training images is each image most like to the detector, and do their labels say what it says?",
    columns={
        "fake_share": "FAKE among the nearest, share of the `k` nearest images by pooled features, 0 to 1",
        "distance": "distance to the nearest, 1 - cosine of pooled features, 0 (the same) to 2",
        "distance_other": "distance to the other verdict, to the nearest image that the detector calls the other class",
        "neighbours_say": "label of most of the nearest, where they are even that of the very nearest",
        "agrees": "neighbours agree with the verdict, whether `neighbours_say` is the verdict",
        "pixels_say": "the same for the nearest by raw pixels",
        "shuffled_say": "the same with the labels dealt anew at random",
        **{
            f"near_{n}": f"id of the {word}nearest"
            for n, word in enumerate(("", "second ", "third ", "fourth ", "fifth "), 1)
        },
        "near_other": "id of the nearest of the other verdict, the image that `distance_other` goes to",
        "among": "the set that was searched",
        "candidates": "how many images it has",
    },
    control="The same search on raw pixels, and the same neighbours with their labels dealt anew at random.",
    compute=compute,
    conclude=conclude,
    headlines=HEADLINES,
    parameters={"k": 10, "seed": 0},
    explore=("fake_share", "distance", "distance_other", "agrees"),
    shard=1000,
)
