"""Sources: the generator or camera that images come from, in runs, in Explore and on Overview."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.detectors.storage import load_detector
from core.images.labels import FAKE
from core.report import command as report
from core.runs.filter import Filter
from core.runs.metrics import error_by
from core.runs.rows import find_rows
from core.runs.run import Run, read_run
from core.runs.writing import write_run
from core.storage import ContractError
from core.studies.columns import browse_table
from tests.dashboard.conftest import Open, image_set
from tests.dashboard.studies import add_studies
from tests.dashboard.test_pages import words
from tests.dashboard.test_patterns import figure, written

SOURCES = ("biggan", "midjourney_5", None)


@pytest.fixture
def sourced(home: Path) -> Run:
    """A run in which images come from two generators, and some from nobody knows where."""
    images = image_set("sourced-test")
    rows = images.rows.assign(source=[SOURCES[number % 3] for number in range(len(images))])
    detector = load_detector(home / "detectors" / "tiny", device="cpu")
    return read_run(write_run(home, detector, replace(images, rows=rows), ship_images=True))


def test_a_run_keeps_the_sources_of_its_set(sourced: Run, home: Path) -> None:
    found = sourced.predictions["source"]
    assert found.isna().sum() == 20
    assert set(found.dropna()) == {"biggan", "midjourney_5"}
    # where a set knows none, there is no column
    assert "source" not in read_run(home / "runs" / "tiny@seen-test").predictions
    table = browse_table(sourced)
    wanted = Filter.from_params({"source": "biggan,nobody"}, table)
    assert wanted.chosen("source") == ("biggan",)
    found = table["source"].iloc[find_rows(table, wanted)]
    assert found.tolist() == ["biggan"] * 20
    unsourced = browse_table(read_run(home / "runs" / "tiny@seen-test"))
    assert Filter.from_params({"source": "biggan"}, unsourced) == Filter()


def test_overview_shows_the_error_rate_of_each(sourced: Run, open_page: Open) -> None:
    app = open_page("overview", run=sourced.name)
    assert not app.exception
    assert "Error rate by source" in words(app)
    (bars,) = (one.proto for one in app.get("bidi_component") if one.proto.id.endswith("-sources"))
    drawn = {row["value"]: row["rate"] for row in json.loads(bars.json)["rows"]}
    wrong = (sourced.predictions["label"] != sourced.predictions["predicted"]).groupby(sourced.predictions["source"])
    assert drawn == pytest.approx(wrong.mean().to_dict())
    assert "Error rate by source" not in words(open_page("overview", run="tiny@seen-test"))


def test_where_the_sources_of_one_class_are_unknown_overview_says_so(home: Path, open_page: Open) -> None:
    images = image_set("half-test")
    rows = images.rows.assign(source=np.where(images.labels == FAKE, "biggan", None))
    write_run(home, load_detector(home / "detectors" / "tiny", device="cpu"), replace(images, rows=rows))
    unknown = "No source is known of these images."
    assert unknown not in words(open_page("overview", run="tiny@half-test"))
    app = open_page("overview", run="tiny@half-test", of="REAL")
    assert not app.exception
    assert unknown in words(app)


def test_patterns_colours_points_by_it(sourced: Run, home: Path, open_page: Open) -> None:
    add_studies(home, "clusters", run=sourced.name)
    app = open_page("patterns", run=sourced.name, colour="source")
    assert not app.exception
    drawn: dict[str, int] = {}
    for trace in figure(app)["data"]:
        drawn[trace["name"]] = drawn.get(trace["name"], 0) + written(trace)
    assert drawn == {"biggan": 20, "midjourney 5": 20, "not known": 20}


def test_explore_filters_by_it(sourced: Run, open_page: Open) -> None:
    app = open_page("explore", run=sourced.name, source="midjourney_5")
    assert not app.exception
    assert "**20** of 60 images" in words(app)
    assert app.session_state["explore.source"] == ["midjourney_5"]
    assert "explore.source" not in open_page("explore", run="tiny@seen-test").session_state


def test_the_report_shows_them(sourced: Run, tmp_path: Path) -> None:
    assert report.main([str(sourced.path), "--out", str(tmp_path / "report.html")]) == 0
    assert "Error rate by source" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert len(error_by(browse_table(sourced), "source")) == 2


def test_a_source_that_is_no_text_is_refused(sourced: Run, home: Path) -> None:
    images = image_set("odd-test")
    rows = images.rows.assign(source=np.arange(len(images)))
    detector = load_detector(home / "detectors" / "tiny", device="cpu")
    path = write_run(home, detector, replace(images, rows=rows))
    with pytest.raises(ContractError, match="has no usable column source"):
        read_run(path)
