"""A card for each cluster of the study `clusters`: size, errors, typical members, and what sets it apart in words.

Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.pictures import Pictures
from core.run import Run
from core.stats import Estimate, weighted_share
from core.studies.cluster_words import Words, set_apart
from core.studies.study import Answer

SPACES = {"features": "the detector's features", "maps": "margin maps"}
MEMBERS = 12
WORDS = 4


@dataclass(frozen=True, eq=False)
class Card:
    """One cluster.

    Attributes:
        number: its label, 0 is the largest.
        images: how many it has, `share` of all, 0 to 1.
        errors: how many of them are called wrongly.
        error_rate: their share with its interval.
        called_real: share of verdicts that are REAL, 0 to 1.
        members: ids of the most typical, the nearest to the centre first.
        words: what sets it apart from the other images, most telling first.
        mean_map: float32 (4, 4), the mean margin map, positive for REAL.
        mean_image: uint8 (32, 32, 3), or None where its pictures are not at hand.
    """

    number: int
    images: int
    share: float
    errors: int
    error_rate: Estimate
    called_real: float
    members: tuple[str, ...]
    words: tuple[str, ...]
    mean_map: NDArray[np.float32]
    mean_image: NDArray[np.uint8] | None


def read_cards(
    table: pd.DataFrame,
    run: Run,
    space: str,
    *,
    studies: Mapping[str, Answer] | None = None,
    pictures: Pictures | None = None,
) -> list[Card]:
    """The cards of one space, the largest cluster first.

    Args:
        table: of the study `clusters`.
        run: that it was asked of.
        space: a key of `SPACES`.
        studies: whose columns for Explore may set clusters apart, too.
        pictures: the run's, for mean images.
    """
    labels = table[f"{space}_cluster"].to_numpy()
    positions = pd.Series(np.arange(len(run)), index=run.predictions["id"]).loc[table["id"]].to_numpy()
    rows = run.predictions.iloc[positions].reset_index(drop=True)
    words = set_apart(labels, rows, studies=studies or {})
    return [
        _card(table, run, space, number=int(number), positions=positions, words=words[int(number)], pictures=pictures)
        for number in np.unique(labels)
    ]


def _card(
    table: pd.DataFrame,
    run: Run,
    space: str,
    *,
    number: int,
    positions: NDArray[np.intp],
    words: Words,
    pictures: Pictures | None,
) -> Card:
    inside = np.flatnonzero(table[f"{space}_cluster"].to_numpy() == number)
    mine = positions[inside]
    rows = run.predictions.iloc[mine]
    wrong = (rows["label"].astype(str) != rows["predicted"].astype(str)).to_numpy()
    typical = inside[np.argsort(table[f"{space}_distance"].to_numpy()[inside], kind="stable")[:MEMBERS]]
    return Card(
        number=number,
        images=len(inside),
        share=len(inside) / len(table),
        errors=int(wrong.sum()),
        error_rate=weighted_share(wrong),
        called_real=float((rows["predicted"].astype(str) == "REAL").mean()),
        members=tuple(table["id"].to_numpy()[typical].tolist()),
        words=tuple(text for _, text in words[:WORDS]),
        mean_map=np.asarray(run.maps[mine], np.float32).mean(axis=0),
        mean_image=_mean_image(pictures, mine),
    )


def _mean_image(pictures: Pictures | None, positions: NDArray[np.intp]) -> NDArray[np.uint8] | None:
    if pictures is None or pictures.pixels is None or (pictures.where[positions] < 0).any():
        return None
    places = np.sort(pictures.where[positions])
    total = np.zeros(pictures.pixels.shape[1:], np.float64)
    for start in range(0, len(places), 2048):
        total += np.asarray(pictures.pixels[places[start : start + 2048]], np.float64).sum(axis=0)
    return np.rint(total / len(places)).astype(np.uint8)


def card_table(cards: list[Card]) -> pd.DataFrame:
    """The cards as a table, a row a cluster: a column for each number of `Card` and `words` joined by semicolons."""
    return pd.DataFrame(
        [
            {
                "number": card.number,
                "images": card.images,
                "share": card.share,
                "errors": card.errors,
                "error_rate": card.error_rate.value,
                "low": card.error_rate.low,
                "high": card.error_rate.high,
                "called_real": card.called_real,
                "words": "; ".join(card.words),
            }
            for card in cards
        ]
    )
