"""Opened runs, which all visitors share."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.storage import MANIFEST, SEAL, ContractError
from core.studies.store import study_path
from dashboard import catalogue, library
from dashboard.components.performance import facts_of


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


def test_a_study_is_read_again_where_its_run_was_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of an older file may be as old as the one before it."""
    read: list[Path] = []

    def read_study(path: Path, _run: object) -> int:
        read.append(path)
        return len(read)

    monkeypatch.setattr(library, "read_study", read_study)
    opened = library.open_run(catalogue.runs()["tiny@seen-test"])
    file = study_path(opened.run.path, "probes")
    file.parent.mkdir(exist_ok=True)
    file.touch()
    anew = replace(opened, stamp="of the run in its place")
    assert [library.study_of(one, "probes") for one in (opened, opened, anew)] == [1, 1, 2]
