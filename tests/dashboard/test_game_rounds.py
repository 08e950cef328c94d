"""The game's draw, and who was better."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from dashboard.components.rounds import compare, draw_round


def made_table(n: int = 200) -> pd.DataFrame:
    number = np.arange(n)
    label = np.where(number % 2, "REAL", "FAKE")
    return pd.DataFrame({"label": label, "is_repeat": number % 10 == 0, "in_train": number % 9 == 0})


def test_a_round_is_ten_different_pictured_images_and_the_same_again() -> None:
    table = made_table()
    pictured = np.arange(200) < 150
    rounds = [draw_round(table, pictured, seed=seed) for seed in range(300)]
    for drawn in rounds:
        assert drawn is not None
        assert len(set(drawn)) == 10
        assert pictured[drawn].all()
        assert not table["is_repeat"].to_numpy()[drawn].any()
        assert not table["in_train"].to_numpy()[drawn].any()
    again = draw_round(table, pictured, seed=7)
    assert again is not None
    assert rounds[7] is not None
    assert (again == rounds[7]).all()
    # a coin for each image: the number of REAL ones is not always five, and five on average
    reals = [int((table["label"].to_numpy()[drawn] == "REAL").sum()) for drawn in rounds if drawn is not None]
    assert len(set(reals)) > 4
    assert np.mean(reals) == pytest.approx(5, abs=4 * np.sqrt(2.5 / 300))


def test_too_few_pictures_make_no_round() -> None:
    assert draw_round(made_table(), np.arange(200) < 15, seed=0) is None


@pytest.mark.parametrize(("you", "it"), [(a, b) for a in range(11) for b in range(11 - a)])
def test_luck_is_what_the_binomial_test_of_the_images_that_one_has_right_says(you: int, it: int) -> None:
    truth, both = ["REAL"] * 10, 10 - you - it
    yours = ["REAL"] * (you + both) + ["FAKE"] * it
    detectors = ["FAKE"] * you + ["REAL"] * (both + it)
    told = compare(truth, yours, detectors)
    unlucky = you != it and binomtest(you, you + it).pvalue <= 0.05
    assert ("hardly luck" in told) == unlucky
