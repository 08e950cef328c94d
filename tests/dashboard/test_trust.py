"""The page Trust: its numbers against the studies' own columns, and what it says where there are none."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.runs.run import read_run
from core.studies.store import read_study
from core.studies.study import find_study
from tests.dashboard.conftest import Open
from tests.dashboard.studies import TRUST, add_studies
from tests.dashboard.test_pages import words

RUN = "tiny@seen-test"


def study(home: Path, name: str) -> pd.DataFrame:
    """A study's rows with the verdict of each."""
    run = read_run(home / "runs" / RUN)
    answer = read_study(home / "runs" / RUN / "studies" / f"{name}.parquet", run)
    return answer.table.merge(run.predictions[["id", "label", "predicted"]], on="id")


def plain(text: str) -> str:
    """Without what makes words bold and coloured."""
    return re.sub(r":(orange|blue|gray)\[|[*\]]", "", text)


def test_cells_and_fills_are_in_the_url(open_page: Open, home: Path) -> None:
    add_studies(home, "faithfulness", "agreement")
    app = open_page("maps", run=RUN, by="cell", filled="road")
    assert not app.exception
    assert app.segmented_control(key="url.by").value == "cell"
    assert app.segmented_control(key="url.filled").value == "road"


def test_a_broken_study_is_one_sentence_and_the_others_stay(open_page: Open, home: Path) -> None:
    add_studies(home, "agreement", "stability")
    file = home / "runs" / RUN / "studies" / "stability.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    app = open_page("maps", run=RUN)
    assert not app.exception
    assert [error.value.startswith("tiny@seen-test/studies/stability.parquet is no") for error in app.error] == [True]
    assert str(home) not in words(app)
    assert len(app.get("plotly_chart")) == 1


def test_a_method_that_a_file_lacks_is_left_out(open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_studies(home, *(name for name in TRUST if name != "sanity"))
    study = find_study("sanity")
    columns = {name: said for name, said in study.columns.items() if name != "lime_other"}
    monkeypatch.setattr("tests.dashboard.studies.find_study", lambda _: replace(study, columns=columns))
    add_studies(home, "sanity")
    app = open_page("maps", run=RUN)
    assert not app.exception
    assert not app.error
    drawn = {chart.key for chart in app.get("plotly_chart")}
    assert "trust.sanity.gradcam" in drawn
    assert "trust.sanity.lime" not in drawn
    assert "Is LIME all one colour?" in words(app)
