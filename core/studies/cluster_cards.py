"""A card for each cluster of the study `clusters`: size, errors, typical members, and how it differs from others.

Needs no torch.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.differences import Column, Difference, Expected, compare_groups, describe_difference, expected_errors
from core.findings.intervals import Estimate, weighted_share
from core.images.image_set import DatasetError
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.store import StudyResult
from core.studies.study import WEIGHT

SPACES = {"features": "the detector's features", "maps": "margin maps"}
MEMBERS = 12
MOST_DIFFERENCES = 4
# smallest effect size that a card shows: a medium one (Cohen 1988)
MEDIUM = 0.5
# the same between groups that a visitor chose: a small one
SMALL = 0.2
# red, green and blue mostly say again how bright an image is
FACTS = ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")
# what anybody sees who looks at the images
VISIBLE = ("category", "brightness", "contrast", "greyness", "fine_detail")
# a column of more texts names images rather than kinds
MOST_TEXTS = 30


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
    columns = [] if studies is None else list(_columns(rows, studies, weights))
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
        differing = _differing(columns, inside, peers & ~inside, MEDIUM)
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
            apart=tuple(sorted(differing, key=lambda each: each.column not in VISIBLE)[:MOST_DIFFERENCES]),
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


def card_table(cards: list[Card]) -> pd.DataFrame:
    """The cards as a table, a row a cluster: a column for each number of `Card` and `words` joined by semicolons."""
    ends = ("", "_low", "_high")
    return pd.DataFrame(
        [
            {
                **{name: getattr(card, name) for name in ("number", "verdict", "images", "share", "errors")},
                "error_rate": card.error_rate.value,
                "low": card.error_rate.low,
                "high": card.error_rate.high,
                "verdict_error_rate": card.verdict_error_rate,
                **{f"expected{end}": value for end, value in zip(ends, card.expected.rate, strict=False)},
                **{f"beyond{end}": value for end, value in zip(ends, card.expected.beyond, strict=False)},
                "words": "; ".join(map(describe_difference, card.apart)),
            }
            for card in cards
        ]
    )


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


def differences(
    group: NDArray[np.bool_],
    others: NDArray[np.bool_],
    rows: pd.DataFrame,
    *,
    studies: Mapping[str, StudyResult] | None = None,
    but: Collection[str] = (),
) -> list[Difference]:
    """List what differs between two groups of images with certainty and at least a small effect, largest first.

    How sure the detector is of them is left out: it goes with every verdict.

    Args:
        group, others: bool (N,), without common images.
        rows: N rows of a run's predictions.
        studies: by name; their columns for Explore are looked at on the images that they cover.
        but: columns that are no news, studies' as `<study>.<column>`.
    """
    columns = [column for column in _columns(rows, studies or {}) if column.name not in {"margin", *but}]
    return _differing(columns, group, others, SMALL)


def _differing(
    columns: list[Column], group: NDArray[np.bool_], others: NDArray[np.bool_], least: float
) -> list[Difference]:
    compared = (compare_groups(column, group, others) for column in columns)
    return sorted((each for each in compared if each.effect >= least), key=lambda each: -each.effect)


def _columns(
    rows: pd.DataFrame, studies: Mapping[str, StudyResult], given: NDArray[np.float64] | None = None
) -> Iterator[Column]:
    """Size of the margin, categories, facts, and the columns that studies of images offer to Explore.

    Args:
        rows: N of a run's predictions.
        studies: by name.
        given: float64 (N,), how many images each row stands for; all alike when None.
    """
    even = np.ones(len(rows)) if given is None else given
    yield Column("margin", "margin", np.abs(rows["margin"].to_numpy(np.float64)), even)
    yield from _of_texts("category", "category", rows["category"], even)
    yield from (Column(name, name, rows[name].to_numpy(np.float64), even) for name in FACTS)
    for study, answer in studies.items():
        if study == "clusters" or "id" not in answer.table or not answer.about.get("explore"):
            continue
        table = answer.table.drop_duplicates("id").set_index("id").reindex(rows["id"])
        weights = table[WEIGHT].fillna(0).to_numpy(np.float64) if WEIGHT in table else np.ones(len(rows))
        if given is not None:
            # the sparser of the two samples is the one that a row is drawn from
            weights = np.where(weights > 0, np.maximum(weights, given), 0)
        for column in answer.about["explore"]:
            # the unit and the range come after the first comma
            label = str(answer.about["columns"][column]).partition(";")[0].partition(",")[0]
            name, kind = f"{study}.{column}", answer.table[column]
            share = pd.api.types.is_bool_dtype(kind)
            if share or pd.api.types.is_numeric_dtype(kind):
                numbers = pd.to_numeric(table[column].astype(object), errors="coerce").to_numpy(np.float64)
                yield Column(name, label, numbers, weights, share)
            else:
                yield from _of_texts(name, label, table[column], weights)


def _of_texts(name: str, label: str, values: "pd.Series[Any]", weights: NDArray[np.float64]) -> Iterator[Column]:
    """A column of shares for each text; nothing where nearly every image has its own."""
    texts = values.dropna().unique()
    for text in sorted(map(str, texts)) if len(texts) <= MOST_TEXTS else ():
        if text:
            hit = np.where(values.notna(), values.astype(str) == text, np.nan).astype(np.float64)
            yield Column(name, label, hit, weights, share=True, text=text)
