"""Counts of public detectors on ordinary pictures, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from core.report import ordinary
from core.report.ordinary import DELIVERED, count_called_fake, write_counts
from core.studies.store import StudyResult
from tests.core.studies.pairs import made_run


@pytest.fixture
def run():
    """100 photographs of which ten have a negative margin, and four pictures by one generator."""
    margins = np.concatenate([np.linspace(-9.5, 89.5, 100), [-20, -9, -1, 5]])
    run = made_run("d", margins, np.arange(104) < 100)
    run.predictions["source"] = ["camera"] * 100 + ["painter"] * 4
    return run


@pytest.fixture
def deliveries(run):
    """JPEG 85 hides one more, JPEG 75 all; no half is large enough; a screenshot changes nothing."""
    table = pd.DataFrame({"id": run.predictions["id"]})
    margins = run.predictions["margin"].to_numpy()
    for name in DELIVERED:
        table[name] = margins
    painted = run.predictions["source"].to_numpy() == "painter"
    table["jpeg_85"] = np.where(painted, margins + 5, margins)
    table["jpeg_75"] = np.where(painted, 50, margins)
    table["scale_50_box"] = np.nan
    return table


def test_what_is_called_fake_is_counted_by_source_and_delivery(run, deliveries):
    counts = count_called_fake(run, deliveries).set_index(["source", "delivery"])
    # two photographs of a hundred lie below -7.5
    expected = {
        ("camera", "as it is"): (100, 10, 2), ("painter", "as it is"): (4, 3, 2), ("painter", "JPEG 85"): (4, 2, 1),
        ("painter", "JPEG 75"): (4, 0, 0), ("painter", "halved"): (0, 0, 0), ("painter", "screenshot"): (4, 3, 2),
    }  # fmt: skip
    for key, numbers in expected.items():
        assert tuple(counts.loc[key, ["pictures", "authors", "two_percent"]]) == numbers


def test_the_tables_show_each_source_and_all_photographs(run, deliveries, tmp_path, monkeypatch):
    monkeypatch.setattr(ordinary, "FILE", tmp_path / "ordinary.csv")
    monkeypatch.setattr(ordinary, "find_runs", lambda: {"d@set": tmp_path})
    monkeypatch.setattr(ordinary, "find_named", lambda *_: tmp_path)
    monkeypatch.setattr(ordinary, "read_run", lambda _: run)
    result = StudyResult(tmp_path, deliveries, {})
    monkeypatch.setattr(ordinary, "find_studies", lambda _: ({"deliveries": result}, []))
    write_counts(["d@set"])
    (table,) = ordinary.tables().values()
    assert table[["label", "source"]].to_numpy().tolist() == [
        ["FAKE", "painter"], ["REAL", "camera"], ["REAL", "all photographs"],
    ]  # fmt: skip
    assert table.loc[0, ["as it is", "JPEG 75", "halved"]].tolist() == ["3 / 2 of 4", "0 / 0 of 4", "too small"]
