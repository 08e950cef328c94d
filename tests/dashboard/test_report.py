"""The report's button: on both pages, and what it gives is what the command writes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.report import page, selection
from core.report.page import main
from core.runs.filter import Filter
from core.runs.folders import HOMES
from dashboard import library
from dashboard.components.downloads import report_file
from tests.damage import reseal

RUN = "tiny@seen-test"


@pytest.mark.parametrize("query", ["", "true=REAL&said=FAKE", "cut=0.3&category=cat,dog&sort=name"])
def test_it_is_of_the_run_or_of_the_images_that_a_filter_finds(home: Path, tmp_path: Path, query: str) -> None:
    opened = library.open_run(home / "runs" / RUN)
    asked = dict(part.split("=") for part in query.split("&") if part)
    wanted = Filter.from_params(asked, opened.table) if query else None
    rows = None if wanted is None else library.matching(opened, wanted)
    assert rows is None or len(rows)
    made = report_file(opened, (home, *HOMES), library.pictures(opened), wanted, rows).decode()
    if rows is not None:
        assert f"{len(rows)} image" in made
        return
    out = tmp_path / "report.html"
    assert main([str(home / "runs" / RUN), "--out", str(out)]) == 0
    assert made == out.read_text(encoding="utf-8")


def test_the_same_report_is_made_once_and_another_one_anew(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = library.open_run(home / "runs" / RUN)
    made: list[str] = []

    def counting(make: Callable[..., str]) -> Callable[..., str]:
        def counted(*args: Any, **options: Any) -> str:
            made.append(make(*args, **options))
            return made[-1]

        return counted

    monkeypatch.setattr(page, "report_of", counting(page.report_of))
    monkeypatch.setattr(selection, "selection_report", counting(selection.selection_report))

    def report(query: dict[str, str] | None = None) -> bytes:
        wanted = None if query is None else Filter.from_params(query, opened.table)
        rows = None if wanted is None else library.matching(opened, wanted)
        return report_file(opened, (home,), library.pictures(opened), wanted, rows)

    whole, some = report(), report({"true": "REAL"})
    assert (report(), report({"true": "REAL", "page": "2", "per": "48"})) == (whole, some)
    assert len(made) == 2
    asked = [{"true": "FAKE"}, {"true": "REAL", "sort": "name"}, {"true": "REAL", "cut": "0.2"}, {"tag": "odd"}]
    for number, query in enumerate(asked, start=3):
        report(query)
        assert len(made) == number, query
    # what a tag finds changes under the same address
    library.tags().add([opened.table["id"][0]], "odd")
    assert report({"tag": "odd"}) != made[-2].encode()
    # as does what is known of the detector
    reseal(home / "detectors" / "tiny", recipe={"name": "other", "epochs": 1})
    assert b"name other" in report()
    for place in range(10):
        report({"name": f"{place}"})
    assert len(made) == 18
    # only the last few are kept
    report({"true": "REAL"})
    assert len(made) == 19
