"""Rows by verdict or by cell: every row once, in the right group, never pooled over verdicts."""

import numpy as np
import pandas as pd
import pytest

from core.studies.shared.groups import CELLS, Cells, choose_rows, groups
from tests.core.runs.made import made_run

LABEL = ["FAKE", "REAL", "REAL", "FAKE", "REAL", "FAKE", "FAKE"]
CALLED = ["FAKE", "FAKE", "REAL", "REAL", "REAL", "FAKE", "FAKE"]
CELL_LABEL = ["FAKE"] * 30 + ["REAL"] * 30
CELL_CALLED = ["FAKE"] * 25 + ["REAL"] * 5 + ["REAL"] * 29 + ["FAKE"]


@pytest.fixture
def run():
    return made_run(LABEL, CALLED)


def test_cells_are_those_of_the_confusion_matrix(run):
    table = pd.DataFrame({"id": list("0123456")})
    found = {name: rows for name, rows, _ in groups(table, run, "cell")}
    assert list(found) == list(CELLS)
    counted = pd.crosstab(pd.Series(LABEL), pd.Series(CALLED))
    for name, rows in found.items():
        label, called = name.split(" called ")
        assert len(rows) == counted.loc[label, called]
        assert set(rows["label"]) == {label}
        assert set(rows["predicted"]) == {called}


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
