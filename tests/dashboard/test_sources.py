"""Sources: the generator or camera that images come from, in runs, in Explore and on Overview."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.detectors.storage import load_detector
from core.runs.filter import Filter
from core.runs.rows import find_rows
from core.runs.run import Run, read_run
from core.runs.writing import write_run
from core.storage import ContractError
from core.studies.columns import browse_table
from tests.dashboard.conftest import Open, image_set
from tests.dashboard.test_pages import with_more_filters, words

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


def test_detectors_shows_the_error_rate_of_each(sourced: Run, open_page: Open) -> None:
    app = open_page("detectors", run=sourced.name)
    assert not app.exception
    assert "By source" in words(app)
    opened = next(box for box in app.selectbox if box.key == "source.open")
    assert len(opened.options) == sourced.predictions["source"].nunique()
    assert "By source" not in words(open_page("detectors", run="tiny@seen-test"))


def test_mistakes_filters_by_it(sourced: Run, open_page: Open) -> None:
    app = open_page("mistakes", run=sourced.name, source="midjourney_5")
    assert not app.exception
    assert "20 of 60 images" in words(app)
    assert with_more_filters(app).session_state["filter.source"] == ["midjourney_5"]
    assert "filter.source" not in open_page("mistakes", run="tiny@seen-test").session_state


def test_a_source_that_is_no_text_is_refused(sourced: Run, home: Path) -> None:
    images = image_set("odd-test")
    rows = images.rows.assign(source=np.arange(len(images)))
    detector = load_detector(home / "detectors" / "tiny", device="cpu")
    path = write_run(home, detector, replace(images, rows=rows))
    with pytest.raises(ContractError, match="has no usable column source"):
        read_run(path)
