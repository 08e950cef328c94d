"""The study `neighbours`: the nearest training images of each image by pooled features, and their labels."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Array, Float64, Floats, Mask, Pixels, Positions, Record
from core.findings.contrast import Contrast, Control, Finding
from core.findings.intervals import weighted_share
from core.findings.paired import compare_apart, compare_shares, strongest_first
from core.images.image_set import split_of
from core.images.labels import CLASSES, REAL
from core.runs.nearest import find_nearest, halved
from core.runs.pictures import find_training_set
from core.runs.run import Run
from core.storage.shards import progress_of
from core.studies.shared.groups import with_predictions
from core.studies.study import WEIGHT, Context, Parameters, Rows, Study, StudyError

OWN = "the run's own images"
# of the nearest that the table names
NAMED = 5
# errors about which something can be concluded
ENOUGH = 20
PIXELS = "raw pixels"
SHUFFLED = "random labels"

AGREE = {
    "FAKE": "Do FAKE verdicts lie among generated training images?",
    "REAL": "Do REAL verdicts lie among photographs of the training set?",
}
# errors are few: two points double the error rate of a good detector
LEAST_ERRORS = 0.02


class Searched(NamedTuple):
    """The images among which neighbours are searched, and the features of the run's own.

    Attributes:
        name: of the set, for instance "cifake-train", or `OWN`.
        rows: a row an image, with `id`, `sha256`, `is_real` and `called_real`, the detector's prediction.
        pixels: uint8 (N, side, side, 3).
        features: (N, C), the detector's pooled features.
        own: (M, C), features of the run's images.
    """

    name: str
    rows: pd.DataFrame
    pixels: Pixels
    features: Floats
    own: Floats


@lru_cache(maxsize=1)
def searched(context: Context) -> Searched:
    """Compute the features of the training images, once for all shards; of the run's own where there are none."""
    run = context.run
    detector = context.detector
    own = run.features
    if own is None:
        own = detector.full_pass(context.pixels).features
    if own is None:
        raise StudyError(f"{detector.name} has no layer whose features could be compared; ask another detector")
    own = np.asarray(own)
    reading = progress_of(context.report, "reading training images")
    images = find_training_set(detector, context.data, progress=reading)
    if images is None:
        rows = run.predictions[["id", "sha256"]].assign(is_real=run.is_real, called_real=run.predicted_real)
        return Searched(OWN, rows, context.pixels, halved(own), own)
    progress = progress_of(context.report, "features of the training images")
    seen = detector.full_pass(images.pixels, progress=progress)
    assert seen.features is not None  # noqa: S101 - the run's images have some
    rows = images.rows[["id", "sha256"]].assign(is_real=images.labels == REAL, called_real=seen.margins > 0)
    return Searched(images.name, rows, images.pixels, halved(seen.features), own)


def compute(context: Context, rows: Rows, parameters: Parameters) -> pd.DataFrame:
    """Search the neighbours of each image by features, and by raw pixels."""
    base = searched(context)
    k = int(parameters["k"])
    predictions = context.run.predictions.iloc[rows]
    own = base.own[rows]
    predicted = context.run.predicted_real[rows]
    # equal files have one code: neither a file nor its exact copy is its own neighbour
    codes, _ = pd.factorize(pd.concat([predictions["sha256"], base.rows["sha256"]], ignore_index=True))
    own_codes, base_codes = np.split(codes, [len(rows)])
    near = find_nearest(own, base.features, max(k, NAMED), query_codes=own_codes, base_codes=base_codes)
    by_pixels = find_nearest(context.pixels[rows], base.pixels, k, query_codes=own_codes, base_codes=base_codes)
    # the nearest image that the detector calls the other class
    called = base.rows["called_real"].to_numpy(int)
    other = find_nearest(own, base.features, 1, query_codes=predicted.astype(int), base_codes=called)
    is_real = base.rows["is_real"].to_numpy(bool)
    shuffled = np.random.default_rng(int(parameters["seed"])).permutation(is_real)
    nearest = near.rows[:, :k]
    labels = _labels(nearest, is_real)
    # where there is none, rows are -1
    ids = np.array([*base.rows["id"], None], object)
    table = {
        "id": predictions["id"].to_numpy(),
        "fake_share": (1 - _real_share(nearest, is_real)).astype(np.float32),
        "nearest_distance": near.distances[:, 0],
        "other_distance": other.distances[:, 0],
        "neighbours_label": labels,
        "is_agreeing": (labels == "REAL") == predicted,
        "pixels_label": _labels(by_pixels.rows, is_real),
        "shuffled_label": _labels(nearest, shuffled),
        **{f"near_{n + 1}_id": ids[near.rows[:, n]] for n in range(NAMED)},
        "near_other_id": ids[other.rows[:, 0]],
        "searched_set": base.name,
        "candidates_count": np.full(len(rows), len(base.rows), np.int32),
    }
    return pd.DataFrame(table).replace(np.inf, np.nan)


