"""The command that prints findings: of the shipped runs, as a table, as data, and against what they were."""

import json
from pathlib import Path

import pytest

from core.findings.__main__ import gather, main, table
from core.findings.claims import standing
from core.findings.finding import from_json, to_json

RUN = "sample@sample-test"


def test_every_shipped_run_has_findings_that_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("sample@sample-test", "swift@sample-test", "swift@cifake-test", "paper@cifake-test"):
        assert main([run]) == 0
        printed = capsys.readouterr().out
        assert "nan" not in printed.replace("finance", "")
        assert all(line.startswith("|") and line.endswith("|") for line in printed.splitlines())
        widths = {line.replace("\\|", "").count("|") for line in printed.splitlines()}
        assert widths == {10}


def test_no_faithfulness_is_claimed_that_another_fill_reverses() -> None:
    found = [one for one in gather("swift@cifake-test", ["faithfulness"]) if one.quantity == "faithfulness"]
    assert len(found) == 4
    for one in found:
        blur, texture = (one.choice("fill", fill) for fill in ("blur", "texture"))
        assert blur is not None
        assert texture is not None
        assert blur.difference is not None
        assert texture.difference is not None
        assert blur.difference.value * texture.difference.value < 0
        assert standing(one).kind == "depends"


def test_what_was_printed_is_compared_with_what_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([RUN, "probes", "files", "--json"]) == 0
    before = tmp_path / "before.json"
    before.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main([RUN, "probes", "files", "--against", str(before)]) == 0
    assert "are what they were" in capsys.readouterr().out
    changed = json.loads(before.read_text(encoding="utf-8"))
    changed[0]["measure"]["value"] += 0.25
    changed[1]["key"] = "other"
    before.write_text(json.dumps(changed), encoding="utf-8")
    assert main([RUN, "probes", "files", "--against", str(before)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3
    assert said[0].startswith(f"{changed[0]['study']} {changed[0]['key']} was ")
    assert said[1].endswith(" other is gone.")
    assert said[2].endswith(" is new.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none@here"], "none@here"),
        ([RUN, "luck"], "has no study luck; it has agreement"),
        ([RUN, "--against", "nowhere.json"], "nowhere.json cannot be read"),
    ],
)
def test_what_cannot_be_printed_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert "Traceback" not in printed.err


def test_a_file_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.json"
    other.write_text("[{}]", encoding="utf-8")
    assert main([RUN, "files", "--against", str(other)]) == 2
    assert "other.json: a finding does not have the fields" in capsys.readouterr().err


def test_shipped_findings_are_data() -> None:
    found = gather(RUN)
    assert to_json(from_json(to_json(found))) == to_json(found)
    assert "| probes | detail_out | verdicts flipped | " in table(found)
