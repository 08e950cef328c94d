"""Opened runs, which all visitors share."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from core.runs.filter import Filter
from core.runs.writing import write_run
from core.storage.atomic import SEAL
from core.storage.limits import MANIFEST, ContractError
from core.studies.store import study_path
from dashboard import catalogue, library
from dashboard.components.performance import facts_of
from dashboard.library import FIRST
from tests.conftest import make_detector
from tests.core.studies.test_columns import seal
from tests.dashboard.conftest import RUN, image_set
from tests.dashboard.studies import add_studies


@pytest.fixture
def opened(home):
    return library.open_run(home / "runs" / RUN)


def test_a_home_is_shown_beside_what_ships(made_home, monkeypatch):
    monkeypatch.setenv("TELLTALE_HOME", str(made_home))
    assert {"tiny@seen-test", "swift@cifake-test"} <= catalogue.runs().keys()
    assert {"tiny", "swift"} <= catalogue.detectors().keys()


@pytest.mark.parametrize("name", ["maps.npy", "predictions.parquet"])
def test_a_run_that_was_changed_where_it_is_is_not_shown_as_it_was(name, opened):
    path = opened.run.path
    file = path / name
    whole = file.read_bytes()
    # as `cp` does: the same file, of the same size
    for data in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:100]):
        file.write_bytes(data)
        with pytest.raises(ContractError, match=f"{name} is not the file that was written"):
            library.open_run(path)
        file.write_bytes(whole)
        assert library.open_run(path).run.path == path


def test_a_run_from_before_runs_were_sealed_is_shown_and_says_so(home):
    path = catalogue.runs()["tiny@seen-test"]
    assert "Seal" not in facts_of(library.open_run(path).run)
    unsealed(path / MANIFEST)
    assert "not sealed" in facts_of(library.open_run(path).run)["Seal"]


def test_tables_of_two_runs_are_read_side_by_side_and_each_of_them_once(monkeypatch, home):
    both = Barrier(2)
    read = []

    def read_together(run, judged, _columns):
        read.append(run.name)
        both.wait(30)
        return judged

    monkeypatch.setattr(library, "browse_table", read_together)
    runs = [library.open_run(path) for path in catalogue.runs().values()]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda opened: opened.table, runs * 2))
    assert sorted(read) == sorted(opened.run.name for opened in runs)
    assert all(table is opened.judged for table, opened in zip(tables, runs * 2, strict=True))


def test_a_filter_by_a_tag_finds_what_has_it(opened):
    ids = list(opened.table["id"])
    library.tags().add(ids[:2], "odd")
    tagged = replace(Filter(sort="-p_real"), tag="odd")
    assert set(library.matching(opened, tagged)) == {0, 1}


BLIND = "tiny@blind-test"


def add_run(home, detector, name, n, *, ship_images=True):
    """A run of another random detector."""
    images = image_set(name, n)
    return write_run(home, make_detector(seed=3, manifest={"name": detector}), images, ship_images=ship_images)


def unsealed(path):
    """Write a manifest as before manifests were sealed."""
    manifest = json.loads(path.read_text())
    del manifest[SEAL]
    path.write_text(json.dumps(manifest | {"schema": 1}))


@pytest.fixture
def at(monkeypatch):
    """A function that sets the run of the session and the parameters of the address."""

    def set_to(session, **params):
        monkeypatch.setattr(library.st, "session_state", {"run": session})
        monkeypatch.setattr(library.st, "query_params", params)

    return set_to


def test_an_address_adds_columns_and_the_verdicts_of_another_run(home, at):
    path = home / "runs" / RUN
    names = [f"w{number:02}" for number in range(14)]
    ids = library.open_run(path).run.predictions["id"]
    frame = pd.DataFrame({"id": ids, "height": 1.0} | dict.fromkeys(names, 2.0))
    seal(study_path(path, "cues"), frame, {"title": "Cues", "columns": {}, "explore": ["height"]})
    plain = library.open_run(path)
    # itself is not beside it, and an unknown column is none
    for params in ({}, {"versus": RUN}, {"versus": "gone"}, {"sort": "-margin", "also": "cues.height,cues.x"}):
        at(RUN, **params)
        assert library.current() is plain
    at(RUN, **{"cues.w12": "1..", "also": ",".join(f"cues.{name}" for name in names), "sort": "-cues.w13"})
    linked = library.current()
    # what filters and sorts comes first where they are too many
    assert linked.linked == tuple(f"cues.{name}" for name in (*names[:10], "w12", "w13"))
    assert set(linked.table) == {*plain.table, *linked.linked}
    assert set(linked.studied) == {*plain.studied, *linked.linked}
    assert linked.origin is plain
    at(RUN, versus=BLIND)
    both = library.current()
    assert both.origin == plain
    other = library.open_run(home / "runs" / BLIND).run.predictions["margin"]
    np.testing.assert_allclose(both.table["versus.margin"], other, atol=1e-6)
    assert set(both.studied) > {"versus.margin", *plain.studied}
    assert len({plain.stamp, linked.stamp, both.stamp}) == 3
    assert library.runs_beside(plain) == [BLIND]
    (home / "runs" / BLIND / "maps.npy").write_bytes(b"")
    assert library.current() is plain
    add_run(home, "other", "more-test", 12)
    (home / "runs" / BLIND / MANIFEST).write_text("{")
    assert library.runs_beside(plain) == []


@pytest.mark.parametrize("kept", [[FIRST, RUN, BLIND], [BLIND], []])
def test_the_first_run_is_cifakes_unless_another_was_chosen(home, at, kept):
    add_run(home, *FIRST.split("@"), 16)
    for path in (home / "runs").iterdir():
        if path.name not in kept:
            shutil.rmtree(path)
    at(None)
    assert library.choose_run() == "".join(kept[:1])
    if kept:
        at(kept[-1], run="gone")
        assert library.choose_run() == kept[-1]
        at(None, run=kept[-1])
        assert library.choose_run() == kept[-1]


def test_images_to_begin_with_are_the_runs_or_the_samples_where_it_has_none(home, opened, at):
    at(RUN)
    for held in (*opened.judged["id"][[0, 1, 59]], "nowhere"):
        _, chosen = library.samples(held)
        assert min(opened.judged["label"].iloc[chosen].value_counts()) >= library.SAMPLES // 2 - 1
        assert len(set(chosen)) == len(chosen) <= library.SAMPLES
        assert opened.row_of(held) in chosen or held == "nowhere"
    own = add_run(home, "tiny", "sample-test", 16)
    other = add_run(home, "paper", "sample-test", 20)
    for run, expected in (("paper@gone", [other.name, own.name]), (BLIND, [BLIND, own.name, other.name])):
        at(run)
        assert [opened.run.name for opened in library.with_samples()] == expected
    # an image that only the other one has
    held = str(library.open_run(other).judged["id"].iloc[-1])
    assert [library.samples(id_)[0].run.path for id_ in ("", held, "nowhere")] == [own, other, own]
    opened, chosen = library.samples(held)
    assert opened.row_of(held) in chosen
    shutil.rmtree(own)
    (other / "maps.npy").write_bytes(b"")
    assert library.samples() is library.samples(held) is None


def test_runs_and_studies_of_a_detector_are_this_sessions_first(home, opened, at):
    add_run(home, "other", "more-test", 12)
    identity = catalogue.detectors()["tiny"].identity
    for runs in ([BLIND, RUN], [RUN, BLIND]):
        at(runs[0])
        assert [opened.run.name for opened in library.runs_by(identity)] == runs
    add_studies(home, "single_sign")
    assert library.study_by(identity, "single_sign").path == study_path(opened.run.path, "single_sign")
    assert library.study_by(identity, "probes") is None
    (home / "runs" / RUN / MANIFEST).write_text("{")
    assert [opened.run.name for opened in library.runs_by(identity)] == [BLIND]


def test_a_detector_that_cannot_be_run_is_named_with_its_reason(home):
    run = library.open_run(home / "runs" / RUN).run
    assert catalogue.maker(run).name == "tiny"
    assert catalogue.refused_detectors() == {}
    (home / "detectors" / "tiny" / MANIFEST).write_text("{")
    ((name, sentence),) = catalogue.refused_detectors().items()
    assert sentence.startswith(f"{name}/{MANIFEST} ")
    assert catalogue.detectors() == {}
    assert catalogue.maker(run) is None


def test_a_page_without_a_run_says_why(open_page, home):
    shutil.rmtree(home / "runs")
    app = open_page("reads")
    assert len(app.title) == len(app.info) == 1
    assert not app.error
