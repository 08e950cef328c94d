"""Differences between two groups of images, and between their errors, as data and in a few words."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.findings.intervals import Estimate, effective_size
from core.findings.numbers import MINUS, percent

# standard errors that a difference must exceed: of a hundred columns in a dozen groups, some reach fewer by chance
CERTAIN = 4.0


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
    missing = bool(column.text) and own.mean < rest.mean
    effect = 0.0 if missing else _effect(column.share, own, rest)
    return Difference(effect, column.name, column.label, own.mean, rest.mean, column.share, column.text)


class _Moments(NamedTuple):
    """Mean, variance and Kish's effective number of images."""

    mean: float
    variance: float
    size: float


def _moments(column: Column, chosen: NDArray[np.bool_]) -> _Moments:
    values, weights = column.values[chosen], column.weights[chosen]
    if not len(values):
        return _Moments(np.nan, np.nan, 0)
    mean = float(np.average(values, weights=weights))
    return _Moments(mean, float(np.average((values - mean) ** 2, weights=weights)), effective_size(weights))


def _effect(share: bool, own: _Moments, rest: _Moments) -> float:
    """Size of Cohen's h for shares, else of his d; 0 where the difference may be chance."""
    if min(own.size, rest.size) < 2:
        return 0.0
    # a share of 0 or 1 in a small group is not certain: one image more of each kind (Agresti and Caffo 2000)
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


class Phrase(NamedTuple):
    """Words for a difference in one column.

    Attributes:
        more, less: words for images whose mean is higher, or lower, than that of the others.
        numbers: template for both means, with the placeholders `own` and `rest`.
        share: True if the means are shares of 1, written as percentages.
    """

    more: str
    less: str
    numbers: str
    share: bool = False


# what a run's rows have; columns of studies are told by their labels
PHRASES = {
    "brightness": Phrase("brighter", "darker", "brightness {own} of 255, others {rest}"),
    "contrast": Phrase("more contrast", "less contrast", "spread of grey levels {own}, others {rest}"),
    "greyness": Phrase("greyer", "more colourful", "greyness {own} of 1, others {rest}"),
    "fine_detail": Phrase("more fine detail", "less fine detail", "{own} of the variation, others {rest}", share=True),
    "file_bytes": Phrase("larger files", "smaller files", "{own} bytes, others {rest}"),
    "margin": Phrase("the detector is surer", "the detector is less sure", "margin {own}, others {rest}"),
}


def describe_difference(difference: Difference) -> str:
    """Write a difference: "brighter (brightness 120 of 255, others 99)"."""
    phrase = PHRASES.get(difference.column)
    share = difference.share or (phrase is not None and phrase.share)
    own, rest = (percent(difference.own), percent(difference.rest)) if share else alike(difference.own, difference.rest)
    if phrase is not None:
        numbers = phrase.numbers.format(own=own, rest=rest)
        return f"{phrase.more if difference.own > difference.rest else phrase.less} ({numbers})"
    if difference.value:
        name = "" if difference.column == "category" else f"{difference.label}: "
        return f"more often {name}{difference.value.replace('_', ' ')} ({own}, others {rest})"
    return f"{difference.label}: {own}, others {rest}"


def alike(own: float, rest: float) -> tuple[str, str]:
    """Two numbers with two digits each, and more where they would look the same."""
    most = _digits(max(abs(own), abs(rest)))
    texts = []
    for number in (own, rest):
        # at most one decimal more than the larger number has
        digits = max(min(_digits(abs(number)), most + 1), most, _digits(abs(own - rest)) - 1)
        texts.append(f"{round(number, digits):,.{max(digits, 0)}f}".replace("-", MINUS))
    return texts[0], texts[1]


def _digits(number: float) -> int:
    """Count the decimals that show two significant digits; negative for 100 and above, 0 for 0."""
    return 1 - math.floor(math.log10(number)) if number > 0 else 0
