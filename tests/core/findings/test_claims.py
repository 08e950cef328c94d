"""The rule by which findings are claimed, on planted ones."""

from dataclasses import replace

import numpy as np
import pytest

from core.findings.claims import ClaimStatus, claim_status, is_equivalent, sign_of
from core.findings.finding import Choice, Control, Measure
from tests.core.findings.planted import finding, measure


@pytest.mark.parametrize(
    ("lead", "expected"),
    [
        (0.2, ClaimStatus("holds", 1)),
        (-0.2, ClaimStatus("holds", -1)),
        (0.03, ClaimStatus("not shown")),
        (-0.05, ClaimStatus("not shown")),
    ],
)
def test_a_difference_is_claimed_where_its_interval_leaves_nothing_out(lead: float, expected: ClaimStatus) -> None:
    assert claim_status(finding(0.5, control=0.5, difference=lead)) == expected


@pytest.mark.parametrize(("value", "sign"), [(0.61, 1), (0.39, -1), (0.6, 0), (0.5, 0)])
def test_without_a_paired_difference_the_intervals_may_not_overlap(value: float, sign: int) -> None:
    assert sign_of(finding(value, control=0.5)) == sign


def test_without_a_control_nothing_is_claimed_however_far_from_nothing() -> None:
    assert claim_status(finding(0.9)) == ClaimStatus("no control")


def test_an_exact_control_needs_no_interval_and_a_measure_does() -> None:
    exact = replace(finding(0.2), control=Control("chance", Measure(0.05)))
    assert claim_status(exact) == ClaimStatus("holds", 1)
    assert claim_status(replace(exact, measure=Measure(0.2))).kind == "not shown"
    assert claim_status(replace(exact, measure=Measure(np.nan))).kind == "not shown"


def test_a_sign_must_hold_under_every_choice() -> None:
    holds = {"fill": {"blur": 0.2, "texture": 0.3}, "seam": {"hard": 0.1}}
    assert claim_status(finding(control=0.1, difference=0.2, choices=holds)) == ClaimStatus("holds", 1)
    undecided = {"fill": {"blur": 0.2, "texture": 0.01}}
    found = claim_status(finding(control=0.1, difference=0.2, choices=undecided))
    assert (found.kind, found.on) == ("depends", {"fill": {"blur": 1, "texture": 0}})
    against = {"fill": {"blur": -0.4, "texture": 0.25}, "seam": {"hard": 0.1}}
    found = claim_status(finding(control=0.1, difference=0.2, choices=against))
    assert (found.kind, found.sign, found.on) == ("depends", 0, {"fill": {"blur": -1, "texture": 1}})


def test_a_pooled_number_over_choices_that_disagree_hides_nothing() -> None:
    pooled = finding(control=0.5, difference=0.0, choices={"fill": {"blur": -0.4, "texture": 0.4}})
    assert claim_status(pooled).on == {"fill": {"blur": -1, "texture": 1}}
    # and not the other way: certain under each choice and not when pooled
    agreeing = finding(control=0.5, difference=0.0, choices={"fill": {"blur": 0.4, "texture": 0.4}})
    assert claim_status(agreeing).kind == "depends"
    nothing = finding(control=0.5, difference=0.0, choices={"fill": {"blur": 0.01, "texture": -0.02}})
    assert claim_status(nothing) == ClaimStatus("not shown")


@pytest.mark.parametrize(("other", "kind"), [(0.06, "holds"), (0.04, "in part"), (-0.03, "depends")])
def test_one_significant_and_one_not_do_not_disagree_unless_they_differ(other: float, kind: str) -> None:
    # intervals of 0.05 on both sides: 0.08 is significant, 0.04 is not, and they overlap
    found = claim_status(finding(control=0.1, difference=0.08, choices={"fill": {"blur": 0.08, "texture": other}}))
    assert found.kind == kind
    assert found.sign == (kind == "holds")


@pytest.mark.parametrize(
    ("quantity", "other", "kind"),
    [
        # shares: two points matter, whatever their sign
        ("flip_rate", 0.086, "in part"),
        ("flip_rate", 0.079, "depends"),
        # others: a tenth of the larger effect
        ("rank_correlation", 0.091, "in part"),
        ("rank_correlation", 0.089, "depends"),
    ],
)
def test_choices_disagree_only_by_a_difference_that_matters(quantity: str, other: float, kind: str) -> None:
    # the first is significant and the second is not, whose interval reaches far down; they lie apart
    second = Choice("fill", "blur", measure(0.5), Control("x", measure(0.4)), Measure(other, -0.1, other + 0.0001))
    made = finding(0.5, control=0.4, quantity=quantity)
    made = replace(made, difference=Measure(0.1, 0.0995, 0.1005), choices=(second,))
    assert claim_status(made).kind == kind


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(-0.019, 0.019, True), (-0.021, 0.001, False), (-0.01, 0.03, False)]
)
def test_as_often_as_needs_an_interval_within_two_points(low: float, high: float, expected: bool) -> None:
    made = replace(finding(0.5, control=0.5, quantity="flip_rate"), difference=Measure(0.0, low, high))
    assert is_equivalent(made) is expected
    assert not is_equivalent(replace(made, quantity="rank_correlation"))
    assert not is_equivalent(replace(made, difference=None, control=None))
    wide = Choice("fill", "blur", measure(0.5), made.control, Measure(0.0, -0.1, 0.1))
    assert not is_equivalent(replace(made, choices=(wide,)))


def test_a_choice_without_a_control_bears_nothing() -> None:
    alone = Choice("verdict", "REAL", measure(0.9))
    assert claim_status(replace(finding(control=0.1, difference=0.2), choices=(alone,))) == ClaimStatus("holds", 1)


def test_a_control_from_few_sources_is_not_exact() -> None:
    few, enough = (Control("other", Measure(0.1, 0.05, 0.15, 200, clusters)) for clusters in (4, 5))
    kinds = [claim_status(replace(finding(0.5), control=control)).kind for control in (few, enough)]
    assert kinds == ["not shown", "holds"]
