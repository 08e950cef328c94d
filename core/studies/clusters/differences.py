"""Differences between groups of images: in categories, statistics, and other studies' columns.

Of clusters, each against the other images of its verdict; or of any two groups.

Needs no torch.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.differences import Difference
from core.findings.intervals import effective_size
from core.studies.result import StudyResult
from core.studies.study import WEIGHT

# smallest effect size that is reported: a medium one (Cohen 1988)
LEAST = 0.5
# the same between groups that a visitor chose: a small one
LEAST_ASKED = 0.2
# standard errors that a difference must exceed: of a hundred columns in a dozen clusters, some reach fewer by chance
CERTAIN = 4.0
# red, green and blue mostly say again how bright an image is
FACTS = ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")
# what anybody sees who looks at the images
VISIBLE = ("category", "brightness", "contrast", "greyness", "fine_detail")
# a column of more texts names images rather than kinds
MOST_TEXTS = 30


@dataclass(frozen=True, eq=False)
class _Column:
    """One property of N images: a number, a boolean, or an indicator of one category.

    Attributes:
        values: float64 (N,), NaN where unknown; 0 or 1 if `share`.
        weights: float64 (N,), how many images each stands for; 0 for images that a sampled study does not cover.
        label: the property in a few words.
        share: True if the mean of `values` is a share.
        text: the category that `values` indicates; "" for numbers and booleans.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    label: str
    share: bool = False
    text: str = ""


def set_apart(
    labels: NDArray[np.integer],
    rows: pd.DataFrame,
    *,
    weights: NDArray[np.float64] | None = None,
    studies: Mapping[str, StudyResult] | None = None,
    visible: bool | None = None,
) -> dict[int, list[Difference]]:
    """List each label's significant differences from the rest of its verdict, of medium effect or more, largest first.

    Args:
        labels: integers (N,); all images with one label have the same verdict.
        rows: N rows of a run's predictions.
        weights: float64 (N,), how many images of the run each stands for; all alike when None.
        studies: by name; their columns for Explore are compared on the images that they cover.
        visible: True for columns that a person can see, False for the others, None for all.
    """
    found: dict[int, list[Difference]] = {int(number): [] for number in np.unique(labels)}
    called = rows["predicted"].astype(str).to_numpy()
    for name, column in [*_own_columns(rows, weights), *_study_columns(rows, studies or {}, weights)]:
        if visible not in (None, name in VISIBLE):
            continue
        for number, differing in found.items():
            inside = labels == number
            one = _compared(name, column, inside, ~inside & (called == called[int(np.argmax(inside))]))
            if one.effect >= LEAST:
                differing.append(one)
    return {number: _largest_first(differing) for number, differing in found.items()}


def differences(
    inside: NDArray[np.bool_],
    others: NDArray[np.bool_],
    rows: pd.DataFrame,
    *,
    studies: Mapping[str, StudyResult] | None = None,
    but: Collection[str] = (),
) -> list[Difference]:
    """List what differs between two groups of images with certainty and at least a small effect, largest first.

    How sure the detector is of them is left out: it goes with every verdict.

    Args:
        inside, others: bool (N,), the two groups, without common images.
        rows: N rows of a run's predictions.
        studies: by name; their columns for Explore are looked at on the images that they cover.
        but: columns that are no news, studies' as `<study>.<column>`.
    """
    columns = (
        *((name, one) for name, one in _own_columns(rows) if name != "margin"),
        *_study_columns(rows, studies or {}),
    )
    found = (_compared(name, column, inside, others) for name, column in columns if name not in but)
    return _largest_first([one for one in found if one.effect >= LEAST_ASKED])


def _largest_first(found: list[Difference]) -> list[Difference]:
    return sorted(found, key=lambda one: -one.effect)


