"""How a group of images differs from others, and a card for each cluster of the study `clusters`. Needs no torch.

Compared are looks, categories, and the columns that studies offer for browsing.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import Float64, Mask, Pixels, Positions
from core.findings.intervals import effective_size, weighted_share
from core.images.labels import CLASSES
from core.runs.pictures import Pictures
from core.runs.run import Run
from core.studies.columns import read_columns, study_columns
from core.studies.shared.groups import cell_weights
from core.studies.study import WEIGHT

# standard errors that a difference must exceed: of a hundred columns in a dozen groups, some reach fewer by chance
CERTAIN = 4.0
# smallest effect size that is listed between groups that a visitor chose: a small one (Cohen 1988)
SMALL = 0.2
# red, green and blue mostly say again how bright an image is
FACTS = ("brightness", "contrast", "greyness", "fine_detail", "file_bytes")
# a column of more texts names images rather than kinds
MOST_TEXTS = 30
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
        effect = _effect(means, variances, sizes, is_share=column.share)
    return Difference(effect, column.name, column.label, own, rest, column.share, column.text)


def _effect(means: Float64, variances: Float64, sizes: Float64, *, is_share: bool) -> float:
    """Compute Cohen's d of two means, h of two shares; 0 where their difference may be chance."""
    if is_share:
        # a share of 0 or 1 in a small group is not certain: one image more of each kind (Agresti and Caffo 2000)
        compared = (means * sizes + 1) / (sizes + 2)
        variance = compared * (1 - compared)
        scaled = 2 * np.arcsin(np.sqrt(np.clip(means, 0, 1)))
    else:
        compared = means
        # a few images may happen to be close together: what the wider side varies by holds for both
        variance = variances.max()
        scaled = means / max(np.sqrt(np.average(variances, weights=sizes)), 1e-12)
    if abs(compared[0] - compared[1]) <= CERTAIN * np.sqrt((variance / sizes).sum()):
        return 0.0
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
    studied = {name: column for name, column in study_columns(run).items() if not name.startswith("clusters.")}
    sampled = [name for name in studied if name.endswith(f".{WEIGHT}")]
    offered = [name for name, column in studied.items() if column.offered and name not in sampled]
    own = run.predictions[["margin", "category", *FACTS]].reset_index(drop=True)
    own["margin"] = own["margin"].abs()
    table = pd.concat([own, read_columns(run, [*offered, *sampled])], axis=1).iloc[positions]
    for name in table.columns.difference(sampled, sort=False):
        label = studied[name].label if name in studied else name
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
            for text, hits in shares.drop(columns="", errors="ignore").items():
                yield Column(name, label, hits.to_numpy(), weights, share=True, text=str(text))


def outline(points: Float64) -> Float64:
    """Compute the convex hull of the `CORE` of a cluster's points that is nearest to their median.

    Args:
        points: float64 (N, 2).

    Returns:
        float64 (K, 2), its corners in order; the points themselves where they are fewer than three, or on one line.
    """
    # imported here: other pages draw no outlines
    from scipy.spatial import ConvexHull, QhullError  # noqa: PLC0415

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
    positions = pd.Index(run.predictions["id"]).get_indexer(table["id"])
    rows = run.predictions.iloc[positions].assign(distance=table[f"{space}_distance"].to_numpy())
    predicted = run.predicted_real[positions]
    wrong = (run.is_real != run.predicted_real)[positions]
    weights = cell_weights(run, positions)
    columns = []
    if compared:
        columns = list(columns_of(run, positions, weights))
    cards = []
    for number in np.unique(labels):
        inside = labels == number
        members = positions[inside]
        own = weights[inside]
        called_real = bool(predicted[inside][0])
        peers = predicted == called_real
        rate = weighted_share(wrong[inside], own)
        # the worst of many clusters lies above by chance more often than a single one (Bonferroni)
        strict = weighted_share(wrong[inside], own, confidence=1 - 0.05 / len(np.unique(labels[peers])))
        nearest = rows[inside].sort_values("distance", kind="stable")["id"]
        surest = rows[inside & wrong].sort_values("margin", key=np.abs, ascending=False, kind="stable")["id"]
        apart = differing(columns, inside, peers & ~inside, MEDIUM)
        apart.sort(key=lambda difference: difference.column not in VISIBLE)
        cards.append({
            "number": int(number),
            "verdict": CLASSES[called_real],
            "images": len(members),
            "share": own.sum() / weights.sum(),
            "errors": len(surest),
            "error_rate": rate.value,
            "low": rate.low,
            "high": rate.high,
            "verdict_error_rate": np.average(wrong[peers], weights=weights[peers]),
            "strict_low": strict.low,
            "strict_high": strict.high,
            "members": nearest.head(MEMBERS_KEPT).tolist(),
            "wrong": surest.head(MEMBERS_KEPT).tolist(),
            "apart": tuple(apart[:MOST_DIFFERENCES]),
            "mean_map": np.average(np.asarray(run.needed_maps[members], np.float32), axis=0, weights=own),
            "mean_image": None if pictures is None else _mean_image(pictures, members, own),
        })  # fmt: skip
    return pd.DataFrame(cards)


def _mean_image(pictures: Pictures, positions: Positions, weights: Float64) -> Pixels | None:
    total: Any = 0.0
    for row, weight in zip(positions.tolist(), weights / weights.sum(), strict=True):
        image = pictures.get(row)
        if image is None:
            # it is missing, or its file has changed
            return None
        total = total + weight * image
    return np.asarray(np.rint(total), np.uint8)
