"""The report's button: on both pages, and what it gives is what the command writes."""

from pathlib import Path

import pytest

from core.browse import Filter
from core.report.__main__ import main
from core.run import HOMES
from dashboard import library
from dashboard.widgets.report import report_file
from tests.dashboard.conftest import Open

RUN = "tiny@seen-test"


@pytest.mark.parametrize("page", ["overview", "explore"])
def test_the_button_is_there(open_page: Open, page: str) -> None:
    app = open_page(page, run=RUN, true="REAL")
    assert not app.exception
    assert [one.proto.label for one in app.get("download_button")].count("Report") == 1


@pytest.mark.parametrize("query", ["", "true=REAL&said=FAKE", "cut=0.3&category=cat,dog&sort=name"])
def test_it_is_the_command_s(home: Path, tmp_path: Path, query: str) -> None:
    out = tmp_path / "report.html"
    assert main([str(home / "runs" / RUN), "--out", str(out), "--select", query]) == 0
    opened = library.open_run(home / "runs" / RUN)
    asked = dict(part.split("=") for part in query.split("&") if part)
    wanted = Filter.from_params(asked, opened.table) if query else None
    rows = None if wanted is None else library.matching(opened, wanted)
    assert rows is None or len(rows)
    assert report_file(opened, HOMES, library.pictures(opened), wanted, rows) == out.read_bytes()
