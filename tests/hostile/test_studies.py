"""Every study that ships, damaged: one sentence that names it, and the pages that show it go on without."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import streamlit as st

from core.runs.folders import ROOT
from core.runs.run import Run, read_run
from core.studies.columns import read_embedding
from core.studies.registry import STUDIES
from core.studies.store import read_study, write_study
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import settled, words
from tests.hostile import damage as d
from tests.hostile.test_files import RUN, refusal, said_of

SAMPLE = "sample@sample-test"
SHIPPED = {path.stem: path for path in (ROOT / "assets" / "runs" / SAMPLE / "studies").glob("*.parquet")}
OTHERS = {path.stem: path for path in (ROOT / "assets" / "runs" / "swift@cifake-test" / "studies").glob("*.parquet")}
# pages that read studies
PAGES = ("evidence", "patterns", "data", "trust")


@pytest.fixture(scope="module")
def sample() -> Run:
    """The run that ships with a study of every kind."""
    return read_run(ROOT / "assets" / "runs" / SAMPLE)


def test_every_study_that_can_be_made_ships() -> None:
    assert set(SHIPPED) == set(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_damaged_study_is_named(sample: Run, tmp_path: Path, name: str) -> None:
    file, mark = tmp_path / f"{name}.parquet", tmp_path / "executed"
    for damage in (d.cut(0.5), d.cut(0.999), d.replace_by(b""), d.replace_by(d.pickled(mark)), d.make_folder):
        shutil.copy(SHIPPED[name], file)
        damage(file)
        assert str(file) in refusal(lambda: read_study(file, sample))
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    assert not mark.exists()


@pytest.mark.parametrize("name", STUDIES)
def test_a_turned_bit_is_named_or_changes_nothing(sample: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.parquet"
    sound = read_study(SHIPPED[name], sample)
    refused = 0
    for share in (0.05, 0.2, 0.35, 0.5, 0.65):
        shutil.copy(SHIPPED[name], file)
        d.flip(share, 3)(file)
        if sentence := said_of(lambda: read_study(file, sample)):
            assert str(file) in sentence
            refused += 1
        else:
            # of the container, not of what the study says
            pd.testing.assert_frame_equal(read_study(file).table, sound.table)
            assert read_study(file).about == sound.about
    assert refused


@pytest.mark.parametrize("name", STUDIES)
def test_another_ones_study_is_named(sample: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / f"{name}.parquet"
    names = list(STUDIES)
    # of the same run another study, and of another run the same
    for other in (SHIPPED[names[names.index(name) - 1]], OTHERS.get(name)):
        if other is not None:
            shutil.copy(other, file)
            assert str(file) in refusal(lambda: read_study(file, sample))


LIES: dict[str, object] = {
    "title": 5, "question": ["why"], "control": None, "created": 2026, "columns": ["id"],
    "parameters": "none", "explore": {"brightness": 1}, "images": -1, "of": "60",
    "version": True,
}  # fmt: skip


@pytest.mark.parametrize("key", LIES)
def test_a_study_that_says_something_in_another_form_is_named(home: Path, key: str) -> None:
    file = home / "runs" / RUN / "studies" / "brightness.parquet"
    sound = read_study(file)
    write_study(file, sound.table, {**sound.about, key: LIES[key]})
    assert f"{file} has no usable {key}; " in refusal(lambda: read_study(file))


def test_a_study_with_rows_left_out_is_named(home: Path) -> None:
    file = home / "runs" / RUN / "studies" / "brightness.parquet"
    sound = read_study(file)
    write_study(file, sound.table.iloc[1:], sound.about)
    assert f"{file} has 23 rows and says 24; " in refusal(lambda: read_study(file))


WAYS: dict[str, Callable[[Path], object]] = {
    "cut": d.cut(0.5),
    "another's": lambda file: shutil.copy(OTHERS.get(file.stem, SHIPPED["files"]), file),
}


@pytest.mark.parametrize("way", WAYS)
def test_pages_go_on_without_damaged_studies(
    way: str, open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "shipped home"
    for part in (f"runs/{SAMPLE}", "detectors/sample"):
        shutil.copytree(ROOT / "assets" / part, home / part)
    for file in (home / "runs" / SAMPLE / "studies").iterdir():
        WAYS[way](file)
    monkeypatch.setenv("TELLTALE_HOME", str(home))
    st.cache_resource.clear()
    for page in PAGES:
        app = settled(open_page(page, run=SAMPLE))
        assert not app.exception, page
        shown = words(app)
        assert "Traceback" not in shown
        assert str(home) not in shown


def test_columns_of_a_damaged_study_are_no_filters(home: Path, open_page: Open) -> None:
    file = home / "runs" / RUN / "studies" / "brightness.parquet"
    arrow = pq.read_table(file.open("rb"))
    for about in (b"{", b"[]", b"null", b'{"explore": "all"}', b'{"explore": [1], "columns": 3}', b"\xff"):
        pq.write_table(arrow.replace_schema_metadata({b"telltale": about}), file)
        app = open_page("explore", run=RUN, also="brightness.margin,brightness.half", sort="brightness.brightness")
        assert not app.exception


def test_places_that_are_words_cost_their_picture_only(sample: Run, tmp_path: Path) -> None:
    file = tmp_path / "studies" / "clusters.parquet"
    sound = read_study(SHIPPED["clusters"])
    names = [name for name in sound.table.columns if name.endswith(("_x", "_y"))]
    assert set(names) <= set(read_embedding(sample.path, sample.predictions["id"]))
    write_study(file, sound.table.assign(**dict.fromkeys(names, "many")), sound.about)
    assert read_embedding(tmp_path, sample.predictions["id"]).shape == (len(sample), 0)
