"""Tables as files: what visitors wrote is text, in a spreadsheet too."""

import csv
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st

from core.studies.store import study_path
from dashboard import catalogue, library
from dashboard.components.downloads import as_csv
from tests.dashboard.conftest import Open


def test_what_visitors_wrote_is_no_formula() -> None:
    risky = ["=1+1", "+1", "-1", "@A1", "\tx", '=HYPERLINK("https://example.org")']
    table = pd.DataFrame({"id": [f"i{n}" for n in range(8)], "note": [*risky, "a = b", None], "margin": -1.5})
    table["tags"] = pd.Series(["=halo;odd"] + [None] * 7)
    table["name"] = pd.Categorical(["-rf.png"] + ["a-1.png"] * 7)
    rows = list(csv.DictReader(io.StringIO(as_csv(table).decode("utf-8-sig"))))
    assert [row["note"] for row in rows] == [*(f"'{text}" for text in risky), "a = b", ""]
    assert [row["tags"] for row in rows] == ["'=halo;odd"] + [""] * 7
    assert [row["name"] for row in rows] == ["'-rf.png"] + ["a-1.png"] * 7
    # numbers stay numbers
    assert {row["margin"] for row in rows} == {"-1.5"}


def test_a_study_is_read_again_where_its_run_was_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of an older file may be as old as the one before it."""
    read: list[Path] = []

    def read_study(path: Path, _run: object) -> int:
        read.append(path)
        return len(read)

    monkeypatch.setattr(library, "read_study", read_study)
    opened = library.open_run(catalogue.runs()["tiny@seen-test"])
    file = study_path(opened.run.path, "probes")
    file.parent.mkdir(exist_ok=True)
    file.touch()
    anew = replace(opened, stamp="of the run in its place")
    assert [library.study_of(one, "probes") for one in (opened, opened, anew)] == [1, 1, 2]


def test_mistakes_writes_tags_and_notes_as_text(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    files: dict[str, Callable[[], bytes]] = {}
    monkeypatch.setattr(st, "download_button", lambda _label, data, *, key, **_: files.update({key: data}))
    app = open_page("mistakes", run="tiny@seen-test")
    id_ = library.open_run(catalogue.runs()["tiny@seen-test"]).table["id"][0]
    library.tags().add([id_], "=odd")
    library.tags().note(id_, "@SUM(A1)")
    app.run()
    for key in ("mistakes.csv", "mistakes.tags"):
        rows = {row["id"]: row for row in csv.DictReader(io.StringIO(files[key]().decode("utf-8-sig")))}
        assert (rows[id_]["tags"], rows[id_]["note"]) == ("'=odd", "'@SUM(A1)"), key
