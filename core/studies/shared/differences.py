"""How a group of images differs from others: in category, looks, and the columns that studies offer. No torch."""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float64, Mask, Positions
from core.findings.intervals import effective_size
from core.runs.run import Run
from core.studies.columns import read_columns, study_columns
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
    values: Float64
    weights: Float64
    share: bool = False
    text: str = ""


def compare_groups(column: Column, group: Mask, others: Mask) -> Difference:
    """Compare a column between two groups, bool (N,) each."""
    is_known = np.isfinite(column.values) & (column.weights > 0)
    means, variances, sizes = np.array([_moments(column, is_known & side) for side in (group, others)]).T
    own, rest = map(float, means)
    effect = 0.0
    # only categories that the group has more of: with many, most are missing from any group
    if sizes.min() >= 2 and not (column.text and own < rest):
        if column.share:
            effect = _effect_of_shares(means, sizes)
        else:
            effect = _effect_of_means(means, variances, sizes)
    return Difference(effect, column.name, column.label, own, rest, column.share, column.text)


def _effect_of_shares(shares: Float64, sizes: Float64) -> float:
    """Compute Cohen's h of two shares; 0 where their difference may be chance."""
    # a share of 0 or 1 in a small group is not certain: one image more of each kind (Agresti and Caffo 2000)
    shifted = (shares * sizes + 1) / (sizes + 2)
    if abs(shifted[0] - shifted[1]) <= CERTAIN * np.sqrt((shifted * (1 - shifted) / sizes).sum()):
        return 0.0
    angles = 2 * np.arcsin(np.sqrt(np.clip(shares, 0, 1)))
    return float(abs(angles[0] - angles[1]))


def _effect_of_means(means: Float64, variances: Float64, sizes: Float64) -> float:
    """Compute Cohen's d of two means; 0 where their difference may be chance."""
    # a few images may happen to be close together: what the wider side varies by holds for both
    if abs(means[0] - means[1]) <= CERTAIN * np.sqrt((variances.max() / sizes).sum()):
        return 0.0
    scaled = means / max(np.sqrt((variances * sizes).sum() / sizes.sum()), 1e-12)
    return float(abs(scaled[0] - scaled[1]))


def _moments(column: Column, chosen: Mask) -> tuple[float, float, float]:
    """Mean, variance and Kish's effective number of images."""
    values = column.values[chosen]
    weights = column.weights[chosen]
    if not len(values):
        return np.nan, np.nan, 0
    mean = float(np.average(values, weights=weights))
    return mean, float(np.average((values - mean) ** 2, weights=weights)), effective_size(weights)


def differing(columns: Iterable[Column], group: Mask, others: Mask, least: float = SMALL) -> list[Difference]:
    """List the columns with at least this effect size between two groups of images, bool (N,), largest first."""
    compared = [compare_groups(column, group, others) for column in columns]
    compared.sort(key=attrgetter("effect"), reverse=True)
    return [difference for difference in compared if difference.effect >= least]


def columns_of(run: Run, positions: Positions, given: Float64) -> Iterator[Column]:
    """Size of the margin, categories, facts, and the columns that studies of images offer for browsing.

    Args:
        run: the run; reads the files of its studies, but `clusters`.
        positions: intp (N,), the images.
        given: float64 (N,), how many images each of them stands for.
    """
    studied = study_columns(run)
    sampled = [name for name in studied if name.endswith(f".{WEIGHT}")]
    offered = [name for name, column in studied.items() if column.offered and not name.startswith("clusters.")]
    offered = [name for name in offered if name not in sampled]
    own = run.predictions[["category", *FACTS, "margin"]].reset_index(drop=True)
    table = pd.concat([own, read_columns(run, [*offered, *sampled])], axis=1).iloc[positions]
    yield Column("margin", "margin", np.abs(table["margin"].to_numpy(np.float64)), given)
    for name in ("category", *FACTS, *(name for name in offered if name in table)):
        label = name
        if name in studied:
            label = studied[name].label
        weights = given
        values = table[name]
        weight = f"{name.partition('.')[0]}.{WEIGHT}"
        if weight in table:
            # the sparser of the two samples is the one that a row is drawn from
            weights = np.where(table[weight] > 0, np.maximum(table[weight], given), 0)
        is_share = pd.api.types.is_bool_dtype(values)
        if isinstance(values.dtype, pd.CategoricalDtype) and list(values.cat.categories) == ["no", "yes"]:
            # of a sample
            is_share = True
            values = values.map({"no": 0.0, "yes": 1.0}).astype(np.float64)
        if pd.api.types.is_numeric_dtype(values):
            yield Column(name, label, values.to_numpy(np.float64), weights, is_share)
        elif values.nunique() <= MOST_TEXTS:
            shares = pd.get_dummies(values.dropna().astype(str), dtype=np.float64).reindex(values.index)
            for text, hits in shares.items():
                if text:
                    yield Column(name, label, hits.to_numpy(), weights, share=True, text=str(text))
