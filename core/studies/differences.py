"""How a group of images differs from others: in category, looks, and the columns that studies offer. No torch."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.findings.intervals import effective_size
from core.studies.store import StudyResult
from core.studies.study import WEIGHT

# standard errors that a difference must exceed: of a hundred columns in a dozen groups, some reach fewer by chance
CERTAIN = 4.0
# smallest effect size that is listed between groups that a visitor chose: a small one (Cohen 1988)
SMALL = 0.2
# red, green and blue mostly say again how bright an image is
FACTS = ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")
# a column of more texts names images rather than kinds
MOST_TEXTS = 30


@dataclass(frozen=True)
class Difference:
    """A column whose mean or share differs between one group of images and the others.

    Attributes:
        effect: absolute effect size: Cohen's h for shares, else Cohen's d.
        column: of a run's rows, or of a study as `<study>.<column>`.
        label: the column in a few words.
        own, rest: means of the group and of the others; 0 to 1 for shares.
        share: True if the means are shares of images.
        value: the category whose share is compared; "" for numeric and boolean columns.
    """

    effect: float
    column: str
    label: str
    own: float
    rest: float
    share: bool = False
    value: str = ""


@dataclass(frozen=True, eq=False)
class Column:
    """One property of N images: a number, a boolean, or an indicator of one category.

    Attributes:
        name: of a run's rows, or of a study as `<study>.<column>`.
        label: the property in a few words.
        values: float64 (N,), NaN where unknown; 0 or 1 if `share`.
        weights: float64 (N,), how many images each stands for; 0 for images that a sampled study does not cover.
        share: True if the mean of `values` is a share.
        text: the category that `values` indicates; "" for numbers and booleans.
    """

    name: str
    label: str
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    share: bool = False
    text: str = ""


def compare_groups(column: Column, group: NDArray[np.bool_], others: NDArray[np.bool_]) -> Difference:
    """Compare a column between two groups, bool (N,) each; the effect is 0 where the difference may be chance."""
    known = np.isfinite(column.values) & (column.weights > 0)
    own, rest = (_moments(column, known & side) for side in (group, others))
    # only categories that the group has more of: with many, most are missing from any group
    missing = bool(column.text) and own[0] < rest[0]
    effect = 0.0 if missing else _effect(column.share, own, rest)
    return Difference(effect, column.name, column.label, own[0], rest[0], column.share, column.text)


def _effect(share: bool, own: tuple[float, float, float], rest: tuple[float, float, float]) -> float:
    """Size of Cohen's h for shares, else of his d, from mean, variance and effective size; 0 where it may be chance."""
    means, variances, sizes = np.array([own, rest]).T
    if sizes.min() < 2:
        return 0.0
    # a share of 0 or 1 in a small group is not certain: one image more of each kind (Agresti and Caffo 2000)
    shifted = (means * sizes + 1) / (sizes + 2) if share else means
    # a few images may happen to be close together: what the wider side varies by holds for both
    spread = shifted * (1 - shifted) if share else variances.max()
    if abs(shifted[0] - shifted[1]) <= CERTAIN * np.sqrt((spread / sizes).sum()):
        return 0.0
    if share:
        return float(2 * abs(np.subtract(*np.arcsin(np.sqrt(np.clip(means, 0, 1))))))
    return float(abs(means[0] - means[1]) / max(np.sqrt((variances * sizes).sum() / sizes.sum()), 1e-12))


def _moments(column: Column, chosen: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean, variance and Kish's effective number of images."""
    values, weights = column.values[chosen], column.weights[chosen]
    if not len(values):
        return np.nan, np.nan, 0
    mean = float(np.average(values, weights=weights))
    return mean, float(np.average((values - mean) ** 2, weights=weights)), effective_size(weights)


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
    columns = [column for column in columns_of(rows, studies or {}) if column.name not in {"margin", *but}]
    return differing(columns, group, others, SMALL)


def differing(
    columns: list[Column], group: NDArray[np.bool_], others: NDArray[np.bool_], least: float
) -> list[Difference]:
    """List the columns with at least this effect size, largest first."""
    compared = (compare_groups(column, group, others) for column in columns)
    return sorted((one for one in compared if one.effect >= least), key=lambda difference: -difference.effect)


def columns_of(
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
