"""Rows by verdict or by cell: every row once, in the right group, never pooled over verdicts."""

import numpy as np
import pandas as pd
import pytest

from core.runs.run import Run
from core.studies.groups import CELLS, groups, with_predictions
from tests.core.trust_cues import made_run

LABEL = ["FAKE", "REAL", "REAL", "FAKE", "REAL", "FAKE", "FAKE"]
CALLED = ["FAKE", "FAKE", "REAL", "REAL", "REAL", "FAKE", "FAKE"]


@pytest.fixture
def run() -> Run:
    return made_run(LABEL, CALLED)


def test_rows_get_their_own_predictions_in_whatever_order_they_come(run: Run) -> None:
    table = pd.DataFrame({"id": ["4", "0", "3"], "found": [1.0, 2.0, 3.0]})
    joined = with_predictions(table, run)
    assert joined["label"].tolist() == ["REAL", "FAKE", "FAKE"]
    assert joined["predicted"].tolist() == ["REAL", "FAKE", "REAL"]
    np.testing.assert_array_equal(joined["margin"], run.predictions["margin"].to_numpy()[[4, 0, 3]])
    np.testing.assert_array_equal(joined["found"], table["found"])
    # a table that is no sample stands for itself
    np.testing.assert_array_equal(joined["weight"], 1)
    weighted = with_predictions(table.assign(weight=[2.0, 3.0, 4.0]), run)
    assert weighted["weight"].tolist() == [2, 3, 4]
    # the table that was given is left as it was
    assert list(table.columns) == ["id", "found"]


def test_verdicts_are_apart_and_every_row_is_in_one_of_them(run: Run) -> None:
    table = pd.DataFrame({"id": list("6543210"), "weight": np.arange(7) + 1.0})
    found = {name: (set(rows["id"]), weights) for name, rows, weights in groups(table, run)}
    assert list(found) == ["FAKE", "REAL"]
    for verdict, (ids, weights) in found.items():
        expected = {str(number) for number, called in enumerate(CALLED) if called == verdict}
        assert ids == expected
        assert sorted(weights) == sorted(7 - int(number) for number in expected)


def test_cells_are_those_of_the_confusion_matrix(run: Run) -> None:
    table = pd.DataFrame({"id": list("0123456")})
    found = {name: rows for name, rows, _ in groups(table, run, "cell")}
    assert list(found) == list(CELLS)
    counted = pd.crosstab(pd.Series(LABEL), pd.Series(CALLED))
    for name, rows in found.items():
        label, called = name.split(" called ")
        assert len(rows) == counted.loc[label, called]
        assert set(rows["label"]) == {label}
        assert set(rows["predicted"]) == {called}


def test_a_group_without_rows_is_left_out(run: Run) -> None:
    assert [name for name, *_ in groups(pd.DataFrame({"id": ["2", "4"]}), run)] == ["REAL"]
    assert [name for name, *_ in groups(pd.DataFrame({"id": ["2", "4"]}), run, "cell")] == ["REAL called REAL"]
    assert list(groups(pd.DataFrame({"id": pd.Series([], dtype=str)}), run)) == []
