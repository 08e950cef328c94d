"""Findings as JSON and back, and what is refused."""

import json
from typing import Any

import numpy as np
import pytest

from core.findings.finding import Finding, FindingError, Measure, find, from_json, to_json
from core.metrics.intervals import Estimate
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


def test_findings_come_back_as_they_were() -> None:
    text = to_json([whole(), finding(0.5)])
    back = from_json(text)
    assert to_json(back) == text
    assert back[1] == finding(0.5)
    assert back[0].details == {"name": "LIME", "count": 3, "lost": None, "pair": ["a", "b"]}
    assert back[0].choices == whole().choices
    assert np.isnan(back[0].beside["edges"].low)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.pop("key"), "a finding does not have the fields"),
        (lambda one: one.update(more=1), "a finding does not have the fields"),
        (lambda one: one.update(quantity="luck"), "rank is of an unknown quantity, 'luck'"),
        (lambda one: one.update(details=[]), "beside or details"),
        (lambda one: one["measure"].update(value="much"), "a number that is none"),
        (lambda one: one["measure"].update(value=True), "a number that is none"),
        (lambda one: one["measure"].update(n=-1), "a number of images that is none"),
        (lambda one: one["control"].pop("name"), "control of the finding rank does not have the fields"),
        (lambda one: one["choices"][0].update(kind=3), "has 3 where text was expected"),
    ],
)
def test_what_is_no_finding_is_refused(change: Any, message: str) -> None:
    one = json.loads(to_json([whole()]))[0]
    change(one)
    with pytest.raises(FindingError, match=message):
        from_json(json.dumps([one]))


@pytest.mark.parametrize("text", ["", "{}", "no", "[1]"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(FindingError):
        from_json(text)


def test_a_measure_is_an_estimate_of_so_many_sources() -> None:
    assert Measure.of(Estimate(0.5, 0.4, 0.6, 90), clusters=3) == Measure(0.5, 0.4, 0.6, 90, 3)
    assert not Measure(np.nan).known
    assert not Measure(0.5).has_interval


def test_a_finding_is_found_by_its_key_and_a_choice_by_its_kind_and_value() -> None:
    one = whole()
    assert find([finding(key="other"), one], "rank") is one
    assert find([one], "none") is None
    assert one.choice("fill", "blur") is one.choices[0]
    assert one.choice("fill", "mean") is None
