"""The report's button: on both pages, and what it gives is what the command writes."""

import pytest

from core.commands.report import main
from core.runs.filter import Filter
from dashboard import library
from dashboard.components.downloads import report_file
from tests.dashboard.conftest import RUN


@pytest.mark.parametrize("query", ["", "true=REAL&said=FAKE", "cut=0.3&category=cat,dog&sort=name"])
def test_it_is_of_the_run_or_of_the_images_that_a_filter_finds(home, tmp_path, query):
    opened = library.open_run(home / "runs" / RUN)
    asked = dict(part.split("=") for part in query.split("&") if part)
    wanted = Filter.from_params(asked, opened.table) if query else None
    rows = None if wanted is None else library.matching(opened, wanted)
    assert rows is None or len(rows)
    made = report_file(opened, library.pictures(opened), wanted, rows).decode()
    if rows is not None:
        assert f"{len(rows)} image" in made
        return
    out = tmp_path / "report.html"
    assert main([str(home / "runs" / RUN), "--out", str(out)]) == 0
    assert made == out.read_text(encoding="utf-8")
