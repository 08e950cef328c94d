"""A card for each cluster of the study `clusters`: size, errors, typical members, and what sets it apart in words.

Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.differences import Difference, describe_difference
from core.findings.intervals import Estimate, weighted_share
from core.images.image_set import DatasetError
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.clusters.differences import set_apart
from core.studies.clusters.expected import Expected, expected_errors
from core.studies.result import StudyResult

SPACES = {"features": "the detector's features", "maps": "margin maps"}
MEMBERS = 12
APART = 4


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
        visible: how many of those a person can see.
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
    visible: int
    mean_map: NDArray[np.float32]
    mean_image: NDArray[np.uint8] | None


class Clearness(NamedTuple):
    """Separation of the clusters of one space and verdict.

    Attributes:
        clusters: how many there are.
        silhouette: mean silhouette, -1 to 1; NaN with one cluster.
        control: the same of the control.
        images: how many it rests on.
    """

    clusters: int
    silhouette: float
    control: float
    images: int


def read_cards(
    table: pd.DataFrame,
    run: Run,
    space: str,
    *,
    studies: Mapping[str, StudyResult] | None = None,
    pictures: Pictures | None = None,
    described: bool = True,
) -> list[Card]:
    """The cards of one space, the largest cluster first.

    Args:
        table: of the study `clusters`.
        run: that it was asked of.
        space: a key of `SPACES`.
        studies: whose columns for Explore may set clusters apart, too.
        pictures: the run's, for mean images.
        described: whether to look for what sets each apart.
    """
    labels = table[f"{space}_cluster"].to_numpy()
    positions = _positions(table, run)
    rows = run.predictions.iloc[positions].reset_index(drop=True)
    numbers = [int(number) for number in np.unique(labels)]
    apart: dict[int, tuple[list[Difference], list[Difference]]] = {number: ([], []) for number in numbers}
    if described:
        weights = _weights(run, positions)
        seen, rest = (
            set_apart(labels, rows, weights=weights, studies=studies or {}, visible=visible)
            for visible in (True, False)
        )
        apart = {number: (seen[number], rest[number]) for number in numbers}
    return [
        _card(table, run, space, number=number, positions=positions, apart=apart[number], pictures=pictures)
        for number in numbers
    ]


def _card(
    table: pd.DataFrame,
    run: Run,
    space: str,
    *,
    number: int,
    positions: NDArray[np.intp],
    apart: tuple[list[Difference], list[Difference]],
    pictures: Pictures | None,
) -> Card:
    labels = table[f"{space}_cluster"].to_numpy()
    inside = np.flatnonzero(labels == number)
    mine = positions[inside]
    called = run.predictions["predicted"].astype(str).to_numpy()
    wrong = run.is_real != run.predicted_real
    verdict = str(called[mine[0]])
    sure = mine[wrong[mine]]
    sure = sure[np.argsort(-np.abs(run.predictions["margin"].to_numpy()[sure]), kind="stable")]
    typical = mine[np.argsort(table[f"{space}_distance"].to_numpy()[inside], kind="stable")]
    ids = run.predictions["id"].to_numpy()
    weights = _weights(run, positions)
    peers = called[positions] == verdict
    overall = float(np.average(wrong[positions[peers]], weights=weights[peers]))
    # one of many clusters lies above by chance more often than one that was named before (Bonferroni)
    confidence = 1 - 0.05 / len(np.unique(labels[peers]))
    strict = weighted_share(wrong[mine], weights[inside], confidence=confidence)
    margins = run.predictions["margin"].to_numpy()[positions]
    return Card(
        number=number,
        verdict=verdict,
        images=len(inside),
        share=float(weights[inside].sum() / weights.sum()),
        errors=len(sure),
        error_rate=weighted_share(wrong[mine], weights[inside]),
        verdict_error_rate=overall,
        errs_more=bool(strict.low > overall),
        expected=expected_errors(
            margins[peers], wrong[positions[peers]], labels[peers] == number, weights[peers], confidence=confidence
        ),
        members=tuple(ids[typical[:MEMBERS]].tolist()),
        wrong=tuple(ids[sure[:MEMBERS]].tolist()),
        apart=tuple([*apart[0], *apart[1]][:APART]),
        visible=len(apart[0][:APART]),
        mean_map=np.average(np.asarray(run.needed_maps[mine], np.float32), axis=0, weights=weights[inside]).astype(
            np.float32
        ),
        mean_image=_mean_image(pictures, mine, weights[inside]),
    )


def _positions(table: pd.DataFrame, run: Run) -> NDArray[np.intp]:
    return np.asarray(pd.Series(np.arange(len(run)), index=run.predictions["id"]).loc[table["id"]], np.intp)


def _weights(run: Run, positions: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the weight of each row: the images of its cell in the run over those of its cell in the sample."""
    cell = 2 * run.is_real + run.predicted_real
    own = cell[positions]
    return np.asarray((np.bincount(cell, minlength=4) / np.maximum(np.bincount(own, minlength=4), 1))[own])


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


def worst_card(cards: list[Card]) -> Card | None:
    """Of the clusters of one verdict, the one that certainly errs more than the verdict as a whole and most of all.

    None where none does.
    """
    return max((card for card in cards if card.errs_more), key=lambda card: card.error_rate.low, default=None)


def clearness(table: pd.DataFrame, run: Run, space: str, verdict: str) -> Clearness:
    """Measure how well the clusters of one space and verdict are separated, and the control."""
    called = run.predictions["predicted"].astype(str).to_numpy()[_positions(table, run)]
    mine = table[called == verdict]
    own, control = (mine[f"{space}_{key}"].astype(np.float64).dropna() for key in ("silhouette", "control"))
    value = float(own.mean()) if len(own) else np.nan
    bar = float(control.mean()) if len(control) else np.nan
    return Clearness(int(mine[f"{space}_cluster"].nunique()), value, bar, len(own))


def card_table(cards: list[Card]) -> pd.DataFrame:
    """The cards as a table, a row a cluster: a column for each number of `Card` and `words` joined by semicolons."""
    return pd.DataFrame(
        [
            {
                "number": card.number,
                "verdict": card.verdict,
                "images": card.images,
                "share": card.share,
                "errors": card.errors,
                "error_rate": card.error_rate.value,
                "low": card.error_rate.low,
                "high": card.error_rate.high,
                "verdict_error_rate": card.verdict_error_rate,
                **{
                    f"expected{end}": value
                    for end, value in zip(("", "_low", "_high"), card.expected.rate, strict=False)
                },
                **{
                    f"beyond{end}": value
                    for end, value in zip(("", "_low", "_high"), card.expected.beyond, strict=False)
                },
                "words": "; ".join(describe_difference(one) for one in card.apart),
            }
            for card in cards
        ]
    )
