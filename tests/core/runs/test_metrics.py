"""Curves against scikit-learn, on rows with ties and with a cut at every value."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, roc_auc_score

from core.runs.metrics import (
    calibration,
    class_scores,
    confusion_at,
    error_by,
    expected_calibration_error,
    is_right,
    largest,
    sweep,
)


@pytest.fixture
def table() -> pd.DataFrame:
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
def test_confusion_and_scores_are_scikit_learns(table: pd.DataFrame, cut: float) -> None:
    called = np.where(table["p_real"] > cut, "REAL", "FAKE")
    counts = confusion_at(table, cut)
    truth = table["label"].astype(str)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, called, labels=["FAKE", "REAL"]))
    expected = precision_recall_fscore_support(truth, called, labels=["FAKE", "REAL"])
    np.testing.assert_allclose(class_scores(counts).to_numpy().T, expected[:3])


def test_sweep_has_the_area_of_scikit_learn_and_its_points(table: pd.DataFrame) -> None:
    swept = sweep(table, points=2000)
    area = np.trapezoid(swept.true_positive_rate, swept.false_positive_rate)
    assert area == pytest.approx(roc_auc_score(table["label"] == "REAL", table["margin"]), abs=1e-6)
    assert (swept.true_positive_rate.iloc[-1], swept.false_positive_rate.iloc[-1]) == (1, 1)
    for cut, caught, accused, precision in list(
        zip(swept.thresholds, swept.true_positive_rate, swept.false_positive_rate, swept.precision, strict=True)
    )[2::7]:
        called_fake = table["p_real"].to_numpy(np.float64) <= cut
        is_fake = (table["label"] == "FAKE").to_numpy()
        assert caught == pytest.approx(called_fake[is_fake].mean())
        assert accused == pytest.approx(called_fake[~is_fake].mean())
        assert precision == pytest.approx(is_fake[called_fake].mean())


def test_calibration_gap_is_the_runs_ece(table: pd.DataFrame) -> None:
    bins = calibration(table, bins=15)
    gap = (bins["images"] * (bins["confidence"] - bins["accuracy"]).abs()).sum() / bins["images"].sum()
    ece = expected_calibration_error(table["p_real"].to_numpy(), is_right(table))
    assert gap == pytest.approx(ece, abs=1e-6)
    assert ((bins["low"] <= bins["accuracy"]) & (bins["accuracy"] <= bins["high"])).all()


def test_the_largest_groups_keep_their_order_and_chance_chooses_no_worst_ones() -> None:
    found = pd.DataFrame({"value": ["z", "y", "x", "w", "v"], "images": [1, 5, 1, 1, 9], "rate": [1, 0.6, 0.5, 0, 0]})
    assert largest(found, 3)["value"].tolist() == ["y", "w", "v"]
    assert largest(found, 4)["value"].tolist() == ["y", "x", "w", "v"]
    pd.testing.assert_frame_equal(largest(found), found)


def test_error_rates_by_category_are_worst_first_and_skip_what_is_absent(table: pd.DataFrame) -> None:
    table.loc[:9, "category"] = None
    rates = error_by(table, "category", threshold=0.7)
    assert set(rates["value"]) == {"cat", "ship", "frog"}
    assert rates["rate"].is_monotonic_decreasing
    assert rates["images"].sum() == len(table) - 10
    for row in rates.itertuples():
        rows = table[table["category"] == row.value]
        assert row.wrong == ((rows["p_real"] > 0.7) != (rows["label"] == "REAL")).sum()
