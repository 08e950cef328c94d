"""`python -m core.explain IMAGE --json`: one picture's judgement by the rule beside a run of its detector."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import explain, predict
from core.detectors.storage import load_detector, save_detector
from core.images.encoding import encode_png
from core.images.preprocessing import Preprocessing
from core.storage import ContractError
from core.studies.judgement.judging import find_rule
from core.studies.judgement.rule import Group, Limit, Rate, Rule, read_rule, rule_path, write_rule
from tests.conftest import make_detector, textured


@pytest.fixture
def made(cifake: Path, tmp_path: Path) -> Path:
    """A folder with a detector, a run of it, and a rule beside that: whatever is shrunk to it is worth believing."""
    save_detector(tmp_path / "detectors/other", make_detector(), model_card="")
    assert predict.main(["other", "--data", str(cifake), "--out", str(tmp_path), "--device", "cpu"]) == 0
    detector = load_detector(tmp_path / "detectors/other")
    said = {"REAL": {"REAL": 990, "FAKE": 10}, "FAKE": {"REAL": 10, "FAKE": 990}}
    groups = tuple(Group(f"{label} ones", label, "shrunk", 1000, 1000, said[label]) for label in said)
    far = Limit(1e6, Rate(0, 50))
    rule = Rule(detector.identity.fingerprint, "other@cifake-test", 0.95, groups, None, far, {})
    write_rule(rule_path(tmp_path / "runs/other@cifake-test"), rule)
    return tmp_path


def test_the_judgement_as_json(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = textured(1, fine=True, seed=3)[0].repeat(4, axis=0).repeat(4, axis=1)
    (made / "picture.png").write_bytes(encode_png(picture))
    command = [str(made / "picture.png"), "--detector", str(made / "detectors/other"), "--device", "cpu", "--json"]
    capsys.readouterr()
    assert explain.main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["file"], told["pixels"], told["detector"]) == ("picture.png", [128, 128], "other")
    margins = [one["margin"] for one in told["deliveries"]["each"]] + list(told["network"]["filters"].values())
    one_side = len({margin > 0 for margin in margins}) == 1
    assert told["judgement"]["answer"] == (f"{told['network']['verdict']}-like" if one_side else "Cannot tell")
    # the rule is beside a run in the detector's own home
    assert "unmeasured" not in [one["key"] for one in told["judgement"]["reasons"]]
    assert told["deliveries"]["same"] == sum(
        (one["margin"] > 0) == (told["network"]["margin"] > 0) for one in told["deliveries"]["each"]
    )
    assert not (made / "out").exists()


def test_a_rule_is_found_beside_the_run_of_its_detector_only(made: Path) -> None:
    detector, runs = load_detector(made / "detectors/other"), [made / "runs/other@cifake-test"]
    found = find_rule(detector.identity, runs)
    assert found is not None
    assert found[1].name == "other@cifake-test"
    assert find_rule(make_detector(seed=5).identity, runs) is None
    assert find_rule(detector.identity, []) is None
    rule_path(runs[0]).write_text("[]")
    with pytest.raises(ContractError, match="holds no rule"):
        find_rule(detector.identity, runs)


def test_a_rule_that_was_measured_on_another_run_is_refused(made: Path) -> None:
    detector, run = load_detector(made / "detectors/other"), made / "runs/other@cifake-test"
    write_rule(rule_path(run), replace(read_rule(rule_path(run)), run="other@else"))
    told = "was measured on the images of other@else and lies beside other@cifake-test; make it with `python -m "
    with pytest.raises(ContractError, match=f"{told}core.studies.judgement --run other@cifake-test`$"):
        find_rule(detector.identity, [run])


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (Preprocessing(32, 40, "after", "bilinear"), "cut to a square and resized to 32 x 32 (bilinear)"),
        (Preprocessing(32, crop="none", interpolation="box"), "stretched to 32 x 32 pixels (box)"),
    ],
)
def test_a_picture_is_read_as_the_detectors_preprocessing_makes_it(
    tmp_path: Path, steps: Preprocessing, told: str
) -> None:
    picture = np.concatenate([textured(1, fine=True, seed=3)[0]] * 2).repeat(3, axis=0).repeat(4, axis=1)
    (tmp_path / "picture.png").write_bytes(encode_png(picture))
    pixels, (note,) = explain.read_image(tmp_path / "picture.png", steps)
    np.testing.assert_array_equal(pixels, steps.fit(picture))
    assert note.startswith(f"The file has 128 x 192 pixels. The image was {told}. The choice")
    other, _ = explain.read_image(tmp_path / "picture.png", steps, resampling="lanczos")
    np.testing.assert_array_equal(other, replace(steps, interpolation="lanczos").fit(picture))
    (tmp_path / "small.png").write_bytes(encode_png(picture[:32, :32]))
    assert bool(explain.read_image(tmp_path / "small.png", steps)[1]) == (steps.crop == "after")


def test_a_judgement_is_of_every_filter_so_none_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        explain.main(["picture.png", "--json", "--resampling", "box"])
    assert "leave out --resampling" in capsys.readouterr().err


def test_what_to_do_has_to_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        explain.main(["picture.png"])
    assert "--out DIR or --json" in capsys.readouterr().err
