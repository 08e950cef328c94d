"""Curves against scikit-learn, on rows with ties and with a cut at every value."""

import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import classification_report, confusion_matrix, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from core.runs import metrics as module
from core.runs.metrics import (
    beyond_confidence,
    calibration,
    class_scores,
    confidence_of,
    confusion_at,
    error_by,
    is_right,
    largest,
    means_by_source,
    metrics,
    sweep,
    wilson_interval,
)
from core.runs.summary import result_table

COLUMNS = ["Sources", "Number", "Images", "Pooled error rate", "Macro mean"]


@pytest.fixture
def table():
    generator = np.random.default_rng(3)
    is_real = generator.random(500) < 0.6
    margin = (generator.normal(0, 1.5, 500) + np.where(is_real, 1, -1)).round(1).astype(np.float32)
    return pd.DataFrame(
        {
            "label": pd.Categorical(np.where(is_real, "REAL", "FAKE"), categories=["FAKE", "REAL"]),
            "predicted": pd.Categorical(np.where(margin > 0, "REAL", "FAKE"), categories=["FAKE", "REAL"]),
            "p_real": (1 / (1 + np.exp(-margin))).astype(np.float32),
            "margin": margin,
            "category": pd.Categorical(
                generator.choice(["cat", "ship", "frog"], 500), categories=["cat", "ship", "frog", "x"]
            ),
        }
    )


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.73, 0.9])
def test_confusion_and_scores_are_scikit_learns(table, cut):
    called = np.where(table["p_real"] > cut, "REAL", "FAKE")
    counts = confusion_at(table, cut)
    truth = table["label"]
    assert_array_equal(counts, confusion_matrix(truth, called, labels=["FAKE", "REAL"]))
    assert (class_scores(0 * counts) == 0).all(axis=None)
    assert (class_scores(np.eye(2, dtype=int)) == 1).all(axis=None)


def test_the_stored_predictions_count_where_a_probability_rounds_to_one_half():
    tie = pd.DataFrame({"label": ["REAL"] * 3, "predicted": ["REAL", "FAKE", "REAL"], "p_real": [0.5, 0.5, 0.7]})
    assert confusion_at(tie).tolist() == [[0, 0], [1, 2]]
    # a threshold itself is called FAKE
    assert confusion_at(tie, 0.7).tolist() == [[0, 0], [3, 0]]


def test_metrics_are_scikit_learns(table):
    found = metrics(table)
    truth = table["label"]
    called = table["predicted"]
    report = classification_report(truth, called, output_dict=True)
    scores = {
        name: {"f1-score" if key == "f1" else key: value for key, value in of.items()}
        for name, of in found["per_class"].items()
    }
    assert scores == {name: pytest.approx(report[name]) for name in ("FAKE", "REAL")}
    assert found["images"] == 500
    assert found["accuracy"] == report["accuracy"]
    assert found["confusion"] == confusion_matrix(truth, called, labels=["FAKE", "REAL"]).tolist()
    assert found["auroc"] == pytest.approx(roc_auc_score(truth == "REAL", table["margin"]), abs=1e-12)
    assert metrics(table[truth == "REAL"])["auroc"] is None
    few = table[:7].assign(margin=[0, 1, 1, 2, 0, 1, 3])
    assert metrics(few)["auroc"] == roc_auc_score(few["label"] == "REAL", few["margin"])
    assert metrics(table[:0]) == {"images": 0}
    assert "paper" not in result_table(found, beside_paper=False)
    # what is printed after a test: the same numbers
    printed = [float(number) for number in re.findall(r"\b\d+\.?\d*", result_table(found, beside_paper=True))]
    (caught, missed), (accused, trusted) = found["confusion"]
    own = [value for row in found["per_class"].values() for value in row.values()]
    assert printed == pytest.approx(
        [*own, found["accuracy"], 0.945, found["auroc"], found["ece"], 15, caught, missed, accused, trusted], abs=6e-4
    )


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_wilsons_interval_is_statsmodels_and_exact_at_its_ends(confidence):
    k = np.array([0, 1, 5, 10, 73, 1, 9_999, 0])
    n = np.array([10, 10, 10, 10, 333, 1, 10_000, 0])
    low, high = wilson_interval(k, n, confidence=confidence)
    expected = proportion_confint(k[:-1], n[:-1], alpha=1 - confidence, method="wilson")
    assert_allclose([low[:-1], high[:-1]], expected, atol=1e-12)
    assert set(low[k == 0]) == {0}
    assert set(high[k == n]) == {1}


def test_sweep_has_the_area_of_scikit_learn_and_its_points(table, monkeypatch):
    # of many different values, two hundred of each class: the ends are shared by none
    many = pd.DataFrame({"label": ["REAL", "FAKE"] * 5000, "p_real": np.random.default_rng(0).random(10_000)})
    assert len(sweep(many)) == 1 + 400 + 2
    monkeypatch.setattr(module, "MAX_POINTS", 2000)
    swept = sweep(table)
    area = np.trapezoid(swept.true_positive_rate, swept.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(table["label"] == "REAL", table["margin"]), abs=1e-6)
    assert swept.true_positive_rate.iloc[-1] == 1
    assert swept.false_positive_rate.iloc[-1] == 1
    assert list(swept.iloc[0, 1:]) == [0, 0], "nothing is called FAKE below 0"
    for cut, caught, accused in swept.iloc[1:].itertuples(index=False):
        called_fake = table["p_real"].to_numpy(np.float64) <= cut
        is_fake = (table["label"] == "FAKE").to_numpy()
        assert caught == pytest.approx(called_fake[is_fake].mean())
        assert accused == pytest.approx(called_fake[~is_fake].mean())
    assert swept.thresholds.is_monotonic_increasing
    assert swept.thresholds.min() == 0
    assert swept.thresholds.max() == 1
    with pytest.raises(ValueError, match="both classes"):
        sweep(many[many["label"] == "REAL"])


