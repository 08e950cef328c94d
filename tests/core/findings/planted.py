"""Contrasts and findings whose answer is known."""

import pytest

from core.findings.contrast import Contrast, Control, Finding, Measure


def measure(value, half=0.05):
    """A value with an interval of so much on both sides."""
    return Measure(value, value - half, value + half, 100)


def contrast(difference, half=0.05, *, value=0.5, kind="fill", name=""):
    """A contrast with a difference from its control; without a control where that is None."""
    if difference is None:
        return Contrast(kind, name, measure(value))
    control = Control("chance", measure(value - difference))
    return Contrast(kind, name, measure(value), control, measure(difference, half))


def finding(*contrasts, least=0.1, **about):
    """A finding of these contrasts."""
    about = {"key": "rank", "question": "Do they agree?", "quantity": "rank_correlation", "study": "made", **about}
    return Finding(contrasts=contrasts, least=least, **about)


def numbers(measure):
    """Value, ends of the interval and number of images."""
    return tuple(measure.as_columns().values())


def close(measure, *expected):
    """Check value, ends of the interval and number of images; NaN equals NaN."""
    assert numbers(measure) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def choice(finding, kind, value):
    """The contrast of a finding under one choice."""
    return next(tried for tried in finding.contrasts if (tried.kind, tried.value) == (kind, value))
