"""Make contrasts: two numbers of the same images with a paired interval, or two independent ones."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.arrays import Floats, Integers, Mask
from core.findings.contrast import Contrast, Control, Measure
from core.findings.intervals import weighted_lead, weighted_mean, weighted_share


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
    other = control.measure
    if not (other.has_interval or other.has_few_sources):
        other = replace(other, low=other.value, high=other.value)
    return Contrast(kind, value, measure, control, difference_of_intervals(measure, other))


def difference_of_intervals(first: Measure, second: Measure) -> Measure:
    """Measure the difference of two independent numbers from their intervals.

    With the ends l1, u1 and l2, u2 of the numbers x1 and x2, the lower end is
    x1 - x2 - sqrt((x1 - l1)^2 + (u2 - x2)^2), and the upper one accordingly
    (Zou and Donner 2008, https://doi.org/10.1002/sim.3095). Of numbers that are positively correlated, such as shares
    of the same images, the interval is wider than need be.

    Example:
        >>> difference = difference_of_intervals(Measure(0.5, 0.4, 0.6, 100), Measure(0.2, 0.1, 0.3, 100))
        >>> round(difference.low, 3), round(difference.high, 3), difference.n
        (0.159, 0.441, 200)
    """
    value = first.value - second.value
    below = np.hypot(first.value - first.low, second.high - second.value)
    above = np.hypot(first.high - first.value, second.value - second.low)
    return Measure(value, value - float(below), value + float(above), first.n + second.n)


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
