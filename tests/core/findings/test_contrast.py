"""Findings as JSON and back, what is refused, and contrasts against the intervals that they are made of."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.findings.contrast import Control, Measure, find, read_findings, to_json
from core.findings.intervals import weighted_lead, weighted_mean, weighted_share
from core.findings.paired import (
    compare_apart,
    compare_means,
    compare_shares,
    difference_of_intervals,
    strongest_first,
)
from tests.core.findings.planted import contrast, finding, measure


def whole():
    return finding(
        contrast(0.4),
        contrast(-0.4, name="blur"),
        contrast(None, name="texture"),
        group="FAKE",
        beside={"edges": Measure(0.3, n=7)},
        details={"name": "LIME", "count": np.int64(3), "lost": np.nan, "pair": ("a", "b")},
    )


def test_findings_are_read_as_they_were_written():
    findings = [whole(), finding(contrast(None)), finding(replace(contrast(0.1), measure=Measure(np.nan)))]
    plain = json.loads(to_json(findings))
    assert plain[0]["details"] == {"name": "LIME", "count": 3, "lost": None, "pair": ["a", "b"]}
    assert plain[0]["beside"]["edges"]["low"] is None
    again = read_findings(plain)
    assert to_json(again) == to_json(findings)
    assert again[0].contrasts == findings[0].contrasts
    assert again[0].measure == findings[0].main.measure
    assert again[0].choices == findings[0].contrasts[1:]
    assert find(again, "rank") is again[0]
    assert find(again, "other") is None
    for damage in ({"contrasts": None}, {"contrasts": []}, {"group": 1}, {"details": []}, {"key": {}}, {"yes": "up"}):
        with pytest.raises(ValueError, match="."):
            read_findings([{**plain[0], **damage}])
    for unknown in ([3], [{**plain[0], "quantity": "luck"}]):
        with pytest.raises(ValueError, match="luck|3"):
            read_findings(unknown)


def test_measures_are_equal_where_an_unknown_number_stands_in_both():
    assert Measure(0.5, n=3) == Measure(0.5, n=3)
    assert len({Measure(np.nan), Measure(float("nan")), Measure(0.5)}) == 2
    different = (Measure(0.4, 0.1, 0.6), Measure(0.5, 0.2, 0.6), Measure(0.5, 0.1), Measure(0.5, 0.1, 0.6, 1))
    assert not [
        other for other in (*different, replace(measure(0.5), sources=9), 0.5) if Measure(0.5, 0.1, 0.6) == other
    ]


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 30)])
def test_contrasts_have_the_intervals_of_what_they_compare(weights):
    own, others = np.random.default_rng(0).normal(0, 1, (2, 30))
    for clusters in (None, np.arange(30) % 4, np.arange(30) % 7):
        made = compare_means("fill", "mean", own, others, weights, control="chance", clusters=clusters)
        assert made.kind == "fill"
        assert made.value == "mean"
        assert (made.control and made.control.name) == "chance"
        assert made.n == 30
        for part, values in ((made.measure, own), (made.control.measure, others), (made.difference, own - others)):
            assert part == weighted_mean(values, weights, clusters=clusters)
            assert part.sources == (None if clusters is None else clusters.max() + 1)
            assert part.has_interval == (clusters is None or clusters.max() > 3)
    made = compare_shares("fill", "mean", own > 0, others > 0, weights, control="chance", confidence=0.9)
    assert made.measure == weighted_share(own > 0, weights, confidence=0.9)
    assert made.control == Control("chance", weighted_share(others > 0, weights, confidence=0.9))
    assert made.difference == weighted_lead((own > 0).astype(float) - (others > 0), weights, confidence=0.9)
    exact = Measure(0.1)
    made = compare_apart("control", "luck", measure(0.5), Control("luck", exact))
    assert made.difference == difference_of_intervals(measure(0.5), Measure(0.1, 0.1, 0.1))
    assert (made.difference.low, made.difference.high) == pytest.approx((0.35, 0.45))
    assert compare_apart("control", "", measure(0.5), None).difference is None


def test_the_strongest_control_comes_first():
    tried = [contrast(0.3), contrast(None), contrast(-0.2), contrast(0.1)]
    ordered = strongest_first(tried)
    assert [of.difference and of.difference.value for of in ordered] == [-0.2, 0.1, 0.3, None]
    assert strongest_first([contrast(np.nan), contrast(0.3)])[0].difference.value == 0.3
