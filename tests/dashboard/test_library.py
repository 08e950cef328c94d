"""Opened runs, which all visitors share."""

import json
import os
from pathlib import Path

import pytest

from core.storage import MANIFEST, SEAL, ContractError
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
