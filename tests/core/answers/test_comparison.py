"""Accuracies, shared errors, margins and calibration of two runs on the same images, against other packages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from statsmodels.stats.weightstats import DescrStatsW

from core.answers.comparison import by, columns_of, conclude, elsewhere, outcome_rates, pair_of, side_by_side
from core.findings.answer import answer_of
from core.findings.contrast import Contrast, Finding, Measure, find
from core.studies.questions.out_of_distribution import GROUPS, PHOTOGRAPHS
from core.studies.store import StudyResult
from core.studies.study import WEIGHT, StudyError
from tests.core.findings.planted import contrast, finding
from tests.core.studies.pairs import drawn_runs, made_run

REAL = np.arange(300) % 2 == 0
SIGNS = np.where(REAL, 1.0, -1.0)


def of(pair, key):
    return find(conclude(pair), key)


def only(run, category):
    frame = run.predictions[run.predictions["category"] == category].reset_index(drop=True)
    return replace(run, predictions=frame)


def test_numbers_are_those_of_other_packages():
    pair = pair_of(*drawn_runs())
    assert answer_of(of(pair, "accuracy")).word == "yes"
    auroc = of(pair, "auroc")
    assert auroc.measure.value == pytest.approx(roc_auc_score(pair.first.is_real, pair.both("margin")[0]))
    fake = ~pair.first.is_real
    assert of(pair, "margins-FAKE").measure.value == pytest.approx(
        spearmanr(*(margins[fake] for margins in pair.both("margin")))[0]
    )
    confidence = of(pair, "confidence")
    over = [np.maximum(p, 1 - p) - right for p, right in zip(pair.both("p_real"), pair.right, strict=True)]
    assert (confidence.difference.low, confidence.difference.high) == pytest.approx(
        DescrStatsW(over[0] - over[1]).tconfint_mean()
    )


@pytest.mark.parametrize("leaky", [0, 1])
def test_a_difference_that_only_leaks_make_is_not_claimed(leaky):
    leaks = np.arange(300) < 60
    wrong = np.arange(300) % 10 == 5
    # both do the same, but for the leaks, which the first has learnt by heart
    first = made_run("a", np.where(wrong & ~leaks, -SIGNS, SIGNS), REAL, in_train=leaks)
    second = made_run("b", np.where(wrong | (leaks & (np.arange(300) % 2 == 1)), -SIGNS, SIGNS), REAL)
    accuracy = of(pair_of(first, second) if not leaky else pair_of(second, first), "accuracy")
    assert answer_of(accuracy).word == ("no" if leaky else "depends")
    assert [contrast.value for contrast in accuracy.contrasts] == ["all", "without leaks and repeats"]
    # nor where no image is left without them
    first = made_run("a", SIGNS, REAL, in_train=np.ones(300, bool))
    assert answer_of(of(pair_of(first, second), "accuracy")).word == "in part"


def test_the_category_that_differs_comes_first_under_simultaneous_intervals():
    pair = pair_of(*drawn_runs(3000))
    assert columns_of(pair) == ["category"]
    first = by(pair, "category")[0]
    assert first.subject == "dog"
    assert answer_of(first).word == "yes"
    usual = of(pair_of(*(only(run, "dog") for run in drawn_runs(3000))), "accuracy").difference
    wide = first.difference
    assert wide.value == pytest.approx(usual.value)
    assert wide.low < usual.low < usual.high < wide.high


def test_seen_and_unseen_generators_are_told_apart():
    fake = np.flatnonzero(~REAL)
    source = np.full(300, None, object)
    source[fake] = np.where(np.arange(len(fake)) % 3, "sd14", "biggan")
    # the second is wrong on all of a generator that the first was trained on
    first, second = (
        made_run(name, SIGNS * sign, REAL, source=source)
        for name, sign in (("a", 1), ("b", np.where(source == "sd14", -1, 1)))
    )
    first.manifest["seen"] = ["sd14"]
    pair = pair_of(first, second)
    assert columns_of(pair) == ["category", "source", "seen"]
    shares = {finding.subject: finding.difference.value for finding in by(pair, "seen")}
    assert shares == {"seen": 1.0, "unseen": 0.0}


def test_outcome_rates_are_counts():
    pair = pair_of(*drawn_runs())
    rates = outcome_rates(pair).set_index(["label", "outcome"])
    first, second = pair.right
    for label, real in (("FAKE", False), ("REAL", True)):
        here = pair.first.is_real == real
        assert rates.loc[(label, "both wrong"), "wrong"] == (~first & ~second & here).sum()
        assert rates.loc[(label, "only second wrong"), "wrong"] == (first & ~second & here).sum()
        expected = (~first[here]).mean() * (~second[here]).mean()
        assert rates.loc[(label, "both wrong"), "expected"] == pytest.approx(expected)


def test_one_class_and_one_image_are_compared_as_far_as_they_can_be():
    real = np.zeros(1, bool)
    keys = {
        finding.key
        for finding in conclude(pair_of(made_run("a", np.array([-1.0]), real), made_run("b", np.array([1.0]), real)))
    }
    assert {"accuracy", "recall-FAKE", "both_wrong"} <= keys
    assert not {"auroc", "recall-REAL"} & keys


def test_runs_that_name_or_label_images_differently_are_refused():
    good, worse = drawn_runs(60)
    rows = worse.predictions
    for other in (
        rows.assign(label=rows["label"].cat.rename_categories(["REAL", "FAKE"])),
        rows.assign(id=rows["id"] + "x"),
        rows[:59],
        pd.concat([rows, rows[:1].assign(id="another")], ignore_index=True),
    ):
        with pytest.raises(StudyError, match="images differently"):
            pair_of(good, replace(worse, predictions=other))


def study(name, *findings, **columns):
    result = StudyResult(Path(f"{name}.parquet"), pd.DataFrame(columns), {"study": name, "title": name.title()})
    result.__dict__["findings"] = findings
    return result


def test_findings_of_both_stand_side_by_side_by_key():
    better, worse, other = (
        finding(contrast(value, 1, value=value), key=key)
        for key, value in (("lime-FAKE", 3.0), ("lime-FAKE", -3.0), ("lime-REAL", 3.0))
    )
    first = {"stability": study("stability", other, better), "randomisation": study("randomisation", better)}
    table = side_by_side(["a", "b"], [first, {"stability": study("stability", worse, other)}])
    # what differs comes first; what one of them lacks is not there
    assert len(table) == 2
    above = "3.00 (2.95 to 3.05)"
    assert table[["a", "b"]].to_numpy().tolist() == [
        [above, "−3.00 (−3.05 to −2.95)"],
        [above] * 2,
    ]
    assert table[["a, answer", "b, answer"]].to_numpy().tolist() == [["yes", "no"], ["yes"] * 2]
    assert side_by_side(["a", "b"], [first, {}]).empty


def test_shares_that_are_right_elsewhere_are_read_from_each_run():
    run = drawn_runs(400)[0]
    generator = np.random.default_rng(0)
    chosen = generator.permutation(400)[:300]
    after = generator.normal(size=300)
    table = {
        "id": run.predictions["id"].to_numpy()[chosen],
        WEIGHT: generator.uniform(1, 2, 300),
        "jpeg_75_margin": after,
    }
    called_fake = Contrast("filter", "bicubic", Measure(0.2, 0.1, 0.4, 900, 9))
    photographs = Finding("photographs", "Are they?", "called_fake", (called_fake,), details={"imitates": "CIFAR-10"})
    studies = {
        "deliveries": study("deliveries", **table),
        "out_of_distribution": study("out_of_distribution", photographs),
    }
    shown = elsewhere({"a": (run, studies), "b": (run, {})}).set_index("images")
    right = np.average((after > 0) == run.is_real[chosen], weights=table[WEIGHT])
    assert shown.loc["JPEG 75", "`a`"].startswith(f"{right:.1%}")
    assert shown.loc[GROUPS[PHOTOGRAPHS].images, "`a`"] == "80.0%"
    assert list(shown) == ["`a`"]
