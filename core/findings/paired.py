"""Make contrasts: two numbers of the same images with a paired interval, or two independent ones."""

from collections.abc import Sequence

import numpy as np

from core.arrays import Floats, Integers, Mask
from core.findings.contrast import Contrast, Control, Measure
from core.findings.intervals import (
    difference_of_intervals,
    weighted_lead,
    weighted_mean,
    weighted_share,
)


def compare_means(
    kind: str,
    value: str,
    own: Floats,
    others: Floats,
    weights: Floats | None,
    *,
    control: str,
    clusters: Integers | None = None,
) -> Contrast:
    """Compare two weighted means of the same images.

    Args:
        kind, value: of the choice.
        own, others: (N,), under the change or method, and under the control.
        weights: (N,), how many images each row stands for; all alike when None.
        control: its name.
        clusters: see `weighted_mean`.
    """
    first = weighted_mean(own, weights, clusters=clusters)
    second = weighted_mean(others, weights, clusters=clusters)
    lead = weighted_mean(np.subtract(own, others, dtype=np.float64), weights, clusters=clusters)
    return Contrast(kind, value, first, Control(control, second), lead)


def compare_shares(
    kind: str, value: str, own: Mask, others: Mask, weights: Floats | None, *, control: str, confidence: float = 0.95
) -> Contrast:
    """Compare two weighted shares of the same images; arguments as for `compare_means` and `weighted_lead`."""
    first = np.asarray(own, bool)
    second = np.asarray(others, bool)
    share = weighted_share(first, weights, confidence=confidence)
    other = weighted_share(second, weights, confidence=confidence)
    lead = weighted_lead(np.subtract(first, second, dtype=np.float64), weights, confidence=confidence)
    return Contrast(kind, value, share, Control(control, other), lead)


def compare_apart(kind: str, value: str, measure: Measure, control: Control | None) -> Contrast:
    """Compare a measure with an independent control; one without an interval counts as exact."""
    if control is None:
        return Contrast(kind, value, measure)
    return Contrast(kind, value, measure, control, difference_of_intervals(measure, control.measure.or_exact))


def strongest_first(contrasts: Sequence[Contrast]) -> tuple[Contrast, ...]:
    """Put the contrast with the strongest control first: that with the least effect above it.

    Args:
        contrasts: of one change or method, each with another control; one without a control comes last.
    """

    def effect(contrast: Contrast) -> float:
        if contrast.difference is None:
            return np.inf
        return np.nan_to_num(contrast.difference.value, nan=np.inf)

    return tuple(sorted(contrasts, key=effect))
