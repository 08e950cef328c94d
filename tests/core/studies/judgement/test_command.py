"""The command that finds a rule, on the sample gallery."""

import json
from pathlib import Path

import numpy as np
import pytest

import core.studies.judgement.__main__ as command
from core.detectors.detector import Detector
from core.images.encoding import encode_png
from core.images.loading import load_image_set
from core.images.preprocessing import Preprocessing
from core.runs.nearest import unit_rows
from core.runs.run import read_run
from core.runs.writing import write_run
from core.studies.judgement import familiarity
from core.studies.judgement.__main__ import main
from core.studies.judgement.judge import setting_of
from core.studies.judgement.rule import read_rule
from core.studies.source import Source
from tests.conftest import make_detector, write_cifake

COMMAND = ["--run", "sample@sample-test", "--data", "sample", "--no-transfer"]


def test_what_made_a_rule_travels_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "judgement.json"
    assert main([*COMMAND, "--images", "30", "--device", "cpu", "--out", str(path)]) == 0
    assert "Written" in capsys.readouterr().out
    rule = read_rule(path)
    made = json.loads(path.read_text())["made"]
    assert (made["images"], made["seed"], made["device"], made["transfer"]) == (30, 0, "cpu", False)
    assert len(made["fingerprint"]) == 64
    # crops of five photographs are five sources, and so are the imitations that were drawn after them
    assert [(one.images >= 10, 4 <= one.sources <= 5) for one in rule.groups] == [(True, True), (True, True)]


@pytest.mark.parametrize(
    ("steps", "setting"),
    [
        (Preprocessing(32), "shrunk"),
        (Preprocessing(32, 40, "after"), "same size"),
        (Preprocessing(32, 48, "after"), "enlarged"),
        (Preprocessing(40, crop="none"), "shrunk"),
    ],
)
def test_own_files_are_named_as_the_detectors_preprocessing_takes_them(
    tmp_path: Path, steps: Preprocessing, setting: str
) -> None:
    """Pictures that are no squares: the judgement of such a file says the same of it."""
    names = []
    for label in ("REAL", "FAKE"):
        (tmp_path / "test" / label).mkdir(parents=True)
        for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (4, 40, 60, 3), np.uint8)):
            names.append(f"{label}/{number}.png")
            (tmp_path / "test" / names[-1]).write_bytes(encode_png(pixels))
    detector = make_detector(preprocessing=steps)
    assert command._setting(detector, str(tmp_path), "test", names) == setting
    assert setting_of(steps, 40, 60) == setting


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--images", "1"], "--images must be at least 2"), (["--run", "none@here"], "none@here")],
)
def test_what_cannot_be_measured_is_one_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *options, "--out", str(tmp_path / "judgement.json")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "judgement.json").exists()


def test_own_images_are_drawn_from_those_that_distances_are_measured_to(
    cifake: Path, tmp_path: Path, tiny_detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(familiarity, "MOST", 10)
    assert [familiarity.thinned(images) for images in (1, 10, 11, 24)] == [1, 1, 2, 3]
    tiny_detector.manifest = {"name": "tiny"}
    images = load_image_set(cifake, "test")
    run = read_run(write_run(tmp_path / "home", tiny_detector, images))
    found, _, skip = command._own_images(run, tiny_detector, str(cifake), len(images))
    assert found.rows["id"].tolist() == run.predictions["id"].tolist()[::3]
    assert skip == 1
    assert run.features is not None
    kept = run.features[run.predictions["id"].isin(found.rows["id"]).to_numpy()]
    np.testing.assert_allclose(familiarity.Space.of(run).features, unit_rows(kept), rtol=1e-6)


def test_a_detector_of_the_sample_is_calibrated_though_another_set_is_named(tmp_path: Path) -> None:
    other, path = write_cifake(tmp_path / "other", train=0), tmp_path / "judgement.json"
    assert main([*COMMAND, "--data", str(other), "--images", "8", "--device", "cpu", "--out", str(path)]) == 0
    rule = read_rule(path)
    assert rule.made["own"] == "images held out of sample-train"
    assert {one.setting for one in rule.groups} == {"same size"}


def test_a_detector_is_found_beside_its_run(source: Source) -> None:
    assert command._maker(read_run(source.run), "cpu").name == "tiny"
