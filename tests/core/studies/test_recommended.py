"""What a run lacks: planned, timed, and made by one command."""

import json
from dataclasses import replace
from unittest.mock import patch

import pandas as pd
import pytest

from core.commands.study import main
from core.detectors.storage import load_detector
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies import recommended
from core.studies.recommended import plan, rows_of
from core.studies.runner import find_source
from core.studies.store import study_path
from core.studies.study import STUDIES, StudyError
from tests.core.studies.conftest import BRIGHTNESS, made_set


def refused(*_):
    raise StudyError("this detector cannot be asked")


WHOLE = replace(BRIGHTNESS, name="whole", whole=True)
REFUSED = replace(BRIGHTNESS, name="refused", compute=refused)


@pytest.fixture(autouse=True)
def three_studies():
    named = {study.name: f"{__name__}:{study.name.upper()}" for study in (BRIGHTNESS, WHOLE, REFUSED)}
    # the order of studies, which documents follow, is restored too
    with patch.dict(STUDIES, named, clear=True):
        yield


def test_the_time_of_all_images_follows_from_that_of_a_few(source, monkeypatch):
    # a clock that only computing moves: 2 seconds for what images share, 3 for each image
    now = [0.0]
    seen = []

    def compute(context, rows, _parameters):
        now[0] += 3 * len(rows) + (0 if seen else 2)
        seen.extend(rows)
        return pd.DataFrame()

    timed = replace(BRIGHTNESS, compute=compute)
    monkeypatch.setattr(recommended, "find_study", {"brightness": timed, "whole": WHOLE, "refused": REFUSED}.get)
    monkeypatch.setattr(recommended.time, "monotonic", lambda: now[0])
    plans = plan(read_run(source.run), source, images=40)
    assert [(each.study.name, each.images, each.seconds) for each in plans] == [
        ("brightness", 40, 2 + 3 + 3 * 40), ("whole", None, None), ("refused", 40, None),
    ]  # fmt: skip
    assert len(set(seen)) == 1 + recommended.TIMED
    assert "cannot be asked" in plans[2].refusal
    assert [row["minutes"] for row in rows_of(plans)] == ["2.1", "", "", "2.1"]


def test_one_command_makes_what_is_missing(source, capsys):
    run = str(source.run)
    assert main([run, "--recommended", "--images", "20"]) == 0
    out = capsys.readouterr().out
    assert out.index("together") < out.index("Written: ")
    made = {name: study_path(source.run, name) for name in STUDIES}
    assert [file.is_file() for file in made.values()] == [True, True, False]
    assert len(pd.read_parquet(made["brightness"])) == 20
    assert len(pd.read_parquet(made["whole"])) == 60
    # only what is still missing
    made["whole"].unlink()
    before = made["brightness"].stat().st_mtime_ns
    assert main([run, "--recommended", "--json"]) == 0
    (finding,) = json.loads(capsys.readouterr().out)
    assert finding["key"] == "mean"
    assert finding["question"] == "How bright?"
    assert made["whole"].is_file()
    assert made["brightness"].stat().st_mtime_ns == before


def test_a_run_without_pictures_asks_for_them_at_once(source, monkeypatch):
    path = write_run(source.run.parents[1], load_detector(source.detector), made_set(), replace=True)
    monkeypatch.setattr("core.studies.runner.load_image_set", None)
    with pytest.raises(StudyError, match="add --data"):
        find_source(path)
