"""Findings of the study `neighbours`: how often neighbours, raw pixels and chance agree with the detector."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.finding import Choice, Control, Finding, Measure
from core.findings.headlines import Headlines
from core.findings.intervals import weighted_lead, weighted_share
from core.images.image_set import split_of
from core.images.labels import CLASSES
from core.runs.run import Run
from core.studies.study import WEIGHT

# how many of the nearest the table names
NAMED = 5
ENOUGH = 20
# how often labels are dealt to see where one deal may end
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


def conclude(run: Run, table: pd.DataFrame, parameters: Mapping[str, Any]) -> list[Finding]:
    """For each verdict how often neighbours share it, then how often they are right, and where they err.

    Images without neighbours, of a set of copies, say nothing.
    """
    table = table[table["near_1"].notna()]
    if table.empty:
        return []
    rows = run.predictions.set_index("id").loc[table["id"]]
    label, predicted = (rows[name].astype(str).to_numpy() for name in ("label", "predicted"))
    says, pixels = (table[f"{name}_say"].to_numpy(str) for name in ("neighbours", "pixels"))
    weights = table[WEIGHT].to_numpy(np.float64)
    whose = _whose(table, parameters)
    found = []
    for verdict in CLASSES:
        where = predicted == verdict
        if where.any():
            own, by_pixels = says[where] == verdict, pixels[where] == verdict
            controls = [_against("control", PIXELS, own, by_pixels, weights[where])]
            dealt = _dealt(run, table[where], weights[where], verdict=verdict, training=whose["training"], k=whose["k"])
            if dealt is not None:
                controls.append(Choice("control", DEALT, controls[0].measure, Control(DEALT, dealt)))
            found.append(_finding(f"agree_{verdict.lower()}", controls[0], whose, choices=controls, group=verdict))
    everywhere = np.ones(len(predicted), bool)
    truth = _against("control", PIXELS, says == label, pixels == label, weights)
    beside = {"detector": _share(predicted == label, weights, everywhere)}
    found.append(_finding("truth", truth, whose, beside=beside))
    wrong = predicted != label
    if wrong.sum() >= ENOUGH:
        found.append(Finding("errors", "neighbours", "label_agreement", _share(says == predicted, weights, wrong)))
        if (far := _by_distance(table, wrong, weights)) is not None:
            found.append(far)
    return found


def _share(hits: NDArray[np.bool_], weights: NDArray[np.float64], where: NDArray[np.bool_]) -> Measure:
    return Measure.of(weighted_share(hits[where], weights[where]))


def _against(
    kind: str, control: str, own: NDArray[np.bool_], other: NDArray[np.bool_], weights: NDArray[np.float64]
) -> Choice:
    """A share beside that of a control on the same images, with their paired difference."""
    everywhere = np.ones(len(own), bool)
    difference = weighted_lead(own.astype(np.float64) - other, weights)
    bar = Control(control, _share(other, weights, everywhere))
    return Choice(kind, control, _share(own, weights, everywhere), bar, Measure.of(difference))


def _finding(key: str, one: Choice, whose: Mapping[str, Any], **also: Any) -> Finding:
    also["choices"] = tuple(also.get("choices", ()))
    return Finding(
        key, "neighbours", "label_agreement", one.measure, control=one.control, difference=one.difference,
        details=whose, **also,
    )  # fmt: skip


def _dealt(
    run: Run,
    table: pd.DataFrame,
    weights: NDArray[np.float64],
    *,
    verdict: str,
    training: bool,
    k: int,
) -> Measure | None:
    """Return the share under the study's random labels, with the central 95% of simulated ones as its interval.

    None if it lies so far outside them that the searched images cannot have the assumed class balance, which is one
    half for training images.
    """
    if table["near_1"].isna().all():
        # of one image, or of copies alone, there are no neighbours whose labels could be random
        return None
    labels = run.predictions["label"].astype(str).to_numpy()
    share = 0.5 if training else float(np.mean(labels == verdict))
    ends = deals_of(table, weights, share=share, k=k)
    given = float(np.average(table["shuffled_say"].to_numpy(str) == verdict, weights=weights))
    if not 2 * ends.min() - ends.max() <= given <= 2 * ends.max() - ends.min():
        return None
    low, high = np.quantile(ends, [0.025, 0.975])
    return Measure(given, float(low), float(high))


def deals_of(
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
    codes, known = pd.factorize(names.ravel())
    near = codes.reshape(names.shape)
    generator, ends = np.random.default_rng(0), []
    for _ in range(DEALS):
        own = generator.random(len(known)) < share
        # a neighbour that is missing is -1, the last of these; where they are even the nearest decides
        lead = np.append(np.where(own, 1, -1), 0).astype(np.int8)[near].sum(axis=1)
        if share != 0.5 and k > NAMED:
            lead = lead + 2 * generator.binomial(k - NAMED, share, len(near)) - (k - NAMED)
        ends.append(np.average(np.where(lead == 0, own[near[:, 0]], lead > 0), weights=weights))
    return np.array(ends)


def _whose(table: pd.DataFrame, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the images that were searched."""
    if table["among"].nunique() > 1 or table["candidates"].nunique() > 1:
        raise ValueError("its rows were searched among different images")
    count, training = int(table["candidates"].iloc[0]), among_training(table)
    # an image is no neighbour of its own
    return {"k": min(int(parameters["k"]), count - (not training)), "candidates": count, "training": training}


def among_training(table: pd.DataFrame) -> bool:
    """Check whether training images were searched, from a table of one row or more."""
    return split_of(str(table["among"].iloc[0])) == "train"


def _by_distance(table: pd.DataFrame, wrong: NDArray[np.bool_], weights: NDArray[np.float64]) -> Finding | None:
    """Errors among the images that are least like anything, and among the others; None where no tenth stands out."""
    distance = table["distance"].to_numpy(np.float64)
    order = np.argsort(distance)
    reached = np.cumsum(weights[order]) / weights.sum()
    edge = distance[order][np.searchsorted(reached, 0.9)]
    far = distance > edge
    if not far.any():
        return None
    control = Control("the other images", _share(wrong, weights, ~far))
    return Finding("far", "neighbours", "error_rate", _share(wrong, weights, far), control=control)
