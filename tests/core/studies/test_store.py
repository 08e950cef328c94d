"""A study's file: what it gives back, and what it refuses."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from core.runs.run import read_run
from core.storage.limits import ContractError
from core.studies.columns import read_columns, study_columns
from core.studies.runner import run_study
from core.studies.store import (
    SCHEMA,
    conclude_again,
    find_studies,
    read_study,
    study_path,
    write_sealed,
    write_study,
)
from core.studies.study import STUDIES, find_study
from tests.core.studies.conftest import BRIGHTNESS, conclude

TABLE = pd.DataFrame(
    {
        "id": ["a", "b", "c"],
        "half": np.array([1, np.nan, -2], np.float16),
        "whole": np.array([1, 2, 3], np.int8),
        "yes": [True, False, True],
        "word": ["x", None, "y"],
        "kind": pd.Categorical(["p", "q", "p"]),
    }
)


def test_values_come_back_as_they_were(tmp_path):
    path = tmp_path / "s.parquet"
    write_study(path, TABLE, {"study": "s", "parameters": {"bad": float("nan"), "seeds": (1, 2)}})
    answer = read_study(path)
    assert_frame_equal(answer.table, TABLE, check_dtype=False)
    assert answer.table["half"].dtype == np.float16
    assert answer.about["parameters"] == {"bad": None, "seeds": [1, 2]}


def test_every_flipped_byte_is_refused_or_harmless(tmp_path):
    path = tmp_path / "s.parquet"
    write_study(path, TABLE, {"study": "s", "findings": []})
    whole = path.read_bytes()
    before = read_study(path)
    refused = []
    for place in range(0, len(whole), len(whole) // 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            after = read_study(path)
        except ContractError as error:
            refused.append(str(path) in str(error))
        else:
            # a byte that says nothing of the values, such as the writer's name or what pandas calls a type
            assert_frame_equal(after.table, before.table, check_dtype=False, check_categorical=False)
            assert after.about == before.about
    assert all(refused)
    assert len(refused) > 50


def test_what_is_no_study_of_this_run_is_refused(source, tmp_path):
    run = read_run(source.run)
    path = run_study(BRIGHTNESS, source)
    other = tmp_path / "other.parquet"
    with pytest.raises(ContractError, match=r"other.parquet is missing"):
        read_study(other)
    TABLE.to_parquet(other)
    with pytest.raises(ContractError, match="does not say which study"):
        read_study(other)
    shutil.copy(path, other)
    with pytest.raises(ContractError, match="holds the study brightness"):
        read_study(other)
    about = {**read_study(path).about, "set_fingerprint": "0" * 64}
    write_study(path, read_study(path).table, about)
    with pytest.raises(ContractError, match="another run \\(set_fingerprint differs"):
        read_study(path, run)
    results, problems = find_studies(run)
    assert not results
    assert len(problems) == 1


@pytest.mark.parametrize(
    "about, opens",
    [
        ({"schema": 1, "version": 3}, True),
        ({"schema": 2, "column_versions": {"half": 2}}, True),
        ({"schema": SCHEMA, "version": 1}, True),
        ({"schema": SCHEMA, "version": 2}, False),
        ({"schema": SCHEMA + 1, "version": 1}, False),
    ],
)
def test_older_schemas_open_as_they_are_and_another_version_is_refused(tmp_path, about, opens):
    path = tmp_path / "s.parquet"
    write_sealed(path, TABLE, {"study": "s", **about})
    if opens:
        assert list(read_study(path).table) == list(TABLE)
    else:
        with pytest.raises(ContractError, match="was written by another version"):
            read_study(path)


def test_findings_are_stored_with_the_study_and_made_again_only_where_they_are_not(source, monkeypatch):
    calls = []

    def counted(_name, run, table, parameters):
        calls.append((run.name, parameters))
        return conclude(run, table, parameters)

    monkeypatch.setattr("core.studies.store.conclude_study", counted)
    monkeypatch.setitem(STUDIES, "brightness", "tests.core.studies.conftest:BRIGHTNESS")
    run = read_run(source.run)
    path = run_study(BRIGHTNESS, source)
    assert calls == [(run.name, {"scale": 1.0})]
    answer = find_studies(run)[0]["brightness"]
    found = answer.finding("mean")
    assert found.measure.value == pytest.approx(answer.table["brightness"].mean())
    assert found.measure.n == 60
    assert answer.finding("none") is None
    assert len(calls) == 1
    # nothing of a run is concluded where none is named
    assert read_study(path).findings == ()
    # an older file has no findings, and a rule that has changed makes others
    write_study(path, answer.table, answer.about)
    assert read_study(path, run).findings == answer.findings
    assert len(calls) == 2
    assert conclude_again(path, run).findings == answer.findings
    monkeypatch.setattr("core.studies.store.RULE", 0)
    assert read_study(path, run).findings == answer.findings
    assert len(calls) == 5


def test_values_that_lack_what_is_concluded_from_are_named(source, monkeypatch):
    monkeypatch.setattr("core.studies.store.conclude_study", lambda _, *given: conclude(*given))
    path = run_study(BRIGHTNESS, source)
    write_study(path, read_study(path).table.rename(columns={"brightness": "darkness"}), read_study(path).about)
    answer = read_study(path, read_run(source.run))
    with pytest.raises(ContractError, match=r"brightness.parquet lacks values .*\('brightness'\).*make it again"):
        answer.finding("mean")


def test_every_study_concludes_without_torch():
    code = (
        "import sys; from core.studies.study import STUDIES, find_study; "
        "assert all(map(find_study, STUDIES)); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_file_of_a_former_name_opens_under_the_present_one(source):
    run = read_run(source.run)
    path = run_study(find_study("single_sign"), source, images=3)
    now = read_study(path, run)
    former = path.with_stem("one_colour")
    write_study(former, now.table, {**now.about, "study": "one_colour"}, run)
    path.unlink()
    results, problems = find_studies(run)
    assert list(results) == ["single_sign"]
    assert problems == []
    assert results["single_sign"].findings == now.findings
    assert study_path(run.path, "single_sign") == study_path(run.path, "one_colour") == former
    assert find_study("one_colour") == find_study("single_sign")
    assert "single_sign.is_ours_one_sign" in read_columns(run, study_columns(run))
    # made again, the present one counts
    shutil.copy(former, path)
    assert [result.path for result in find_studies(run)[0].values()] == [path]


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_one_name(name):
    study = find_study(name)
    module = STUDIES[name].partition(":")[0].rpartition(".")[2]
    assert study.name == module == name
    assert name.replace("_", " ").rstrip("s") in study.title.replace("-", " ").casefold()
