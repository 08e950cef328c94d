"""Runs and detectors are listed by their folders."""

import json
import shutil

from core.cli import main
from core.commands import predict
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.images.sources import remembered
from core.runs.run import read_run
from core.studies.runner import find_source
from tests.conftest import write_detector


def test_they_are_listed_and_their_folders_renamed(cifake, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path))
    write_detector(tmp_path, "mine")
    assert predict.main(["mine", "--data", str(cifake), "--device", "cpu"]) == 0
    run = tmp_path / "runs/mine@images-test"
    assert capsys.readouterr().out.splitlines()[-1] == f"Written: {run}"
    (tmp_path / "detectors/mine").rename(tmp_path / "detectors/better")
    assert main(["detectors", "list", "--json"]) == 0
    assert "better" in [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert main(["runs", "list", "--json"]) == 0
    row, *shipped = json.loads(capsys.readouterr().out)
    assert "swift@cifake-test" in [other["name"] for other in shipped]
    assert row["name"] == "mine@images-test"
    assert row["set"] == "images-test"
    assert row["images"] == 24
    assert row["pictures"] == str(cifake)
    assert read_run(run).manifest["created"].startswith(row["date"])
    # studies still find the detector, and the pictures without being told
    source = find_source(run, device="cpu")
    assert source.detector.name == "better"
    assert source.data == str(cifake)
    assert len(source.open().pixels) == 24
    (run / "predictions.parquet").unlink()
    assert main(["runs", "list"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("mine@images-test")]
    assert "predictions.parquet" in line


def test_a_place_is_remembered_with_its_classes_until_it_is_gone(cifake, tmp_path):
    shutil.copytree(cifake / "test", tmp_path / "set")
    (tmp_path / "set/FAKE").rename(tmp_path / "set/sd14")
    images = load_image_set(DataPath(str(tmp_path / "set"), ["sd14"]), "test")
    place = remembered(images.fingerprint)
    assert load_image_set(place, "test").fingerprint == images.fingerprint
    (tmp_path / "set").rename(tmp_path / "elsewhere")
    assert remembered(images.fingerprint) is None
