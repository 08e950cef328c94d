"""How a group of images differs from others: in category, looks, and the columns that studies offer. No torch."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

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


class Difference(NamedTuple):
    """A column whose mean or share differs between one group of images and the others.

    Attributes:
        effect: absolute effect size: Cohen's h for shares, else Cohen's d; 0 where the difference may be chance.
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


class Column(NamedTuple):
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
    """Compare a column between two groups, bool (N,) each."""
    known = np.isfinite(column.values) & (column.weights > 0)
    means, variances, sizes = np.array([_moments(column, known & side) for side in (group, others)]).T
    effect, (own, rest) = 0.0, map(float, means)
    # only categories that the group has more of: with many, most are missing from any group
    if sizes.min() >= 2 and not (column.text and own < rest):
        # a share of 0 or 1 in a small group is not certain: one image more of each kind (Agresti and Caffo 2000)
        shifted = (means * sizes + 1) / (sizes + 2) if column.share else means
        # a few images may happen to be close together: what the wider side varies by holds for both
        spread = shifted * (1 - shifted) if column.share else variances.max()
        if abs(shifted[0] - shifted[1]) > CERTAIN * np.sqrt((spread / sizes).sum()):
            pooled = max(np.sqrt((variances * sizes).sum() / sizes.sum()), 1e-12)
            angles = 2 * np.arcsin(np.sqrt(np.clip(means, 0, 1))) if column.share else means / pooled
            effect = float(abs(angles[0] - angles[1]))
    return Difference(effect, column.name, column.label, own, rest, column.share, column.text)


def _moments(column: Column, chosen: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean, variance and Kish's effective number of images."""
    values, weights = column.values[chosen], column.weights[chosen]
    if not len(values):
        return np.nan, np.nan, 0
    mean = float(np.average(values, weights=weights))
    return mean, float(np.average((values - mean) ** 2, weights=weights)), effective_size(weights)


def differing(
    columns: Iterable[Column], group: NDArray[np.bool_], others: NDArray[np.bool_], least: float = SMALL
) -> list[Difference]:
    """List the columns with at least this effect size between two groups of images, bool (N,), largest first."""
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
            # booleans are numeric to pandas
            if pd.api.types.is_numeric_dtype(kind):
                numbers = table[column].to_numpy(np.float64, na_value=np.nan)
                yield Column(name, label, numbers, weights, pd.api.types.is_bool_dtype(kind))
            else:
                yield from _of_texts(name, label, table[column], weights)


def _of_texts(name: str, label: str, values: "pd.Series[Any]", weights: NDArray[np.float64]) -> Iterator[Column]:
    """A column of shares for each text; nothing where nearly every image has its own."""
    texts = values.dropna().astype(str)
    if texts.nunique() <= MOST_TEXTS:
        for text, hits in pd.get_dummies(texts, dtype=np.float64).reindex(values.index).items():
            if text:
                yield Column(name, label, hits.to_numpy(), weights, share=True, text=str(text))
