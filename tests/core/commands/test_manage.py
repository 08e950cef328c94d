"""Runs and detectors are listed, renamed and removed by their folders."""

import json
import shutil

import pytest

from core.cli import main
from core.commands import predict
from core.detectors.storage import load_detector
from core.images.image_set import DataPath
from core.images.loading import load_image_set
from core.images.sources import remembered
from core.runs.run import read_run
from core.studies.runner import find_source
from tests.conftest import write_detector


@pytest.fixture
def own(cifake, tmp_path, monkeypatch, capsys):
    """A home with a detector and its run, which says in its last line where it is."""
    monkeypatch.setenv("TELLTALE_HOME", str(tmp_path))
    write_detector(tmp_path, "mine")
    assert predict.main(["mine", "--data", str(cifake), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Written: {tmp_path / 'runs/mine@images-test'}"
    return tmp_path


def test_they_are_listed_renamed_and_removed(own, cifake, capsys):
    assert main(["runs", "list", "--json"]) == 0
    row, *shipped = json.loads(capsys.readouterr().out)
    assert "swift@cifake-test" in [other["name"] for other in shipped]
    assert row["name"] == "mine@images-test"
    assert row["set"] == "images-test"
    assert row["images"] == 24
    assert row["pictures"] == str(cifake)
    assert read_run(own / "runs/mine@images-test").manifest["created"].startswith(row["date"])
    assert main(["detectors", "rename", "mine", "better"]) == 0
    assert load_detector(own / "detectors/better", device="cpu").name == "better"
    assert read_run(own / "runs/better@images-test").manifest["detector"] == "mine"
    # studies still find the detector, and the pictures without being told
    source = find_source(own / "runs/better@images-test", device="cpu")
    assert source.detector.name == "better"
    assert source.data == str(cifake)
    assert len(source.open().pixels) == 24
    assert main(["runs", "rename", "better@images-test", "better@other"]) == 0
    assert main(["runs", "remove", "better@other"]) == 2
    assert "say so with --yes" in capsys.readouterr().err
    assert main(["runs", "remove", "better@other", "--yes"]) == 0
    assert list((own / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["runs", "rename", "mine@images-test", "../mine@x"], "a run is named DETECTOR@SET"),
        (["runs", "rename", "mine@images-test", "mine"], "a run is named DETECTOR@SET"),
        (["detectors", "rename", "mine", "a@b"], "a@b"),
        (["detectors", "rename", "mine", "mine"], "exists already"),
        (["detectors", "remove", "swift", "--yes"], "ships with Telltale"),
        (["runs", "remove", "nobody@x", "--yes"], "there is no run 'nobody@x'"),
    ],
)
def test_what_cannot_be_is_a_sentence(own, words, sentence, capsys):
    assert main(words) == 2
    assert sentence in capsys.readouterr().err
    assert (own / "runs/mine@images-test").is_dir()
    assert (own / "detectors/mine").is_dir()


def test_a_place_is_remembered_with_its_classes_until_it_is_gone(cifake, tmp_path):
    shutil.copytree(cifake / "test", tmp_path / "set")
    (tmp_path / "set/FAKE").rename(tmp_path / "set/sd14")
    images = load_image_set(DataPath(str(tmp_path / "set"), ["sd14"]), "test")
    place = remembered(images.fingerprint)
    assert load_image_set(place, "test").fingerprint == images.fingerprint
    (tmp_path / "set").rename(tmp_path / "elsewhere")
    assert remembered(images.fingerprint) is None
