"""The study `neighbours`: the nearest training images of each image by pooled features, and their labels."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.claims import Headlines
from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.intervals import weighted_lead, weighted_share
from core.findings.numbers import percent
from core.images.image_set import split_of
from core.images.labels import CLASSES
from core.runs.nearest import find_nearest
from core.runs.run import Run
from core.studies.study import WEIGHT, Context, Study
from core.studies.training_reference import (
    NO_FEATURES,
    NeighbourError,
    Reference,
    compute_features,
    find_training_set,
    read_features,
    run_reference,
)

OWN = "the run's own images"
# of the nearest that the table names
RANKS = ("", "second ", "third ", "fourth ", "fifth ")
NAMED = len(RANKS)
# errors about which something can be concluded
ENOUGH = 20
# random labellings that are simulated
DEALS = 200
PIXELS, DEALT = "raw pixels", "random labels"

HEADLINES: Headlines = {
    "agree_fake": {
        "question": "Do FAKE verdicts lie among generated training images?",
        "holds": "FAKE verdicts lie among generated training images.",
        "not shown": "Not shown that FAKE verdicts lie among generated training images.",
    },
    "agree_real": {
        "question": "Do REAL verdicts lie among photographs of the training set?",
        "holds": "REAL verdicts lie among photographs of the training set.",
        "not shown": "Not shown that REAL verdicts lie among photographs.",
    },
    "truth": {
        "question": "Do the nearest training images have the image's true class?",
        "holds": "The detector's features tell the true class better than raw pixels.",
        "holds below": "Raw pixels tell the true class better than the detector's features.",
    },
    "errors": {
        "question": "Do misclassified images lie among training images of the wrong class?",
        "no control": "Descriptive only: how many errors lie among images of the wrong class.",
    },
    "far": {
        "question": "Does the detector err more often far from its training images?",
        "holds": "It errs more often on images unlike its training images.",
        "holds below": "It errs less often on images unlike its training images.",
        "not shown": "Not shown that distance from the training images brings errors.",
    },
}


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
    features = detector.full_pass(context.pixels).features if run.features is None else np.asarray(run.features)
    if features is None:
        raise NeighbourError(NO_FEATURES.format(detector.name))
    images = find_training_set(
        detector, context.data, progress=lambda done, of: context.report(0.0, f"reading {done:,} of {of:,}")
    )
    if images is None:
        return Searched(run_reference(run, features), context.pixels, features)
    reference = read_features(detector.cache_key, images.fingerprint, images=images)
    if reference is None:
        for share in compute_features(detector, images):
            context.report(0.0, f"features of the training images, {percent(share, 0)}")
        reference = read_features(detector.cache_key, images.fingerprint, images=images)
    if reference is None:
        raise NeighbourError("the features of the training images were kept and cannot be read; check the cache folder")
    return Searched(reference, images.pixels, features)


def compute(context: Context, rows: NDArray[np.intp], parameters: Mapping[str, Any]) -> pd.DataFrame:
    """One row an image: labels and distances of its neighbours, and the same by raw pixels."""
    (reference, pixels, features), k = searched(context), int(parameters["k"])
    predictions, features = context.run.predictions.iloc[rows], features[rows]
    # equal files have one code: neither a file nor its exact copy is its own neighbour
    codes, _ = pd.factorize(pd.concat([predictions["sha256"], reference.rows["sha256"]], ignore_index=True))
    own, base = np.split(codes, [len(rows)])
    near = find_nearest(features, reference.features, max(k, NAMED), query_codes=own, base_codes=base)
    by_pixels = find_nearest(context.pixels[rows], pixels, k, query_codes=own, base_codes=base)
    labels = reference.rows["label"].to_numpy() == 1
    shuffled = np.random.default_rng(int(parameters["seed"])).permutation(labels)
    says, shares = _majority(near.rows[:, :k], labels)
    ids, classes = reference.rows["id"].to_numpy(object), np.array(CLASSES, object)
    # the nearest image that the detector calls the other class
    predicted = (predictions["margin"] > 0).to_numpy()
    other_rows, other_distances = np.full(len(rows), -1, np.intp), np.full(len(rows), np.inf, np.float32)
    for verdict in (False, True):
        here, among = np.flatnonzero(predicted == verdict), (reference.margins > 0) != verdict
        other = find_nearest(features[here], reference.features, 1, among=among, query_codes=own[here], base_codes=base)
        other_rows[here], other_distances[here] = other.rows[:, 0], other.distances[:, 0]
    return pd.DataFrame(
        {
            "id": predictions["id"].to_numpy(),
            "fake_share": (1 - shares).astype(np.float32),
            "distance": _known(near.distances[:, 0]),
            "distance_other": _known(other_distances),
            "neighbours_say": classes[1 * says],
            "agrees": says == predicted,
            "pixels_say": classes[1 * _majority(by_pixels.rows, labels)[0]],
            "shuffled_say": classes[1 * _majority(near.rows[:, :k], shuffled)[0]],
            **{f"near_{n + 1}": _names(ids, near.rows[:, n]) for n in range(NAMED)},
            "near_other": _names(ids, other_rows),
            "among": reference.name if reference.is_training else OWN,
            "candidates": np.full(len(rows), len(reference), np.int32),
        }
    )


def _known(distances: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return distances with NaN where there is no such image."""
    return np.where(np.isinf(distances), np.nan, distances).astype(np.float32)