def _real_share(rows: Positions, is_real: Mask) -> Float64:
    """Return the share of each image's neighbours that is REAL; rows of -1 are none."""
    is_there = rows >= 0
    return (is_real[rows] & is_there).sum(axis=1) / np.maximum(is_there.sum(axis=1), 1)


def _labels(rows: Positions, is_real: Mask) -> Array:
    """Return the label of most of each image's neighbours; where they are even, that of the nearest."""
    shares = _real_share(rows, is_real)
    return np.where(np.where(shares == 0.5, is_real[rows[:, 0]], shares > 0.5), "REAL", "FAKE").astype(object)


def conclude(run: Run, table: pd.DataFrame, parameters: Parameters) -> Iterator[Finding]:
    """For each verdict how often neighbours share it, then how often they are right, and where they err.

    Images without neighbours, of a set of copies, say nothing.
    """
    table = with_predictions(table[table["near_1_id"].notna()], run)
    if table.empty:
        return
    candidates = int(table["candidates_count"].iloc[0])
    training = among_training(table)
    # an image is no neighbour of its own
    k = min(int(parameters["k"]), candidates - (not training))
    details = {"k": k, "candidates": candidates, "training": training}
    for verdict in CLASSES:
        own = table[table["predicted"] == verdict]
        if len(own):
            yield _agreement(own, verdict, details)
    if not run.classes:
        return
    label = table["label"]
    weights = table[WEIGHT].to_numpy(float)
    truth = compare_shares(
        "control", PIXELS, table["neighbours_label"] == label, table["pixels_label"] == label, weights, control=PIXELS
    )
    beside = {"detector": weighted_share(table["predicted"] == label, weights)}
    yield Finding(
        "truth",
        "Do the detector's features tell the true class better than raw pixels?",
        "label_agreement",
        (truth,),
        beside=beside,
        details=details,
    )
    wrong = (table["predicted"] != label).to_numpy()
    if wrong.sum() < ENOUGH:
        return
    with_verdict = (table["neighbours_label"] == table["predicted"]).to_numpy()
    errors = Contrast("images", "errors", weighted_share(with_verdict[wrong], weights[wrong]))
    yield Finding(
        "errors", "Do misclassified images lie among training images of the wrong class?", "label_agreement", (errors,)
    )
    # the tenth of the images that is least like anything
    distance = table["nearest_distance"].to_numpy(np.float64)
    order = np.argsort(distance)
    reached = np.cumsum(weights[order]) / weights.sum()
    far = distance > distance[order][np.searchsorted(reached, 0.9)]
    if far.any():
        control = Control("the other images", weighted_share(wrong[~far], weights[~far]))
        contrast = compare_apart("control", control.name, weighted_share(wrong[far], weights[far]), control)
        yield Finding(
            "far",
            "Does the detector err more often far from its training images?",
            "error_rate",
            (contrast,),
            least=LEAST_ERRORS,
        )


def _agreement(rows: pd.DataFrame, verdict: str, details: Record) -> Finding:
    """Compare how often the nearest images have a verdict's class with the same by raw pixels and random labels."""
    weights = rows[WEIGHT].to_numpy(float)
    own = rows["neighbours_label"] == verdict
    by_pixels = compare_shares("control", PIXELS, own, rows["pixels_label"] == verdict, weights, control=PIXELS)
    by_luck = compare_shares("control", SHUFFLED, own, rows["shuffled_label"] == verdict, weights, control=SHUFFLED)
    key = f"agree_{verdict.lower()}"
    return Finding(
        key, AGREE[verdict], "label_agreement", strongest_first([by_pixels, by_luck]), group=verdict, details=details
    )


def among_training(table: pd.DataFrame) -> bool:
    """Check whether training images were searched, from a table of one row or more."""
    return split_of(str(table["searched_set"].iloc[0])) == "train"


STUDY = Study(
    name="neighbours",
    title="Neighbours",
    question="Which training images is each image most like to the detector, and do their labels say what it says?",
    columns={
        "fake_share": "FAKE among the nearest, share of the `k` nearest images by pooled features, 0 to 1",
        "nearest_distance": "distance to the nearest, 1 - cosine of pooled features, 0 (the same) to 2",
        "other_distance": "distance to the other verdict, to the nearest image that the detector calls the other class",
        "neighbours_label": "label of most of the nearest, where they are even that of the very nearest",
        "is_agreeing": "neighbours agree with the verdict, whether `neighbours_label` is the verdict",
        "pixels_label": "label of most of the nearest by raw pixels",
        "shuffled_label": "label of most of the nearest with all labels shuffled",
        **{f"near_{n}_id": f"id of number {n} of the nearest" for n in range(1, NAMED + 1)},
        "near_other_id": "id of the nearest of the other verdict, the image that `other_distance` goes to",
        "searched_set": "name of the set that was searched",
        "candidates_count": "how many images it has",
    },
    control="The same search on raw pixels, and the same neighbours with their labels shuffled.",
    compute=compute,
    conclude=conclude,
    needs="maps",
    parameters={"k": 10, "seed": 0},
    explore=("fake_share", "nearest_distance", "other_distance", "is_agreeing"),
    shard=1000,
)
