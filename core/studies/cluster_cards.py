"""A card for each cluster of the study `clusters`: size, errors, typical members, and how it differs from others.

Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.intervals import Estimate, weighted_share
from core.images.image_set import DatasetError
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.differences import Difference, columns_of, differing
from core.studies.store import StudyResult

SPACES = {"features": "the detector's features", "maps": "margin maps"}
MEMBERS = 12
# the share of a cluster's images that its outline encloses
ENCLOSED = 0.9
MOST_DIFFERENCES = 4
# smallest effect size that a card shows: a medium one (Cohen 1988)
MEDIUM = 0.5
# what anybody sees who looks at the images
VISIBLE = ("category", "brightness", "contrast", "greyness", "fine_detail")


class Expected(NamedTuple):
    """A group's errors beside those of all images of its verdict that have equal margins.

    Attributes:
        rate: the error rate that its margins predict, 0 to 1.
        beyond: its own error rate less that.
    """

    rate: Estimate
    beyond: Estimate


def expected_errors(
    margins: NDArray[np.floating],
    wrong: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    weights: NDArray[np.floating],
    *,
    confidence: float = 0.95,
) -> Expected:
    """Predict a group's error rate from its margins, by isotonic regression over all images of its verdict.

    The fitted error rate never rises with the size of the margin. The group's own images are part of the fit: where
    only they have certain margins, the prediction is their own error rate, and nothing sets them apart.

    Args:
        margins: (N,), of the images of one verdict.
        wrong: bool (N,), the verdict is wrong.
        inside: bool (N,), the images of the group, at least one.
        weights: (N,) above 0, how many images each stands for.
        confidence: of the interval of `beyond`, between 0 and 1.
    """
    # not needed by the pages that read this module for other things
    from scipy.optimize import isotonic_regression  # noqa: PLC0415

    # equal margins first become one point
    point = np.unique(np.abs(np.asarray(margins, np.float64)), return_inverse=True)[1]
    there = np.bincount(point, weights)
    fitted = isotonic_regression(np.bincount(point, weights * wrong) / there, weights=there, increasing=False)
    # where the fit is flat it is the mean over a bin
    bins = np.searchsorted(fitted.blocks, point, side="right") - 1

    def sums(chosen: NDArray[np.bool_], values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(bins[chosen], values[chosen], len(fitted.blocks) - 1), np.float64)

    everyone = np.ones(len(bins), bool)
    total, mine = sums(everyone, weights), sums(inside, weights)
    rates = _divided(sums(everyone, weights * wrong), total)
    share, others = mine / mine.sum(), 1 - _divided(mine, total)
    # of a bin's rate, with Kish's effective sizes
    varies = rates * (1 - rates)
    own, rest = (varies * _divided(sums(part, weights**2), sums(part, weights) ** 2) for part in (inside, ~inside))
    rate, observed = float(share @ rates), float(np.average(wrong[inside], weights=weights[inside]))
    # two ways of adding up the same numbers differ in the last digit
    beyond = 0.0 if np.isclose(observed, rate, rtol=0, atol=1e-12) else observed - rate
    whole = varies * _divided(sums(everyone, weights**2), total**2)
    expected = _estimate(rate, float(share**2 @ whole), len(bins), 0.95)
    return Expected(
        expected._replace(low=max(0.0, expected.low), high=min(1.0, expected.high)),
        # the group's rate less the verdict's is that to the rest, times the share of the rest
        _estimate(beyond, float((share * others) ** 2 @ (own + rest)), int(inside.sum()), confidence),
    )


def _divided(parts: NDArray[np.float64], wholes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)


def _estimate(value: float, variance: float, images: int, confidence: float) -> Estimate:
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * float(np.sqrt(variance))
    return Estimate(value, value - half, value + half, images)


@dataclass(frozen=True, eq=False)
class Card:
    """One cluster.

    Attributes:
        number: its label, 0 is the largest.
        verdict: "FAKE" or "REAL", that of all its images.
        images, share: number of its images, and the share of the run that they stand for, 0 to 1.
        errors: how many of its images are misclassified.
        error_rate: share of its images that are misclassified, with a 95% interval.
        verdict_error_rate: the error rate of all images of that verdict, 0 to 1, for comparison.
        errs_more: True if its error rate is above that, with 95% confidence over all clusters of that verdict.
        expected: the error rate that its margins predict, and its own minus that; the interval of the latter holds with
            95% confidence over all clusters of that verdict.
        members: ids of the most typical, the nearest to the centre first.
        wrong: ids of those called wrongly, the surest first, as many as there are members.
        apart: what sets it apart from the other images of that verdict, what a person can see first, then most telling
            first.
        mean_map: float32 (h, w), the mean margin map, positive for REAL.
        mean_image: uint8 (side, side, 3), or None where its pictures are not available.
    """

    number: int
    verdict: str
    images: int
    share: float
    errors: int
    error_rate: Estimate
    verdict_error_rate: float
    errs_more: bool
    expected: Expected
    members: tuple[str, ...]
    wrong: tuple[str, ...]
    apart: tuple[Difference, ...]
    mean_map: NDArray[np.float32]
    mean_image: NDArray[np.uint8] | None


def read_cards(
    table: pd.DataFrame,
    run: Run,
    space: str,
    *,
    studies: Mapping[str, StudyResult] | None = None,
    pictures: Pictures | None = None,
) -> list[Card]:
    """The cards of one space, the largest cluster first.

    Args:
        table: of the study `clusters`.
        run: that it was asked of.
        space: a key of `SPACES`.
        studies: whose columns for Explore may set clusters apart, too; None to leave out what sets them apart.
        pictures: the run's, for mean images.
    """
    labels, distances = (table[f"{space}_{name}"].to_numpy() for name in ("cluster", "distance"))
    positions = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    rows = run.predictions.iloc[positions].reset_index(drop=True)
    ids, margins = rows["id"].to_numpy(), rows["margin"].to_numpy()
    predicted = rows["predicted"].astype(str).to_numpy()
    wrong = (run.is_real != run.predicted_real)[positions]
    # the images of a cell in the run over those of it in the sample
    cell = 2 * run.is_real + run.predicted_real
    in_run, in_sample = np.bincount(cell, minlength=4), np.bincount(cell[positions], minlength=4)
    weights = (in_run / np.maximum(in_sample, 1))[cell[positions]]
    columns = [] if studies is None else list(columns_of(rows, studies, weights))
    cards = []
    for number in np.unique(labels):
        inside = labels == number
        mine = np.flatnonzero(inside)
        verdict = predicted[mine[0]]
        peers = predicted == verdict
        overall = float(np.average(wrong[peers], weights=weights[peers]))
        # one of many clusters lies above by chance more often than one that was named before (Bonferroni)
        confidence = 1 - 0.05 / len(np.unique(labels[peers]))
        strict = weighted_share(wrong[mine], weights[mine], confidence=confidence)
        errors = mine[wrong[mine]]
        typical = mine[np.argsort(distances[mine], kind="stable")]
        apart = differing(columns, inside, peers & ~inside, MEDIUM)
        maps = np.asarray(run.needed_maps[positions[mine]], np.float32)
        card = Card(
            number=int(number),
            verdict=str(verdict),
            images=len(mine),
            share=float(weights[mine].sum() / weights.sum()),
            errors=len(errors),
            error_rate=weighted_share(wrong[mine], weights[mine]),
            verdict_error_rate=overall,
            errs_more=bool(strict.low > overall),
            expected=expected_errors(
                margins[peers], wrong[peers], inside[peers], weights[peers], confidence=confidence
            ),
            members=tuple(ids[typical[:MEMBERS]].tolist()),
            wrong=tuple(ids[errors[np.argsort(-np.abs(margins[errors]), kind="stable")][:MEMBERS]].tolist()),
            apart=tuple(sorted(apart, key=lambda difference: difference.column not in VISIBLE)[:MOST_DIFFERENCES]),
            mean_map=np.average(maps, axis=0, weights=weights[mine]).astype(np.float32),
            mean_image=_mean_image(pictures, positions[mine], weights[mine]),
        )
        cards.append(card)
    return cards


def worst_card(cards: list[Card]) -> Card | None:
    """Of the clusters of one verdict, the one that certainly errs more than the verdict as a whole and most of all.

    None where none does.
    """
    return max((card for card in cards if card.errs_more), key=lambda card: card.error_rate.low, default=None)


def outline(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Enclose most of N places, float64 (N, 2): the corners (M, 2) of the hull of those nearest to their middle.

    None, (0, 2), where they are too few or all in a line.
    """
    # no other function here needs it
    from scipy.spatial import ConvexHull, QhullError  # noqa: PLC0415

    away = np.linalg.norm(places - np.median(places, axis=0), axis=1)
    near = places[away <= np.quantile(away, ENCLOSED)]
    try:
        return np.asarray(near[ConvexHull(near).vertices])
    except (QhullError, ValueError):
        return np.zeros((0, 2))


