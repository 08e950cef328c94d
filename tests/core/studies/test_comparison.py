"""Accuracies, shared errors, margins and calibration of two runs on the same images, against other packages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.weightstats import DescrStatsW

from core.findings.claims import claim_status
from core.findings.finding import Finding, Measure, find
from core.runs.run import Run
from core.studies.comparison import Comparison, SideBySide, by, columns_of, conclude, outcome_rates
from core.studies.pair import Pair, pair_of
from core.studies.store import StudyResult
from core.studies.study import StudyError
from tests.core.studies.pairs import drawn_runs, made_run

REAL = np.arange(300) % 2 == 0
SIGNS = np.where(REAL, 1.0, -1.0)


def of(pair: Pair, key: str) -> Finding:
    finding = find(conclude(pair), key)
    assert finding is not None
    return finding


def only(run: Run, category: str) -> Run:
    frame = run.predictions[run.predictions["category"] == category].reset_index(drop=True)
    return replace(run, predictions=frame)


def test_numbers_are_those_of_other_packages() -> None:
    good, worse = drawn_runs()
    pair = pair_of(good, worse)
    accuracy = of(pair, "accuracy")
    assert (claim_status(accuracy).kind, claim_status(accuracy).sign) == ("holds", 1)
    assert accuracy.headline == "The first is right more often."
    # the other way round it is the same with the other sign
    back = of(pair_of(worse, good), "accuracy")
    assert accuracy.difference is not None
    assert back.difference is not None
    assert (back.difference.low, back.difference.high) == pytest.approx(
        (-accuracy.difference.high, -accuracy.difference.low)
    )
    auroc = of(pair, "auroc")
    assert auroc.measure.value == pytest.approx(roc_auc_score(pair.is_real, pair.margins[0]))
    fake = ~pair.is_real
    assert of(pair, "margins-FAKE").measure.value == pytest.approx(
        spearmanr(*(margins[fake] for margins in pair.margins))[0]
    )
    confidence = of(pair, "confidence")
    p, q = (np.asarray(values, np.float64) for values in pair.p_real)
    over = [np.maximum(values, 1 - values) - right for values, right in zip((p, q), pair.right, strict=True)]
    assert confidence.difference is not None
    assert (confidence.difference.low, confidence.difference.high) == pytest.approx(
        DescrStatsW(over[0] - over[1]).tconfint_mean()
    )


def test_detectors_that_differ_by_chance_only_are_not_shown_to_differ() -> None:
    generator = np.random.default_rng(0)
    first, second = (
        made_run(name, SIGNS * np.where(generator.random(300) < 0.1, -1.0, 1.0), REAL) for name in ("a", "b")
    )
    pair = pair_of(first, second)
    assert claim_status(of(pair, "accuracy")).kind == "not shown"
    # errors that have nothing in common are shared as often as by chance
    shared = of(pair, "both_wrong")
    assert shared.control is not None
    assert shared.measure.low <= shared.control.measure.value <= shared.measure.high


@pytest.mark.parametrize("leaky", [0, 1])
def test_a_difference_that_only_leaks_make_is_not_claimed(leaky: int) -> None:
    leaks = np.arange(300) < 60
    wrong = np.arange(300) % 10 == 5
    # both do the same, but for the leaks, which the first has learnt by heart
    first = made_run("a", np.where(wrong & ~leaks, -SIGNS, SIGNS), REAL, in_train=leaks)
    second = made_run("b", np.where(wrong | (leaks & (np.arange(300) % 2 == 1)), -SIGNS, SIGNS), REAL)
    accuracy = of(pair_of(first, second) if not leaky else pair_of(second, first), "accuracy")
    assert (claim_status(accuracy).kind, accuracy.headline) == ("depends", "Depends on leaks and repeats.")
    assert [choice.value for choice in accuracy.choices] == ["all", "without leaks and repeats"]
    # nor where no image is left without them
    first = made_run("a", SIGNS, REAL, in_train=np.ones(300, bool))
    assert claim_status(of(pair_of(first, second), "accuracy")).kind == "in part"


def test_the_category_that_differs_comes_first_under_simultaneous_intervals() -> None:
    pair = pair_of(*drawn_runs(3000))
    assert columns_of(pair) == ["category"]
    first = by(pair, "category")[0]
    assert first.subject == "dog"
    assert claim_status(first).sign == 1
    usual = of(pair_of(*(only(run, "dog") for run in drawn_runs(3000))), "accuracy").difference
    wide = first.difference
    assert wide is not None
    assert usual is not None
    assert wide.value == pytest.approx(usual.value)
    assert wide.low < usual.low < usual.high < wide.high


def test_outcome_rates_are_counts() -> None:
    pair = pair_of(*drawn_runs())
    rates = outcome_rates(pair).set_index(["label", "outcome"])
    first, second = pair.right
    for label, real in (("FAKE", False), ("REAL", True)):
        here = pair.is_real == real
        assert rates.loc[(label, "both wrong"), "wrong"] == (~first & ~second & here).sum()
        assert rates.loc[(label, "only second wrong"), "wrong"] == (first & ~second & here).sum()
        expected = (~first[here]).mean() * (~second[here]).mean()
        assert rates.loc[(label, "both wrong"), "expected"] == pytest.approx(expected)


def test_an_interval_never_claims_what_the_exact_test_does_not() -> None:
    # three of four images are right with one only, p = 0.25
    signs, real = SIGNS[:4], REAL[:4]
    accuracy = of(pair_of(made_run("a", signs, real), made_run("b", signs * [-1, -1, -1, 1], real)), "accuracy")
    assert mcnemar([[0, 0], [3, 1]], exact=True).pvalue == 0.25
    assert claim_status(accuracy).kind == "not shown"


def test_one_class_and_one_image_are_compared_as_far_as_they_can_be() -> None:
    real = np.zeros(1, bool)
    keys = {
        finding.key
        for finding in conclude(pair_of(made_run("a", np.array([-1.0]), real), made_run("b", np.array([1.0]), real)))
    }
    assert {"accuracy", "recall-FAKE", "both_wrong"} <= keys
    assert not {"auroc", "recall-REAL"} & keys


def test_runs_that_cannot_be_compared_are_refused_with_a_sentence() -> None:
    good, worse = drawn_runs(60)
    relabelled = worse.predictions.assign(label=worse.predictions["label"].cat.rename_categories(["REAL", "FAKE"]))
    for first, second, message in (
        (good, good, "cannot be compared with itself"),
        # by another path too
        (good, replace(good, path=good.path / ".." / good.path.name), "cannot be compared with itself"),
        (good, replace(worse, manifest=worse.manifest | {"set_fingerprint": "2"}), "are runs on different images"),
        (only(good, "bird"), only(worse, "bird"), "holds no image"),
        (good, replace(worse, predictions=relabelled), "label some images differently"),
    ):
        with pytest.raises(StudyError, match=message):
            pair_of(first, second)


def test_findings_on_explanations_stand_side_by_side_by_key() -> None:
    better, worse, other = (
        Finding(key, "stability", "rank_correlation", Measure(value), difference=Measure(value, value - 1, value + 1))
        for key, value in (("lime-FAKE", 3.0), ("lime-FAKE", -3.0), ("lime-REAL", 3.0))
    )

    def reader(*findings: Finding):  # type: ignore[no-untyped-def]
        result = StudyResult(Path("stability.parquet"), pd.DataFrame(), {"study": "stability", "title": "Stability"})
        result.__dict__["findings"] = findings
        return {"stability": result}.get

    pair = pair_of(*drawn_runs(60))
    (both,) = Comparison(pair, (reader(better, other), reader(worse))).explanations
    assert (both.title, both.first, both.second, both.alike) == ("Stability", better, worse, False)
    assert SideBySide("stability", "Stability", better, better).alike
    assert Comparison(pair, (reader(better), {}.get)).explanations == []
