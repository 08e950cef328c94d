"""The command that finds a rule, on the sample gallery."""

import json
from pathlib import Path

import pytest

from core.studies.judgement.__main__ import main
from core.studies.judgement.rule import read_rule

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
    ("options", "sentence"),
    [(["--images", "1"], "--images must be at least 2"), (["--run", "none@here"], "none@here")],
)
def test_what_cannot_be_measured_is_one_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, *options, "--out", str(tmp_path / "judgement.json")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "judgement.json").exists()
