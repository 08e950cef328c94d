"""Opened runs, which all visitors share."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from core.storage import MANIFEST, SEAL, ContractError
from dashboard import catalogue, library
from dashboard.components.performance import facts_of


def test_a_home_is_shown_beside_what_ships(made_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLTALE_HOME", str(made_home))
    assert {"tiny@seen-test", "swift@cifake-test"} <= catalogue.runs().keys()
    assert {"tiny", "swift"} <= catalogue.detectors().keys()


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["maps.npy", "predictions.parquet"])
def test_a_run_that_was_changed_where_it_is_is_not_shown_as_it_was(name: str) -> None:
    path = catalogue.runs()["tiny@seen-test"]
    assert library.open_run(path).run.path == path
    file: Path = path / name
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
def test_a_run_from_before_runs_were_sealed_is_shown_and_says_so() -> None:
    path = catalogue.runs()["tiny@seen-test"]
    assert "Seal" not in facts_of(library.open_run(path).run)
    manifest = json.loads((path / MANIFEST).read_text())
    del manifest[SEAL]
    (path / MANIFEST).write_text(json.dumps(manifest | {"schema": 1}))
    assert "not sealed" in facts_of(library.open_run(path).run)["Seal"]


@pytest.mark.usefixtures("home")
def test_tables_of_two_runs_are_read_side_by_side_and_each_of_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    both, read = Barrier(2), []

    def read_together(run: Any, judged: Any, _columns: Any) -> Any:
        read.append(run.name)
        both.wait(30)
        return judged

    monkeypatch.setattr(library, "browse_table", read_together)
    runs = [library.open_run(path) for path in catalogue.runs().values()]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda opened: opened.table, runs * 2))
    assert sorted(read) == sorted(opened.run.name for opened in runs)
    assert [table is opened.judged for table, opened in zip(tables, runs * 2, strict=True)] == [True] * 4
