"""The report's button: on both pages, and what it gives is what the command writes."""

from dataclasses import replace

import pytest

from core.commands.report import main
from core.runs.filter import Filter
from dashboard import library
from dashboard.components import component
from tests.dashboard.conftest import RUN


@pytest.mark.parametrize("query", ["", "true=REAL&said=FAKE", "cut=0.3&category=cat,dog&sort=name"])
def test_it_is_of_the_run_or_of_the_images_that_a_filter_finds(home, tmp_path, monkeypatch, query):
    opened = library.open_run(home / "runs" / RUN)
    asked = dict(part.split("=") for part in query.split("&") if part)
    wanted = Filter.from_params(asked, opened.table) if query else None
    rows = None if wanted is None else library.matching(opened, wanted)
    assert rows is None or len(rows)
    buttons = []
    monkeypatch.setattr(component, "file_button", lambda label, make, **options: buttons.append((make, label, options)))
    component.report_download(opened, wanted, key="key")
    ((make, label, options),) = buttons
    made = make().decode()
    assert label == "Report"
    assert options.pop("help").isprintable()
    name, kind = (f"{RUN}.html", "tertiary") if wanted is None else (f"{RUN}-selection.html", "secondary")
    assert options == {"file_name": name, "type": kind, "mime": "text/html", "icon": "article", "key": "key"}
    if rows is not None:
        assert made.count("data:image/png") >= min(len(rows), 12)
        assert f"{len(rows)} image" in made
        return
    out = tmp_path / "report.html"
    assert main([str(home / "runs" / RUN), "--out", str(out)]) == 0
    assert made == out.read_text()


def test_what_a_second_run_says_is_reported_under_its_name(home):
    opened = library.open_run(home / "runs" / RUN)
    other = library.open_run(home / "runs" / "tiny@blind-test")
    both = replace(opened, beside=other.run, without=opened)
    wanted = Filter().choosing("versus.correct", ["wrong"])
    made = component.report_file(both, wanted, None).decode()
    assert other.run.name in made
    assert other.run.name not in component.report_file(opened, Filter(name="0"), None).decode()
