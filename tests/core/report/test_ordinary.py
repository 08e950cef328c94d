"""Counts of public detectors on ordinary pictures."""

import pytest

from core.detectors import known
from core.report import results

# a photograph's half is too small, and what is known at one threshold alone stands in no table
COUNTS = """detector,source,label,delivery,pictures,authors,two_percent
d,painter,FAKE,as it is,4,3,2
d,painter,FAKE,jpeg_75,4,0,0
d,camera,REAL,as it is,90,9,2
d,camera,REAL,scale_50_box,0,0,0
d,phone,REAL,as it is,10,1,0
d,all photographs,REAL,webp_80,100,5,
"""


@pytest.fixture
def counts(tmp_path, monkeypatch):
    file = tmp_path / "ordinary.csv"
    others = [f"d,painter,FAKE,{name},4,1,1\n" for name in ("jpeg_85", "scale_50_box", "screenshot")]
    file.write_text(COUNTS + "".join(others))
    monkeypatch.setattr(known, "COUNTS", file)
    monkeypatch.setattr(results, "ORDINARY", file)
    known.false_alarms.cache_clear()
    yield
    known.false_alarms.cache_clear()


def test_false_alarms_are_added_up_over_sources_by_delivery(counts):
    assert known.false_alarms() == {"d": {"as it is": (100, 10), "scale_50_box": (0, 0), "webp_80": (100, 5)}}
    assert "10 of 100" in known.caution_of({"known": "d"})
    assert not known.caution_of({"known": "another"})
    assert not known.caution_of({})


def test_the_tables_show_each_source_and_all_photographs(counts):
    (table,) = results.ordinary_tables().values()
    assert table[["label", "source"]].to_numpy().tolist() == [
        ["FAKE", "painter"], ["REAL", "camera"], ["REAL", "phone"], ["REAL", "all photographs"],
    ]  # fmt: skip
    assert table.loc[0, ["as it is", "JPEG 75"]].tolist() == ["3 / 2 of 4", "0 / 0 of 4"]
    assert table.loc[1, ["as it is", "halved"]].tolist() == ["9 / 2 of 90", "too small"]
    assert table.loc[3, "as it is"] == "10 / 2 of 100"