def _majority(rows: NDArray[np.intp], labels: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether most neighbours are REAL, and the share that is; where they are even, the nearest decides."""
    there = rows >= 0
    real = labels[rows] & there
    shares = real.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.where(shares == 0.5, real[:, 0], shares > 0.5), shares


def _names(ids: NDArray[np.object_], rows: NDArray[np.intp]) -> list[str | None]:
    return [str(ids[row]) if row >= 0 else None for row in rows]


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """For each verdict how often neighbours share it, then how often they are right, and where they err.

    Images without neighbours, of a set of copies, say nothing.

    Raises:
        ValueError: the rows were searched among different images.
    """
    table = table[table["near_1"].notna()]
    if table.empty:
        return []
    if table["among"].nunique() > 1 or table["candidates"].nunique() > 1:
        raise ValueError("its rows were searched among different images")
    rows = run.predictions.set_index("id").loc[table["id"]]
    label, predicted = (rows[name].astype(str).to_numpy() for name in ("label", "predicted"))
    says, pixels = (table[f"{name}_say"].to_numpy(str) for name in ("neighbours", "pixels"))
    weights = table[WEIGHT].to_numpy(np.float64)
    candidates, training = int(table["candidates"].iloc[0]), among_training(table)
    # an image is no neighbour of its own
    k = min(int(parameters["k"]), candidates - (not training))
    details = {"k": k, "candidates": candidates, "training": training}
    findings = []
    for verdict in CLASSES:
        where = predicted == verdict
        if not where.any():
            continue
        against = _against_pixels(says[where] == verdict, pixels[where] == verdict, weights[where])
        choices = [against]
        # one half of CIFAKE's training images are of each class
        share = 0.5 if training else float(np.mean(run.predictions["label"].astype(str) == verdict))
        shuffled = _shuffled(table[where], weights[where], verdict, share, k)
        if shuffled is not None:
            choices.append(Choice("control", DEALT, against.measure, Control(DEALT, shuffled)))
        findings.append(Finding(
            f"agree_{verdict.lower()}", "neighbours", "label_agreement", against.measure, group=verdict,
            control=against.control, difference=against.difference, choices=tuple(choices), details=details,
        ))  # fmt: skip
    truth = _against_pixels(says == label, pixels == label, weights)
    findings.append(Finding(
        "truth", "neighbours", "label_agreement", truth.measure, control=truth.control, difference=truth.difference,
        beside={"detector": _share(predicted == label, weights)}, details=details,
    ))  # fmt: skip
    wrong = predicted != label
    if wrong.sum() < ENOUGH:
        return findings
    shared = _share((says == predicted)[wrong], weights[wrong])
    findings.append(Finding("errors", "neighbours", "label_agreement", shared))
    # the tenth of the images that is least like anything
    distance = table["distance"].to_numpy(np.float64)
    order = np.argsort(distance)
    reached = np.cumsum(weights[order]) / weights.sum()
    far = distance > distance[order][np.searchsorted(reached, 0.9)]
    if far.any():
        control = Control("the other images", _share(wrong[~far], weights[~far]))
        findings.append(Finding("far", "neighbours", "error_rate", _share(wrong[far], weights[far]), control=control))
    return findings


def among_training(table: pd.DataFrame) -> bool:
    """Check whether training images were searched, from a table of one row or more."""
    return split_of(str(table["among"].iloc[0])) == "train"


def _share(hits: NDArray[np.bool_], weights: NDArray[np.float64]) -> Measure:
    return Measure.of(weighted_share(hits, weights))


def _against_pixels(own: NDArray[np.bool_], pixels: NDArray[np.bool_], weights: NDArray[np.float64]) -> Choice:
    """A share beside that by raw pixels on the same images, with their paired difference."""
    difference = Measure.of(weighted_lead(own.astype(np.float64) - pixels, weights))
    return Choice("control", PIXELS, _share(own, weights), Control(PIXELS, _share(pixels, weights)), difference)


def _shuffled(table: pd.DataFrame, weights: NDArray[np.float64], verdict: str, share: float, k: int) -> Measure | None:
    """Return the share under the study's random labels, with the central 95% of simulated ones as its interval.

    None if it lies so far outside them that the searched images cannot have `share` of the verdict's class.
    """
    ends = simulate_labels(table, weights, share=share, k=k)
    given = float(np.average(table["shuffled_say"].to_numpy(str) == verdict, weights=weights))
    if not 2 * ends.min() - ends.max() <= given <= 2 * ends.max() - ends.min():
        return None
    low, high = np.quantile(ends, [0.025, 0.975])
    return Measure(given, float(low), float(high))


def simulate_labels(
    table: pd.DataFrame, weights: NDArray[np.float64], *, share: float = 0.5, k: int = NAMED
) -> NDArray[np.float64]:
    """Simulate `DEALS` random labellings: the share of images whose neighbours mostly have one class, float64 (DEALS,).

    Images share neighbours, so one labelling amounts to far fewer independent draws than there are images, and may land
    far from the expected share. Uses the `NAMED` nearest, which are those that the table names; where the classes are
    uneven, the labels of the others are drawn for each image.

    Args:
        table: rows of the study.
        weights: float64 (M,), how many images each stands for.
        share: probability that a searched image has the class, 0 to 1.
        k: how many neighbours the study's own labels are of.
    """
    names = table[[f"near_{n}" for n in range(1, NAMED + 1)]].to_numpy(object)
    codes, images = pd.factorize(names.ravel())
    near = codes.reshape(names.shape)
    generator, ends = np.random.default_rng(0), []
    for _ in range(DEALS):
        own = generator.random(len(images)) < share
        # a neighbour that is missing is -1, the last of these; where they are even the nearest decides
        lead = np.append(np.where(own, 1, -1), 0).astype(np.int8)[near].sum(axis=1)
        if share != 0.5 and k > NAMED:
            lead = lead + 2 * generator.binomial(k - NAMED, share, len(near)) - (k - NAMED)
        ends.append(np.average(np.where(lead == 0, own[near[:, 0]], lead > 0), weights=weights))
    return np.array(ends)


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
        **{f"near_{n}": f"id of the {rank}nearest" for n, rank in enumerate(RANKS, 1)},
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
