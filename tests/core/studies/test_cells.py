"""Neighbours within a cell of the confusion matrix: of the same cell, never the image itself, the same every time."""

import numpy as np
import pytest

from core.studies.cells import Cells
from core.studies.study import StudyError
from tests.core.trust_cues import made_run

LABEL = ["FAKE"] * 30 + ["REAL"] * 30
CALLED = ["FAKE"] * 25 + ["REAL"] * 5 + ["REAL"] * 29 + ["FAKE"]


@pytest.fixture
def cells() -> Cells:
    """30 images of each class: 5 FAKE ones called REAL, and one REAL one called FAKE."""
    return Cells(made_run(LABEL, CALLED))


def test_others_are_of_the_same_cell_and_never_the_image_itself(cells: Cells) -> None:
    for row in range(59):
        found = cells.others(row, 20)
        assert row not in found
        assert len(set(found.tolist())) == len(found)
        assert {(LABEL[one], CALLED[one]) for one in found} == {(LABEL[row], CALLED[row])}
        size = sum((LABEL[row], CALLED[row]) == pair for pair in zip(LABEL, CALLED, strict=True))
        assert len(found) == min(20, size - 1)
        assert cells.sizes(np.array([row]))[0] == size


def test_others_are_drawn_by_lot_for_each_image_and_the_same_every_time(cells: Cells) -> None:
    again = Cells(made_run(LABEL, CALLED))
    drawn = {tuple(cells.others(row, 5)) for row in range(25)}
    assert len(drawn) > 20
    for row in (3, 40):
        np.testing.assert_array_equal(cells.others(row, 5), again.others(row, 5))
        assert tuple(cells.others(row, 5)) != tuple(cells.others(row, 5, seed=1))
    # no image of the cell is left out for good
    assert {one for row in range(25) for one in cells.others(row, 5)} == set(range(25))


def test_references_are_the_same_few_for_the_whole_cell(cells: Cells) -> None:
    chosen = {row: set(cells.references(row, 6).tolist()) for row in range(25)}
    assert all(row not in found and len(found) == 6 for row, found in chosen.items())
    assert len(set.union(*chosen.values())) == 7
    assert {CALLED[one] for one in cells.references(27, 6)} == {"REAL"}
    # fewer than were asked for where the cell has no more
    assert set(cells.references(27, 6).tolist()) == {25, 26, 28, 29}


def test_who_is_alone_in_a_cell_is_compared_within_its_verdict_or_with_anyone(cells: Cells) -> None:
    alone = 59
    assert cells.sizes(np.array([alone]))[0] == 1
    assert set(cells.others(alone, 100).tolist()) == set(range(25))
    assert set(cells.references(alone, 100).tolist()) == set(range(25))
    lonely = Cells(made_run(["FAKE", "FAKE", "REAL"], ["FAKE", "FAKE", "REAL"]))
    assert set(lonely.others(2, 5).tolist()) == {0, 1}


def test_signs_point_to_the_verdict(cells: Cells) -> None:
    np.testing.assert_array_equal(cells.signs, [1 if called == "REAL" else -1 for called in CALLED])


def test_one_image_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(StudyError, match="made@made-test has one image only"):
        Cells(made_run(["REAL"], ["REAL"]))
