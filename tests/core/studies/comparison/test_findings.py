"""Accuracies, shared errors, margins and calibration of two runs on the same images."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

from core.findings.claims import claim_status
from core.findings.finding import find
from core.findings.words import tell
from core.findings.words.comparison import by_value
from core.studies.comparison.findings import by, columns_of, conclude, outcome_rates
from core.studies.comparison.pair import pair_of
from core.studies.study import StudyError
from tests.core.studies.comparison.runs import drawn_runs, made_run


def test_rows_are_brought_together_by_id() -> None:
    good, worse = drawn_runs()
    pair = pair_of(good, worse)
    there = worse.predictions.set_index("id")["margin"]
    assert (pair.margins[1] == there.loc[good.predictions["id"]].to_numpy()).all()


def test_the_better_detector_is_found_and_mcnemar_says_so_too() -> None:
    good, worse = drawn_runs()
    pair = pair_of(good, worse)
    right = pd.crosstab(*pair.right).to_numpy()
    one = find(conclude(pair), "accuracy")
    assert one is not None
    assert one.difference is not None
    assert one.details["p"] == pytest.approx(mcnemar(right, exact=True).pvalue)
    assert (claim_status(one).kind, claim_status(one).sign) == ("holds", 1)
    assert str(tell(one).answer).startswith("good is right more often than worse: good gets ")
    # the other way round it is the same with the other sign
    back = find(conclude(pair_of(worse, good)), "accuracy")
    assert back is not None
    assert back.difference is not None
    assert (back.difference.low, back.difference.high) == pytest.approx((-one.difference.high, -one.difference.low))
    assert str(tell(back).answer).startswith("worse is right less often than good: worse gets ")


def test_detectors_that_differ_by_chance_only_are_not_told_apart() -> None:
    generator = np.random.default_rng(3)
    is_real = np.arange(400) % 2 == 0
    first, second = (
        made_run(name, np.where(is_real, 1, -1) * np.where(generator.random(400) < 0.1, -1.0, 1.0), is_real)
        for name in ("a", "b")
    )
    one = find(conclude(pair_of(first, second)), "accuracy")
    assert one is not None
    assert claim_status(one).kind == "not shown"
    assert "may be equally good" in str(tell(one).answer)
    # errors that have nothing in common are shared as often as by chance
    shared = find(conclude(pair_of(first, second)), "both_wrong")
    assert shared is not None
    assert shared.measure.low <= shared.details["expected"] / 400 <= shared.measure.high


def test_a_difference_that_only_leaks_make_is_not_claimed() -> None:
    is_real = np.arange(300) % 2 == 0
    signs = np.where(is_real, 1.0, -1.0)
    leaks = np.arange(300) < 60
    wrong = np.arange(300) % 10 == 5
    # both know the same, but for the leaks, which the first has learnt by heart
    first = made_run("a", np.where(wrong & ~leaks, -signs, signs), is_real, in_train=leaks)
    second = made_run("b", np.where(wrong | (leaks & (np.arange(300) % 2 == 1)), -signs, signs), is_real)
    one = find(conclude(pair_of(first, second)), "accuracy")
    assert one is not None
    assert claim_status(one).kind == "depends"
    told = str(tell(one).standing)
    assert told.startswith("On all images it is +10.0 points (")
    assert " and without leaks and repeats it is 0.0 points (" in told
    assert told.endswith("), which may be chance.")


def test_leaks_that_nobody_knows_are_not_claimed_to_be_left_out() -> None:
    is_real = np.arange(300) % 2 == 0
    margins = np.where(is_real, 1.0, -1.0)
    first = made_run("a", margins, is_real, is_repeat=np.arange(300) < 30)
    second = made_run("b", margins, is_real)
    for name, run in (("b", second), ("a", first)):
        run.manifest["leaks_checked"] = False
        pair = pair_of(first, second)
        assert pair.unchecked == (("b",) if name == "b" else ("a", "b"))
        found = find(conclude(pair), "accuracy")
        assert found is not None
        assert found.choices[1].value == ("without repeats and the leaks of a" if name == "b" else "without repeats")


def test_calibration_is_that_of_scikit_learn_and_statsmodels() -> None:
    good, worse = drawn_runs()
    pair = pair_of(good, worse)
    one = find(conclude(pair), "confidence")
    assert one is not None
    assert one.difference is not None
    p, q = (np.asarray(values, np.float64) for values in pair.p_real)
    assert one.beside["brier_first"].value == pytest.approx(brier_score_loss(pair.is_real, p))
    each = DescrStatsW((p - pair.is_real) ** 2 - (q - pair.is_real) ** 2)
    low, high = each.tconfint_mean()
    assert (one.beside["brier_difference"].low, one.beside["brier_difference"].high) == pytest.approx((low, high))
    over = [np.maximum(values, 1 - values) - right for values, right in zip((p, q), pair.right, strict=True)]
    assert (one.difference.low, one.difference.high) == pytest.approx(DescrStatsW(over[0] - over[1]).tconfint_mean())


def test_the_category_that_differs_is_found_under_intervals_that_hold_together() -> None:
    pair = pair_of(*drawn_runs(3000))
    assert columns_of(pair) == ["category"]
    found = by(pair, "category")
    assert found[0].details["value"] == "dog"
    assert str(by_value(found, "categories")).startswith("good is right more often on dog")
    alone = find(conclude(pair_of(*(_only(run, "dog") for run in drawn_runs(3000)))), "accuracy")
    assert alone is not None
    wide, usual = found[0].difference, alone.difference
    assert wide is not None
    assert usual is not None
    assert wide.value == pytest.approx(usual.value)
    assert wide.low < usual.low < usual.high < wide.high


def test_outcome_rates_are_counts() -> None:
    pair = pair_of(*drawn_runs())
    found = outcome_rates(pair).set_index(["label", "outcome"])
    first, second = pair.right
    for label, real in (("FAKE", False), ("REAL", True)):
        here = pair.is_real == real
        assert found.loc[(label, "both wrong"), "wrong"] == (~first & ~second & here).sum()
        assert found.loc[(label, "only second wrong"), "wrong"] == (first & ~second & here).sum()
        expected = (~first[here]).mean() * (~second[here]).mean()
        assert found.loc[(label, "both wrong"), "expected"] == pytest.approx(expected)


def test_other_images_are_refused_with_a_sentence() -> None:
    good, worse = drawn_runs()
    with pytest.raises(StudyError, match="cannot be compared with itself"):
        pair_of(good, good)
    # by another path too
    with pytest.raises(StudyError, match="cannot be compared with itself"):
        pair_of(good, replace(good, path=good.path / ".." / good.path.name))
    other = replace(worse, manifest=worse.manifest | {"set_fingerprint": "2"})
    with pytest.raises(StudyError, match="are runs on different images"):
        pair_of(good, other)
    with pytest.raises(StudyError, match="holds no image"):
        pair_of(_only(good, "bird"), _only(worse, "bird"))


def test_one_class_and_one_image_are_compared_as_far_as_they_can_be() -> None:
    is_real = np.zeros(1, bool)
    found = conclude(pair_of(made_run("a", np.array([-1.0]), is_real), made_run("b", np.array([1.0]), is_real)))
    assert {"accuracy", "recall-FAKE", "both_wrong"} <= {one.key for one in found}
    assert not {"auroc", "recall-REAL"} & {one.key for one in found}
    assert all(str(tell(one).full) for one in found)


def test_twenty_thousand_rows_take_less_than_half_a_second() -> None:
    good, worse = drawn_runs(20_000)
    start = time.process_time()
    pair = pair_of(good, worse)
    conclude(pair)
    outcome_rates(pair)
    by(pair, "category")
    # of this process alone, whatever else the machine does
    assert time.process_time() - start < 0.5


def _only(run, category):  # type: ignore[no-untyped-def]
    frame = run.predictions[run.predictions["category"] == category].reset_index(drop=True)
    return replace(run, predictions=frame)


def test_an_interval_never_claims_what_the_exact_test_does_not() -> None:
    # three of four images are right with one only, p = 0.25
    is_real = np.array([True, False, True, False])
    signs = np.where(is_real, 1.0, -1.0)
    good, bad = made_run("a", signs, is_real), made_run("b", signs * [-1, -1, -1, 1], is_real)
    one = find(conclude(pair_of(good, bad)), "accuracy")
    assert one is not None
    assert one.details["p"] == 0.25
    assert claim_status(one).kind == "not shown"
    area = find(conclude(pair_of(good, bad)), "auroc")
    assert area is None or area.difference is None or not area.difference.high > 1


def test_leaks_make_no_detector_better_on_its_category_and_are_not_called_chance() -> None:
    is_real = np.arange(300) % 2 == 0
    signs = np.where(is_real, 1.0, -1.0)
    dogs, odd = np.arange(300) % 3 == 1, np.arange(300) % 4 < 2
    # both err alike, but the first was trained on half of the dogs
    leaks, wrong = dogs & (np.arange(300) % 6 == 1), dogs & odd
    first = made_run("a", np.where(wrong & ~leaks, -signs, signs), is_real, in_train=leaks)
    pair = pair_of(first, made_run("b", np.where(wrong, -signs, signs), is_real))
    dog = next(one for one in by(pair, "category") if one.details["value"] == "dog")
    assert (claim_status(dog).kind, claim_status(dog).sign) == ("depends", 0)
    assert dog.difference is not None
    assert dog.difference.low > 0
    assert str(tell(dog).answer).endswith(", but that does not hold without leaks and repeats.")
    summary = str(by_value(by(pair, "category"), "categories"))
    assert summary.startswith("On dog it depends on leaks and repeats; on the other 2 ")


def test_where_every_image_leaked_that_is_said() -> None:
    is_real = np.arange(60) % 2 == 0
    signs = np.where(is_real, 1.0, -1.0)
    first = made_run("a", signs, is_real, in_train=np.ones(60, bool))
    second = made_run("b", np.where(np.arange(60) < 20, -signs, signs), is_real)
    one = find(conclude(pair_of(first, second)), "accuracy")
    assert one is not None
    assert str(tell(one).standing).endswith(" and without leaks and repeats no image is left.")


def test_two_runs_of_one_name_are_told_apart() -> None:
    good, worse = drawn_runs(60)
    worse.manifest["detector"] = "good"
    assert pair_of(good, worse).names == ("good@made-test", "worse@made-test")
    twin = replace(worse, path=Path("/elsewhere/good@made-test"))
    assert pair_of(good, twin).names == ("good@made-test (1)", "good@made-test (2)")


def test_a_file_that_is_labelled_otherwise_is_refused() -> None:
    good, worse = drawn_runs(60)
    other = worse.predictions.assign(label=worse.predictions["label"].cat.rename_categories(["REAL", "FAKE"]))
    with pytest.raises(StudyError, match="label some images differently"):
        pair_of(good, replace(worse, predictions=other))
