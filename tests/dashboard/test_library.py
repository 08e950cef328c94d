"""Opened runs, which all visitors share."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from core.runs.filter import Filter
from core.runs.metrics import confusion_at
from core.storage.limits import MANIFEST, ContractError
from core.storage.seals import SEAL
from dashboard import catalogue, library
from dashboard.components.performance import facts_of


def test_a_home_is_shown_beside_what_ships(made_home, monkeypatch):
    monkeypatch.setenv("TELLTALE_HOME", str(made_home))
    assert {"tiny@seen-test", "swift@cifake-test"} <= catalogue.runs().keys()
    assert {"tiny", "swift"} <= catalogue.detectors().keys()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["maps.npy", "predictions.parquet"])
def test_a_run_that_was_changed_where_it_is_is_not_shown_as_it_was(name):
    path = catalogue.runs()["tiny@seen-test"]
    assert library.open_run(path).run.path == path
    file = path / name
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    with file.open("r+b") as opened:
        # as `cp` does: the same file, of the same size
        opened.write(data)
    with pytest.raises(ContractError, match=f"{name} is not the file that was written"):
        library.open_run(path)
    data[-1] ^= 1
    file.write_bytes(data)
    assert library.open_run(path).run.path == path
    os.truncate(file, 100)
    with pytest.raises(ContractError, match=f"{name} is not the file that was written"):
        library.open_run(path)


@pytest.mark.usefixtures("home")
def test_a_run_from_before_runs_were_sealed_is_shown_and_says_so():
    path = catalogue.runs()["tiny@seen-test"]
    assert "Seal" not in facts_of(library.open_run(path).run)
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest[SEAL]
    (path / MANIFEST).write_text(json.dumps(manifest | {"schema": 1}))
    assert "not sealed" in facts_of(library.open_run(path).run)["Seal"]


@pytest.mark.usefixtures("home")
def test_tables_of_two_runs_are_read_side_by_side_and_each_of_them_once(monkeypatch):
    both, read = Barrier(2), []

    def read_together(run, judged, _columns):
        read.append(run.name)
        both.wait(30)
        return judged

    monkeypatch.setattr(library, "browse_table", read_together)
    runs = [library.open_run(path) for path in catalogue.runs().values()]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda opened: opened.table, runs * 2))
    assert sorted(read) == sorted(opened.run.name for opened in runs)
    assert [table is opened.judged for table, opened in zip(tables, runs * 2, strict=True)] == [True] * 4


@pytest.mark.usefixtures("home")
def test_counts_are_of_what_the_other_filters_find():
    opened = library.open_run(catalogue.runs()["tiny@seen-test"])
    table = opened.table
    wanted = Filter(sort="-p_real", page=2).choosing("category", ["cat"]).choosing("label", ["REAL"])
    is_cat, is_real = table["category"] == "cat", table["label"] == "REAL"
    np.testing.assert_array_equal(library.counts(opened, wanted), confusion_at(table[is_cat]))
    assert library.choice_counts(opened, wanted, "category") == dict(table["category"][is_real].value_counts())
    assert library.choice_counts(opened, wanted, "label") == dict(table["label"][is_cat].value_counts())
    rows = library.matching(opened, wanted)
    assert set(rows) == set(np.flatnonzero(is_cat & is_real))
    assert table["p_real"].iloc[rows].is_monotonic_decreasing
    library.tags().add(list(table["id"].iloc[rows[:2]]), "odd")
    tagged = replace(wanted, tag="odd")
    assert set(library.matching(opened, tagged)) == set(rows[:2])
    assert library.tag_counts(opened, tagged, ["odd", "none"]) == {"odd": 2, "none": 0}


@pytest.mark.usefixtures("home")
def test_images_to_begin_with_are_of_both_classes_and_hold_the_one_that_is_asked_for(
    monkeypatch,
):
    monkeypatch.setattr(library.st, "session_state", {"run": "tiny@seen-test"})
    opened = library.open_run(catalogue.runs()["tiny@seen-test"])
    for held in (*opened.judged["id"][[0, 1, 59]], "nowhere"):
        found, chosen = library.samples(held)
        labels = found.judged["label"].iloc[chosen]
        assert min(labels.value_counts()) >= library.SAMPLES // 2 - 1
        assert len(set(chosen)) == len(chosen) <= library.SAMPLES
        assert found.row_of(held) in chosen or held == "nowhere"


@pytest.mark.usefixtures("home")
def test_the_run_is_the_addresss_else_the_sessions_else_one_with_pictures(monkeypatch):
    blind, seen = "tiny@blind-test", "tiny@seen-test"
    for address, session, chosen in ((blind, seen, blind), ("gone", blind, blind), (None, None, seen)):
        monkeypatch.setattr(library.st, "query_params", {"run": address})
        monkeypatch.setattr(library.st, "session_state", {"run": session})
        assert library.choose_run() == chosen
