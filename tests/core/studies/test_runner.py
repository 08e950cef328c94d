"""The runner: which images, in shards, resumed, each once."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import core
from core.commands.study import main
from core.homes import ROOT
from core.runs.folders import find_runs
from core.runs.run import read_run
from core.storage.atomic import cache_dir, only_writer, sealed
from core.storage.limits import MANIFEST
from core.studies.runner import find_source, run_study
from core.studies.shared.groups import with_predictions
from core.studies.store import find_stored, read_study, study_path, write_study
from core.studies.study import STUDIES, StudyError, find_study
from tests.core.studies.conftest import BRIGHTNESS, brightness


def test_all_images_once_in_order_whatever_the_shards(source):
    run = read_run(source.run)
    answers = [read_study(run_study(replace(BRIGHTNESS, shard=shard), source), run).table for shard in (7, 16, 1000)]
    assert list(answers[0]["id"]) == list(run.predictions["id"])
    assert np.allclose(answers[0]["margin"], run.predictions["margin"], atol=1e-5)
    assert (answers[0]["weight"] == 1).all()
    for other in answers[1:]:
        assert_frame_equal(answers[0], other, rtol=1e-4, atol=1e-5)
    assert not list((cache_dir() / "studies").iterdir())


def test_a_study_runs_in_a_notebook(source):
    path = core.run_study("single_sign", source.run, images=10, seed=1)
    result = core.read_study(path, core.open_run(source.run))
    assert len(result.table) == 10
    assert path == study_path(source.run, "single_sign")
    assert result.findings


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_refuses_a_run_without_what_it_needs(name):
    study = find_study(name)
    run = SimpleNamespace(name="d@s", scores_only=True, maps=None)
    assert ("has its scores alone" in study.lacking(run)) == bool(study.needs)
    run.scores_only = False
    assert ("compares maps" in study.lacking(run)) == (study.needs == "maps")


def test_a_stopped_study_goes_on_and_computes_no_image_twice(source):
    seen = []
    stop = 32

    def stops(context, rows, parameters):
        if rows[0] == stop:
            raise KeyboardInterrupt
        seen.extend(rows)
        return brightness(context, rows, parameters)

    study = replace(BRIGHTNESS, compute=stops)
    with pytest.raises(KeyboardInterrupt):
        run_study(study, source)
    kept = sorted((cache_dir() / "studies").glob("*/*.parquet"))
    assert len(kept) == 2
    # half a shard, as a full disk leaves it, is computed again
    kept[1].write_bytes(kept[1].read_bytes()[:100])
    stop = None
    path = run_study(study, source)
    assert sorted(seen) == sorted([*range(60), *range(16, 32)])
    again = read_study(run_study(BRIGHTNESS, source)).table
    assert_frame_equal(read_study(path).table, again)


def test_a_study_of_a_run_that_was_replaced_meanwhile_is_not_written(source):
    path = study_path(source.run, "brightness")

    def replaced(context, rows, parameters):
        manifest = {**context.run.manifest, "detector_sha256": "0" * 64}
        (source.run / MANIFEST).write_text(json.dumps(sealed(manifest)))
        return brightness(context, rows, parameters)

    with pytest.raises(StudyError, match="was replaced while"):
        run_study(replace(BRIGHTNESS, compute=replaced), source)
    assert not path.exists()


def test_a_study_that_breaks_its_word_is_not_written(source):
    lacks = replace(BRIGHTNESS, compute=lambda *given: brightness(*given).drop(columns="half"))
    with pytest.raises(StudyError, match="columns that it declares \\(half\\)"):
        run_study(lacks, source)
    turns = replace(lacks, compute=lambda context, rows, parameters: brightness(context, rows[::-1], parameters))
    with pytest.raises(StudyError, match="in their order"):
        run_study(turns.with_parameters({"scale": 3.0}), source)
    assert not (source.run / "studies" / "brightness.parquet").exists()


def with_new(context, rows, parameters):
    """The columns of `brightness`, with changed values, and a new one."""
    assert context.missing == {"new"}
    table = brightness(context, rows, parameters)
    return table.assign(brightness=table["brightness"] + 1, new=np.arange(len(rows), dtype=np.int16))


def wrong(run, table):
    """A column that follows from the others."""
    return pd.DataFrame({"wrong": (with_predictions(table, run)["label"] == "REAL") != (table["margin"] > 0)})


def test_only_what_is_missing_is_computed_for_the_images_of_the_file(source):
    path = run_study(BRIGHTNESS, source, images=20, seed=1)
    run = read_run(source.run)
    before = read_study(path, run)
    others = {"trainings": {"another": []}, "precision": "float32"}
    write_study(path, before.table, {**before.about, **others})
    columns = {"new": "a number", **BRIGHTNESS.columns, "wrong": "or right"}
    study = replace(BRIGHTNESS, compute=with_new, columns=columns, derived=("wrong",), derive=wrong)
    stored = find_stored(study, run)
    assert study.missing(stored.table) == ["new"]
    run_study(study, source, stored=stored)
    after = read_study(path, run)
    # in the declared order; all that was there as it was
    assert list(after.table) == ["id", *columns, "weight"]
    assert_frame_equal(after.table[before.table.columns], before.table, check_exact=True)
    assert after.table["new"].tolist() == [*range(16), *range(4)]
    assert after.about["images"] == 20
    assert after.about["chosen_with_seed"] == 1
    assert {name: after.about[name] for name in others} == others
    rows = run.predictions.set_index("id").loc[after.table["id"]]
    assert after.table["wrong"].tolist() == (rows["label"] != rows["predicted"]).tolist()
    assert not study.missing(find_stored(study, run).table)


def test_another_question_keeps_nothing(source):
    run = read_run(source.run)
    assert find_stored(BRIGHTNESS, run) is None
    answer = read_study(run_study(BRIGHTNESS, source, images=20))
    assert find_stored(BRIGHTNESS.with_parameters({"scale": 2.0}), run) is None
    # a parameter added with a new column does not affect the old ones
    assert find_stored(replace(BRIGHTNESS, parameters={"scale": 1.0, "more": 2}), run) is not None
    # a study of the whole set is made as a whole
    assert find_stored(replace(BRIGHTNESS, whole=True, columns={"new": "a number"}), run) is None
    write_study(answer.path, answer.table, {**answer.about, "set_fingerprint": "0" * 64})
    assert find_stored(BRIGHTNESS, run) is None


SHIPPED = [
    (name, study.stem)
    for name, run in find_runs((ROOT / "assets",)).items()
    for study in sorted((run / "studies").glob("*.parquet"))
]


@pytest.mark.parametrize("run, study", SHIPPED, ids=map(" ".join, SHIPPED))
def test_shipped_studies_lack_nothing(run, study):
    folder = ROOT / "assets" / "runs" / run
    stored = find_stored(find_study(study), read_run(folder))
    # hours on two cores: `python -m core study STUDY --run RUN --only-missing` computes what a file lacks
    assert not find_study(study).missing(stored.table)


def test_images_are_those_that_ship_where_no_others_are(tmp_path, monkeypatch):
    monkeypatch.setattr("core.studies.runner.FOLDER", tmp_path / "cifake")
    assert find_source("swift@cifake-test").data == "cifake-test"
    (tmp_path / "cifake").mkdir()
    assert find_source("swift@cifake-test").data == str(tmp_path / "cifake")
    assert find_source("swift@cifake-test", data="sample").data == "sample"


@pytest.fixture
def registered(monkeypatch):
    """One line in the registry and one module are all that a study needs."""
    monkeypatch.setitem(STUDIES, "brightness", "tests.core.studies.conftest:BRIGHTNESS")


def test_the_command(source, monkeypatch, capsys, registered):
    path = study_path(source.run, "brightness")
    run = ["brightness", "--run", str(source.run)]
    assert main(["--list"]) == 0
    assert BRIGHTNESS.question in capsys.readouterr().out
    assert main([*run, "--only-missing"]) == 2
    assert "the file of the study brightness cannot be completed" in capsys.readouterr().err
    assert main([*run, "--set", "scale=2.0", "--images", "20"]) == 0
    assert "How bright?: no control" in capsys.readouterr().out
    # neither the images nor the detector are needed where nothing is missing, and the file's settings hold
    assert main([*run, "--data", "nowhere", "--only-missing"]) == 0
    assert "Nothing is missing" in capsys.readouterr().out
    answer = read_study(path)
    write_study(path, answer.table.drop(columns="half"), answer.about)
    assert main([*run, "--only-missing"]) == 0
    assert "Added half: " in capsys.readouterr().out
    about = read_study(path).about
    assert about["images"] == 20
    assert about["parameters"] == {"scale": 2.0}
    assert main([*run, "--conclude"]) == 0
    assert "Concluded again" in capsys.readouterr().out
    assert main([*run, "--only-missing", "--set", "scale=3.0"]) == 2
    assert main(run) == 0
    assert "Written: " in capsys.readouterr().out
    assert read_study(path).about["images"] == 60
    with only_writer(path):
        assert main(run) == 2
    assert "is being written by another process; wait for it" in capsys.readouterr().err
    # a wrong name is refused before the first study is computed
    path.unlink()
    for wrong_call in (["brightness", "absent"], ["brightness", "--set", "other=1"], ["brightness", "--run", "none"]):
        assert main([*wrong_call, *run[1:]] if "--run" not in wrong_call else wrong_call) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not path.exists()
