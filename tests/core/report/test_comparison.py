"""The comparison of two runs by the command: as sentences, as a file, and refused."""

import re
from pathlib import Path

import pytest

from core.report.command import main
from core.report.comparison import comparison_report
from core.runs.run import read_run
from core.studies.comparison import Comparison, pair_of
from tests.core.report.test_report import Page
from tests.core.studies.pairs import drawn_runs

RUNS = "assets/runs"


def test_every_number_is_in_both_and_nothing_is_fetched() -> None:
    pair = pair_of(*drawn_runs())
    compared = Comparison(pair, ({}.get, {}.get))
    page = Page(comparison_report(compared))
    counts = pair.counts()
    assert (
        f"Only good is wrong on {counts.only_first_wrong} images, only worse on {counts.only_second_wrong},"
        in page.text
    )
    assert "The runs have nothing of this in common" in page.text
    assert all(str(image["src"]).startswith("data:") for image in page.images)
    assert not [link for link in page.links if not link.startswith("data:")]
    first, second = (100 * float(right.mean()) for right in pair.right)
    assert re.search(rf"{first:.1f}% \([^)]*\){second:.1f}% \(", page.text)
    assert "Not read" not in page.text


def test_a_study_that_cannot_be_read_is_named() -> None:
    problem = "worse: studies/probes.parquet is damaged; make it again"
    compared = Comparison(pair_of(*drawn_runs(60)), ({}.get, {}.get), (problem,))
    assert problem in Page(comparison_report(compared)).text


def test_a_name_with_markup_is_text() -> None:
    good, worse = drawn_runs(60)
    good.manifest["detector"] = "<b>bold</b>"
    page = comparison_report(Comparison(pair_of(good, worse), ({}.get, {}.get)))
    assert "<b>bold</b>" not in page


def test_the_command_writes_a_file_about_shipped_runs(tmp_path: Path) -> None:
    runs = [f"{RUNS}/{name}@sample-test" for name in ("sample", "swift")]
    assert main([*runs, "--out", str(tmp_path / "both.html")]) == 0
    text = Page((tmp_path / "both.html").read_text("utf-8")).text
    for run in runs:
        assert f"{100 * read_run(Path(run)).manifest['metrics']['all']['accuracy']:.1f}%" in text
    assert text.count("verdicts flipped beyond the control") + text.count("Shuffl") > 0


def test_other_images_give_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"{RUNS}/swift@sample-test", f"{RUNS}/swift@cifake-test", "--out", str(tmp_path / "r.html")]) == 2
    assert "are runs on different images" in capsys.readouterr().err
