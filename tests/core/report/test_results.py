"""What people read of the findings: docs/results.md and README's table."""

import shutil
from pathlib import Path

from core.homes import ROOT
from core.report.results import insert_findings, write_results


def test_the_documents_are_short_and_have_the_numbers_that_ship(tmp_path):
    """Otherwise `telltale findings --write docs/results.md` and `telltale findings --readme README.md`."""
    # bars of tables are no words
    assert len((ROOT / "docs" / "results.md").read_text().replace("|", "").split()) <= 3000
    text = (ROOT / "README.md").read_text()
    assert len(text.encode()) < 8000
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    insert_findings(copy)
    assert copy.read_text() == text
    write_results(tmp_path / "results.md")
    for name in ("results.md", "results.csv"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()