def _compared(name: str, column: _Column, inside: NDArray[np.bool_], others: NDArray[np.bool_]) -> Difference:
    """A column's difference; its effect is 0 where it is not worth a word."""
    known = np.isfinite(column.values) & (column.weights > 0)
    own, rest = (_moments(column, known & side) for side in (inside, others))
    # only categories that the group has more of: with many, most are missing from any group
    missing = bool(column.text) and own.mean < rest.mean
    effect = 0.0 if missing else _effect(column.share, own, rest)
    return Difference(effect, name, column.label, own.mean, rest.mean, column.share, column.text)


@dataclass(frozen=True)
class _Moments:
    """Mean, variance and Kish's effective number of images."""

    mean: float
    variance: float
    size: float


def _moments(column: _Column, chosen: NDArray[np.bool_]) -> _Moments:
    values, weights = column.values[chosen], column.weights[chosen]
    if not len(values):
        return _Moments(np.nan, np.nan, 0)
    mean = float(np.average(values, weights=weights))
    size = effective_size(weights)
    return _Moments(mean, float(np.average((values - mean) ** 2, weights=weights)), size)


def _effect(share: bool, own: _Moments, rest: _Moments) -> float:
    """Size of Cohen's h for shares, else of his d; 0 where the difference may be chance."""
    if min(own.size, rest.size) < 2:
        return 0.0
    # a share of 0 or 1 in a small cluster is not certain: one image more of each kind (Agresti and Caffo 2000)
    means = [(side.mean * side.size + 1) / (side.size + 2) if share else side.mean for side in (own, rest)]
    # a few images may happen to be close together: what the wider side varies by holds for both
    wider = max(own.variance, rest.variance)
    spread = [mean * (1 - mean) if share else wider for mean in means]
    error = np.sqrt(spread[0] / own.size + spread[1] / rest.size)
    if abs(means[0] - means[1]) <= CERTAIN * error:
        return 0.0
    if share:
        return float(2 * abs(np.subtract(*np.arcsin(np.sqrt(np.clip([own.mean, rest.mean], 0, 1))))))
    pooled = np.sqrt((own.variance * own.size + rest.variance * rest.size) / (own.size + rest.size))
    return float(abs(own.mean - rest.mean) / max(pooled, 1e-12))


def _own_columns(rows: pd.DataFrame, weights: NDArray[np.float64] | None = None) -> Iterator[tuple[str, _Column]]:
    """Sureness, categories and facts, each with the name of its column."""
    even = np.ones(len(rows)) if weights is None else weights
    yield "margin", _Column(np.abs(rows["margin"].to_numpy(np.float64)), even, "margin")
    yield from (("category", one) for one in _of_texts(rows["category"], even, "category"))
    yield from ((name, _Column(rows[name].to_numpy(np.float64), even, name)) for name in FACTS)


def _study_columns(
    rows: pd.DataFrame, studies: Mapping[str, StudyResult], given: NDArray[np.float64] | None = None
) -> Iterator[tuple[str, _Column]]:
    """The columns that studies of images offer to Explore, each with its name there."""
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
            found = _of_study(answer.table[column], table[column], weights, label)
            yield from ((f"{study}.{column}", one) for one in found)


def _of_study(
    kind: "pd.Series[Any]", values: "pd.Series[Any]", weights: NDArray[np.float64], label: str
) -> Iterator[_Column]:
    share = pd.api.types.is_bool_dtype(kind)
    if not share and not pd.api.types.is_numeric_dtype(kind):
        yield from _of_texts(values, weights, label)
        return
    numbers = pd.to_numeric(values.astype(object), errors="coerce").to_numpy(np.float64)
    yield _Column(numbers, weights, label, share)


def _of_texts(values: "pd.Series[Any]", weights: NDArray[np.float64], label: str) -> Iterator[_Column]:
    """A column of shares for each text; nothing where nearly every image has its own."""
    texts = values.dropna().unique()
    for text in sorted(map(str, texts)) if len(texts) <= MOST_TEXTS else ():
        if text:
            hit = np.where(values.notna(), values.astype(str) == text, np.nan).astype(np.float64)
            yield _Column(hit, weights, label, share=True, text=text)
