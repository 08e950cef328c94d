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


def test_the_table_shows_each_source_and_all_photographs(counts):
    table = results.ordinary_table()
    assert list(table) == ["detector", "delivery", "painter (4)", "camera (90)", "phone (10)", "all photographs (100)"]
    assert set(table["detector"]) == {"d"}
    rows = table.set_index("delivery").drop(columns="detector").T.to_dict("list")
    assert rows["as it is"] == ["3/2", "9/2", "1/0", "10/2"]
    assert rows["JPEG 75"] == ["0/0", "", "", ""]
    assert rows["halved"] == ["1/1", "0/0 of 0", "", "0/0 of 0"]
