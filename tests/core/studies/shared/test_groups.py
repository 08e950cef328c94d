"""Rows by verdict: every row once, in the right group, never pooled over verdicts."""

import numpy as np
import pandas as pd
import pytest

from core.studies.shared.groups import Cells, choose_rows, groups
from tests.core.runs.made import made_run

LABEL = ["FAKE", "REAL", "REAL", "FAKE", "REAL", "FAKE", "FAKE"]
CALLED = ["FAKE", "FAKE", "REAL", "REAL", "REAL", "FAKE", "FAKE"]
CELL_LABEL = ["FAKE"] * 30 + ["REAL"] * 30
CELL_CALLED = ["FAKE"] * 25 + ["REAL"] * 5 + ["REAL"] * 29 + ["FAKE"]


def test_groups_are_the_verdicts_with_the_rows_of_each():
    run = made_run(LABEL, CALLED)
    table = pd.DataFrame({"id": list("0123456")})
    found = [(verdict, rows["id"].tolist(), weights.tolist()) for verdict, rows, weights in groups(table, run)]
    assert found == [("FAKE", ["0", "1", "5", "6"], [1.0] * 4), ("REAL", ["2", "3", "4"], [1.0] * 3)]


@pytest.fixture
def cells():
    """30 images of each class: 5 FAKE ones called REAL, and one REAL one called FAKE."""
    return Cells(made_run(CELL_LABEL, CELL_CALLED))


def test_others_are_of_the_same_cell_and_never_the_image_itself(cells):
    for row in range(59):
        found = cells.others(row, 20)
        assert row not in found
        assert len(set(found.tolist())) == len(found)
        assert {(CELL_LABEL[one], CELL_CALLED[one]) for one in found} == {(CELL_LABEL[row], CELL_CALLED[row])}
        size = sum((CELL_LABEL[row], CELL_CALLED[row]) == pair for pair in zip(CELL_LABEL, CELL_CALLED, strict=True))
        assert len(found) == min(20, size - 1)
        assert cells.sizes[row] == size


def test_a_simple_sample_gives_every_image_the_same_weight():
    run = made_run(CELL_LABEL, CELL_CALLED)
    errors = {row for row in range(60) if CELL_LABEL[row] != CELL_CALLED[row]}
    rows, weights = choose_rows(run, 20)
    assert errors <= set(rows.tolist())
    assert weights.sum() == pytest.approx(60)
    # errors alone would leave no right answers to stand for the others
    few, heavy = choose_rows(run, 8)
    assert len(few) == 8
    assert len(errors & set(few.tolist())) == 3
    assert heavy.sum() == pytest.approx(60)
    drawn = [choose_rows(run, 20, seed=seed, simple=True) for seed in range(300)]
    assert all(len(set(rows.tolist())) == 20 and (weights == 3).all() for rows, weights in drawn)
    counts = np.bincount(np.concatenate([rows for rows, _ in drawn]), minlength=60)
    # a third of 300 draws each, within five standard errors
    assert np.abs(counts - 100).max() < 5 * np.sqrt(300 * 2 / 9)
