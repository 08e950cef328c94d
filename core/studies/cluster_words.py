"""What sets a cluster apart from the other images, in words: verdicts, categories, facts, and columns of other studies.

Needs no torch.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.facts import FACTS
from core.studies.study import WEIGHT, Answer

# size of the effect and the words
Words = list[tuple[float, str]]
# a difference of so many standard deviations is worth a word (Cohen 1988: 0.5 is a medium effect)
LEAST = 0.5
FACT_WORDS = {
    "brightness": ("brighter", "darker"),
    "contrast": ("more contrast", "less contrast"),
    "greyness": ("greyer", "more colourful"),
    "red": ("more red", "less red"),
    "green": ("more green", "less green"),
    "blue": ("more blue", "less blue"),
    "fine_detail": ("more fine detail", "less fine detail"),
    "file_bytes": ("larger files", "smaller files"),
}
# channels of a grey image only say again how bright it is
SAME_AS_BRIGHTNESS = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class _Column:
    """Something that N images have.

    Attributes:
        values: float64 (N,), NaN where not known; 0 or 1 where it is a share that is told.
        weights: float64 (N,).
        tell: the words for the cluster's mean and that of the others.
        share: whether the mean is a share.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    tell: Callable[[float, float], str]
    share: bool


def set_apart(
    labels: NDArray[np.integer], rows: pd.DataFrame, *, studies: Mapping[str, Answer] | None = None
) -> dict[int, Words]:
    """For each label, what differs between its images and all others by at least a medium effect, largest first.

    Args:
        labels: (N,).
        rows: N rows of a run's predictions.
        studies: by name; their columns for Explore are looked at on the images that they cover.
    """
    found: dict[int, Words] = {int(number): [] for number in np.unique(labels)}
    for column in [*_own_columns(rows), *_study_columns(rows, studies or {})]:
        known = np.isfinite(column.values)
        for number, words in found.items():
            sides = [known & (labels == number), known & (labels != number)]
            if not all(side.any() for side in sides):
                continue
            own, rest = (float(np.average(column.values[side], weights=column.weights[side])) for side in sides)
            effect = _effect(column, own, rest)
            if effect >= LEAST:
                words.append((effect, column.tell(own, rest)))
    for words in found.values():
        words.sort(key=lambda one: -one[0])
    return found


def _effect(column: _Column, own: float, rest: float) -> float:
    """Size of Cohen's h for shares, else of the difference in standard deviations of all images."""
    if column.share:
        return float(2 * abs(np.arcsin(np.sqrt(min(own, 1.0))) - np.arcsin(np.sqrt(min(rest, 1.0)))))
    spread = float(np.nanstd(column.values))
    return abs(own - rest) / spread if spread > 0 else 0.0


def _own_columns(rows: pd.DataFrame) -> Iterator[_Column]:
    """Verdict, truth, sureness, categories and facts."""
    even = np.ones(len(rows))
    for column, words in {"predicted": "called REAL", "label": "are REAL"}.items():
        values = (rows[column].astype(str) == "REAL").to_numpy(np.float64)
        yield _Column(values, even, partial(_tell_share, words), share=True)
    margins = np.abs(rows["margin"].to_numpy(np.float64))
    yield _Column(margins, even, partial(_tell_number, ("surer", "less sure"), "margin of either sign"), share=False)
    for category in rows["category"].dropna().unique():
        values = (rows["category"] == category).to_numpy(np.float64)
        yield _Column(values, even, partial(_tell_share, str(category)), share=True)
    for fact, unit in FACTS.items():
        if fact not in SAME_AS_BRIGHTNESS:
            values = rows[fact].to_numpy(np.float64)
            yield _Column(values, even, partial(_tell_number, FACT_WORDS[fact], unit.split(",")[0]), share=False)


def _study_columns(rows: pd.DataFrame, studies: Mapping[str, Answer]) -> Iterator[_Column]:
    """The columns of numbers and booleans that studies of images offer to Explore."""
    for name, answer in studies.items():
        if name == "clusters" or "id" not in answer.table or not answer.about.get("explore"):
            continue
        table = answer.table.drop_duplicates("id").set_index("id").reindex(rows["id"])
        weights = table[WEIGHT].fillna(0).to_numpy(np.float64) if WEIGHT in table else np.ones(len(rows))
        for column in answer.about["explore"]:
            of_truth = pd.api.types.is_bool_dtype(answer.table[column])
            if not of_truth and not pd.api.types.is_numeric_dtype(answer.table[column]):
                continue
            values = pd.to_numeric(table[column].astype(object), errors="coerce").to_numpy(np.float64)
            said = str(answer.about["columns"][column])
            tell = partial(_tell_share, said) if of_truth else partial(_tell_number, ("more", "less"), said)
            yield _Column(values, weights, tell, share=of_truth)


def _tell_share(words: str, own: float, rest: float) -> str:
    return f"{words}: {own:.0%} against {rest:.0%}"


def _tell_number(words: tuple[str, str], unit: str, own: float, rest: float) -> str:
    return f"{words[0] if own > rest else words[1]}: {own:,.3g} against {rest:,.3g} ({unit})"
