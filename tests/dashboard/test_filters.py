"""What Explore offers to filter by: in words for people, and only what can tell some images from others."""

import numpy as np
import pandas as pd
import pytest

from core.runs.filter import Filter
from core.runs.rows import find_rows
from core.studies.columns import browse_table
from core.studies.store import study_path
from dashboard.components.filters import admitted
from tests.core.studies.test_columns import seal
from tests.dashboard.test_pages import sent, words


def matrix_cells(app):
    """Whether each (true, called) cell of the matrix beside the filters is marked, by what the browser is sent."""
    data = next(data for data in sent(app).values() if "cells" in data)
    assert data["chosen"] == any(cell["pressed"] for cell in data["cells"])
    return {(cell["truth"], cell["said"]): cell["pressed"] for cell in data["cells"]}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"result": "wrong"},
        {"result": "right", "true": "FAKE"},
        {"true": "FAKE,REAL"},
    ],
)
def test_the_matrix_marks_every_cell_that_the_filter_lets_through(open_page, run, asked):
    app = open_page("mistakes", **asked)
    table = browse_table(run)
    found = table.iloc[find_rows(table, Filter.from_params(asked, table))]
    expected = set(zip(found["label"], found["predicted"], strict=True)) if asked else set()
    assert {cell for cell, marked in matrix_cells(app).items() if marked} == expected


def test_a_filter_that_no_cell_fits_leaves_all_of_the_matrix_out():
    nothing = Filter().choosing("label", ["FAKE"]).choosing("predicted", ["FAKE"]).choosing("correct", ["wrong"])
    assert admitted(nothing) == set()
    assert admitted(Filter().choosing("category", ["cat"])) is None


def test_what_a_filter_finds_is_compared_with_what_got_the_other_verdict(open_page, run):
    rows = run.predictions
    fake = (rows["label"] == "FAKE").to_numpy()
    called = (rows["predicted"] == "FAKE").to_numpy()
    # what goes with the verdict among FAKE images; REAL ones have other values altogether
    frame = pd.DataFrame({"id": rows["id"], "height": np.where(fake, called * 5.0, 99.0) + np.arange(60) / 60})
    seal(study_path(run.path, "cues"), frame, {"title": "Cues", "columns": {"height": "height, in metres"}})

    def compared(**asked):
        app = open_page("mistakes", **asked)
        app.session_state["mistakes.apart"] = True
        return words(app.run())

    text = compared(true="FAKE", said="FAKE")
    assert f"the {(fake & ~called).sum()} other images that all filters but verdicts find" in text
    assert f"the {(~fake).sum()} other images of this run" in compared(true="FAKE")
    assert "Compared with the" not in compared()