def card_table(cards: list[Card]) -> pd.DataFrame:
    """The cards as a table, a row a cluster: a column for each number of `Card` and `words` joined by semicolons."""
    rows = []
    for card in cards:
        row = {name: getattr(card, name) for name in ("number", "verdict", "images", "share", "errors")}
        row |= dict(zip(("error_rate", "low", "high"), card.error_rate, strict=False))
        row["verdict_error_rate"] = card.verdict_error_rate
        for name, estimate in card.expected._asdict().items():
            column = "expected" if name == "rate" else name
            row |= {f"{column}{end}": value for end, value in zip(("", "_low", "_high"), estimate, strict=False)}
        words = (f"{f'{one.label} {one.value}'.strip()} {one.own:.3g}, others {one.rest:.3g}" for one in card.apart)
        rows.append({**row, "words": "; ".join(words)})
    return pd.DataFrame(rows)


def _mean_image(
    pictures: Pictures | None, positions: NDArray[np.intp], weights: NDArray[np.float64]
) -> NDArray[np.uint8] | None:
    if pictures is None or pictures.pixels is None or (pictures.where[positions] < 0).any():
        return None
    # in their order on the disk
    order = np.argsort(pictures.where[positions], kind="stable")
    places, weights = pictures.where[positions][order], weights[order]
    total = np.zeros(pictures.pixels.shape[1:], np.float64)
    # as many pixels at a time as 2,048 images of 32 x 32
    step = max(1, 2048 * 32**2 // pictures.pixels.shape[1] ** 2)
    for start in range(0, len(places), step):
        here = slice(start, start + step)
        try:
            some = np.asarray(pictures.pixels[places[here]], np.float64)
        except DatasetError:
            # a file has changed or is gone
            return None
        total += np.tensordot(weights[here], some, axes=1)
    return np.asarray(np.rint(total / weights.sum()), np.uint8)
