"""A card for each cluster of the study `clusters`: size, errors, typical members, and how it differs from others.

Needs no torch.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, QhullError

from core.arrays import Float64, Mask, Pixels, Positions
from core.findings.intervals import weighted_share
from core.images.labels import CLASSES
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.shared.differences import Difference, columns_of, differing
from core.studies.shared.groups import cell_weights

SPACES = {"features": "the detector's features", "maps": "margin maps"}
# ids that a card keeps of each kind; pages show fewer
MEMBERS_KEPT = 12
# share of a cluster's images that its outline is around
CORE = 0.9
MOST_DIFFERENCES = 4
# smallest effect size that a card shows: a medium one (Cohen 1988)
MEDIUM = 0.5
# what anybody sees who looks at the images
VISIBLE = ("category", "brightness", "contrast", "greyness", "fine_detail")


def outline(points: Float64) -> Float64:
    """Compute the convex hull of the `CORE` of a cluster's points that is nearest to their median.

    Args:
        points: float64 (N, 2).

    Returns:
        float64 (K, 2), its corners in order; the points themselves where they are fewer than three, or on one line.
    """
    distances = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    core = points[distances <= np.quantile(distances, CORE)]
    with suppress(QhullError):
        core = core[ConvexHull(core).vertices]
    return core


def read_cards(
    table: pd.DataFrame,
    run: Run,
    space: str,
    *,
    compared: bool = False,
    pictures: Pictures | None = None,
) -> pd.DataFrame:
    """Describe the clusters of one space, the largest first.

    Args:
        table: of the study `clusters`.
        run: that it was asked of.
        space: a key of `SPACES`.
        compared: True to find out what sets clusters apart, of images, verdicts and what studies offer for browsing.
        pictures: the run's, for mean images.

    Returns:
        A row a cluster, with the columns:
            number: 0 is the largest.
            verdict: of all its images.
            images: how many there are.
            share: of the run, what they stand for, 0 to 1.
            errors: how many of them are called wrongly.
            error_rate, low, high: with a 95% interval.
            verdict_error_rate: of all images of that verdict.
            strict_low, strict_high: an interval that holds with 95% confidence over all clusters of the verdict.
            members: ids of the most typical images.
            wrong: ids of those called wrongly, the surest first.
            apart: a tuple of `Difference` to other images of that verdict, what a person can see first.
            mean_map: float32 (h, w), positive for REAL.
            mean_image: uint8 (side, side, 3), or None where its pictures are not available.
    """
    labels = table[f"{space}_cluster"].to_numpy()
    distances = table[f"{space}_distance"].to_numpy()
    positions = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    rows = run.predictions.iloc[positions].reset_index(drop=True)
    predicted = run.predicted_real[positions]
    wrong = (run.is_real != run.predicted_real)[positions]
    weights = cell_weights(run, positions)
    columns = []
    if compared:
        columns = list(columns_of(run, positions, weights))
    cards = []
    for number in np.unique(labels):
        inside = labels == number
        members = np.flatnonzero(inside)
        peers = predicted == predicted[members[0]]
        own = weights[members]
        nearest = members[np.argsort(distances[members], kind="stable")]
        surest = rows[inside & wrong].sort_values("margin", key=lambda margin: -margin.abs(), kind="stable")["id"]
        cards.append({
            "number": int(number),
            "verdict": CLASSES[int(predicted[members[0]])],
            "images": len(members),
            "share": own.sum() / weights.sum(),
            "errors": len(surest),
            **_error_rates(wrong, weights, inside, peers, clusters=len(np.unique(labels[peers]))),
            "members": rows["id"].iloc[nearest].head(MEMBERS_KEPT).tolist(),
            "wrong": surest.head(MEMBERS_KEPT).tolist(),
            "apart": _visible_first(differing(columns, inside, peers & ~inside, MEDIUM)),
            "mean_map": np.average(np.asarray(run.needed_maps[positions[members]], np.float32), axis=0, weights=own),
            "mean_image": None if pictures is None else _mean_image(pictures, positions[members], own),
        })  # fmt: skip
    return pd.DataFrame(cards)


def _error_rates(wrong: Mask, weights: Float64, inside: Mask, peers: Mask, *, clusters: int) -> dict[str, float]:
    """Estimate the error rate of a cluster, twice with an interval, and that of all images of its verdict."""
    rate = weighted_share(wrong[inside], weights[inside])
    # the worst of many clusters lies above by chance more often than a single one (Bonferroni)
    strict = weighted_share(wrong[inside], weights[inside], confidence=1 - 0.05 / clusters)
    return {
        "error_rate": rate.value,
        "low": rate.low,
        "high": rate.high,
        "verdict_error_rate": float(np.average(wrong[peers], weights=weights[peers])),
        "strict_low": strict.low,
        "strict_high": strict.high,
    }


def _visible_first(differences: Iterable[Difference]) -> tuple[Difference, ...]:
    ordered = sorted(differences, key=lambda difference: difference.column not in VISIBLE)
    return tuple(ordered[:MOST_DIFFERENCES])


def _mean_image(pictures: Pictures, positions: Positions, weights: Float64) -> Pixels | None:
    total: Any = 0.0
    for row, weight in zip(positions.tolist(), weights / weights.sum(), strict=True):
        image = pictures.get(row)
        if image is None:
            # it is missing, or its file has changed
            return None
        total = total + weight * image
    return np.asarray(np.rint(total), np.uint8)