def test_bins_of_confidence_are_those_counted_one_by_one(table):
    # probabilities on the edges of bins: an edge belongs to the bin above it, and 1 to the last
    table.loc[:9, "p_real"] = np.float32([0.5, 0.75, 0.25, 1, 0, 0.625, 0.375, 0.875, 0.125, 0.9375])
    p_real = table["p_real"].to_numpy(np.float64)
    right = (table["predicted"] == table["label"]).to_numpy()
    confidence = np.where(p_real < 0.5, 1 - p_real, p_real)
    assert_allclose(confidence_of(table["p_real"].to_numpy()), confidence, atol=1e-7)
    assert_array_equal(is_right(table), right)

    def members(bins):
        edges = [0.5 + number / bins / 2 for number in range(bins)] + [1.1]
        return [(low <= confidence) & (confidence < high) for low, high in pairwise(edges)]

    gaps = [abs((confidence - right)[inside].sum()) for inside in members(15)]
    assert metrics(table)["ece"] == pytest.approx(sum(gaps) / len(table))
    curve = calibration(table)
    inside = [chosen for chosen in members(10) if chosen.any()]
    assert curve["images"].tolist() == [chosen.sum() for chosen in inside]
    assert_allclose(curve["confidence"], [confidence[chosen].mean() for chosen in inside], atol=1e-6)
    assert_allclose(curve["accuracy"], [right[chosen].mean() for chosen in inside])
    ends = [proportion_confint(right[chosen].sum(), chosen.sum(), method="wilson") for chosen in inside]
    assert_allclose(curve[["low", "high"]], ends)
    off = pd.DataFrame({"confidence": [0.9, 0.5, 0.7, 0.6, 0.4], "low": [0.5, 0.6, 0.7, 0.2, 0.5], "high": 0.7})
    assert beyond_confidence(off) == (1, 2)


def test_the_largest_groups_keep_their_order_and_chance_chooses_no_worst_ones():
    found = pd.DataFrame({"value": ["z", "y", "x", "w", "v"], "images": [1, 5, 1, 1, 9], "rate": [1, 0.6, 0.5, 0, 0]})
    assert largest(found, 3)["value"].tolist() == ["y", "w", "v"]
    assert largest(found, 4)["value"].tolist() == ["y", "x", "w", "v"]
    pd.testing.assert_frame_equal(largest(found), found)


def test_error_rates_by_category_are_worst_first_and_skip_what_is_absent(table):
    table.loc[:9, "category"] = None
    rates = error_by(table, "category", threshold=0.7)
    assert set(rates["value"]) == {"cat", "ship", "frog"}
    assert rates["rate"].is_monotonic_decreasing
    assert rates["images"].sum() == len(table) - 10
    for row in rates.itertuples():
        rows = table[table["category"] == row.value]
        wrong = ((rows["p_real"] > 0.7) != (rows["label"] == "REAL")).sum()
        ends = proportion_confint(wrong, len(rows), method="wilson")
        assert row[2:] == pytest.approx((len(rows), wrong, wrong / len(rows), *ends))
    # at one half the stored predictions count, and equal rates stay in the order of their values
    table = pd.DataFrame({"category": list("bacd"), "label": "FAKE", "predicted": "FAKE", "p_real": 0.9})
    table.loc[3, "predicted"] = "REAL"
    rates = error_by(table, "category")
    assert list(rates[["value", "wrong"]].itertuples(name=None)) == [(0, "d", 1), (1, "a", 0), (2, "b", 0), (3, "c", 0)]


@pytest.mark.parametrize("threshold, errors", [(0.5, (1, 0, 1)), (0.7, (2, 1, 1))])
def test_each_source_counts_once_in_a_macro_mean_and_each_image_in_a_pooled_rate(threshold, errors):
    table = pd.DataFrame({"source": ["a"] * 2 + ["b"] * 4 + ["camera"] * 10 + [None], "label": "REAL", "p_real": 0.9})
    table["seen"] = table["source"].map({"a": "seen", "b": "unseen"})
    # the last has no source, so that it counts nowhere
    table.loc[[0, 6, 16], "p_real"] = 0.1
    table.loc[[1, 2], "p_real"] = 0.6
    table["predicted"] = np.where(table["p_real"] > 0.5, "REAL", "FAKE")
    a, b, camera = errors
    means = means_by_source(table, threshold=threshold)
    assert list(means) == COLUMNS
    assert means.to_numpy().tolist() == [
        ["all", 3, 16, sum(errors) / 16, pytest.approx((a / 2 + b / 4 + camera / 10) / 3)],
        ["seen", 1, 2, a / 2, a / 2],
        ["unseen", 1, 4, b / 4, b / 4],
    ]
    assert means_by_source(table.drop(columns="seen"), threshold=threshold).equals(means[:1])
    assert means_by_source(table[2:], threshold=threshold)["Sources"].tolist() == ["all", "unseen"]
    assert list(means_by_source(table[16:])) == COLUMNS
