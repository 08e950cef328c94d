"""Findings as JSON and back, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from core.findings.claims import claim_status
from core.findings.finding import Choice, Finding, Measure, compare, find, finding_of, read_findings, share_of, to_json
from core.findings.intervals import Estimate, weighted_mean, weighted_share
from core.findings.numbers import format_measure
from tests.core.findings.planted import finding


def whole() -> Finding:
    return finding(
        0.5,
        control=0.1,
        difference=0.4,
        choices={"fill": {"blur": -0.4, "texture": 0.25}},
        group="FAKE",
        beside={"edges": Measure(0.3, n=7)},
        details={"name": "LIME", "count": np.int64(3), "lost": np.nan, "pair": ("a", "b")},
    )


def test_findings_are_plain_json() -> None:
    one, other = json.loads(to_json([whole(), finding(0.5)]))
    assert one["details"] == {"name": "LIME", "count": 3, "lost": None, "pair": ["a", "b"]}
    lead = one["choices"][0]["difference"]
    assert (lead["value"], lead["low"], lead["n"], lead["clusters"]) == (-0.4, -0.4 - 0.05, 100, None)
    assert one["beside"]["edges"]["low"] is None
    assert other["control"] is None


def test_findings_are_read_as_they_were_written() -> None:
    findings = [replace(whole(), question="Why?", headline="So."), finding(0.5), finding(np.nan)]
    again = read_findings(json.loads(to_json(findings)))
    assert to_json(again) == to_json(findings)
    assert (again[0].choices, again[0].question) == (findings[0].choices, "Why?")
    assert find(again, "rank") is again[0]
    assert find(again, "other") is None
    assert again[0].choice("fill", "texture") == findings[0].choices[1]
    assert again[0].choice("fill", "mean") is None
    plain = json.loads(to_json(findings))
    for damage in ({"measure": None}, {"choices": 3}, {"group": 1}, {"details": []}, {"key": {}}):
        with pytest.raises(ValueError, match="."):
            read_findings([{**plain[0], **damage}])
    for unknown in ([3], [{**plain[0], "quantity": "luck"}]):
        with pytest.raises(ValueError, match="luck|3"):
            read_findings(unknown)  # type: ignore[arg-type]


def test_unknown_numbers_are_equal() -> None:
    made = Measure(float("nan"), low=float("nan"), n=3)
    assert made == Measure(np.nan, n=3)
    assert hash(made) == hash(Measure(np.nan, n=3))
    assert made not in [Measure(0.0, n=3), Measure(np.nan, n=4), Measure(np.nan, high=1, n=3), None]


def test_fewer_than_five_sources_are_counted_and_have_no_interval() -> None:
    few, enough = (Measure.of(Estimate(0.51, -1, 1, 1200), clusters=clusters) for clusters in (2, 5))
    assert (few.has_interval, enough.has_interval, enough.low, enough.n) == (False, True, -1, 1200)
    assert [one.has_interval for one in (Measure(0.5, 0.4), Measure(0.5, high=0.6))] == [False, False]
    assert format_measure(few, "share") == "51.0% (1,200 images from 2 sources)"
    # so nothing is claimed from them
    assert claim_status(replace(finding(0.1, control=0.5), measure=few)).kind == "not shown"


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 30)])
def test_means_of_the_same_images_are_compared_with_a_paired_interval(weights: NDArray[np.float64] | None) -> None:
    values, others = np.random.default_rng(0).normal(0, 1, (2, 30))
    for clusters in (None, np.arange(30) % 4, np.arange(30) % 7):
        compared = compare(values.astype(object), others, weights, control="chance", clusters=clusters)  # type: ignore[arg-type]
        first = Choice("fill", "mean", **compared)
        made = finding_of("k", "s", "margin_effect", "FAKE", [first, Choice("fill", "blur", Measure(0.1))], subject="x")
        names = (made.key, made.study, made.quantity, made.group, made.subject)
        assert names == ("k", "s", "margin_effect", "FAKE", "x")
        assert made.control is not None
        assert (made.control.name, [choice.value for choice in made.choices]) == ("chance", ["mean", "blur"])
        sources = None if clusters is None else int(clusters.max()) + 1
        pairs = (made.measure, values), (made.control.measure, others), (made.difference, values - others)
        for measure, own in pairs:
            assert measure == Measure.of(weighted_mean(own, weights, clusters=clusters), clusters=sources)
    assert share_of(values > 0, weights) == Measure.of(weighted_share(values > 0, weights))
