"""The command that prints findings: of the shipped runs, as a table, as data, and against what they were."""

import json
import re
import shlex

import pytest

from core.findings.__main__ import gather, main, table
from core.findings.claims import sign_of, standing
from core.findings.finding import to_json
from core.runs.finding import ROOT

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
    assert len(found) >= 4
    for one in found:
        signs = {sign_of(choice) for choice in one.choices}
        assert {choice.kind for choice in one.choices} == {"deletion", "insertion"}
        assert (standing(one).kind == "depends") == (len(signs) > 1)
    # the two of the paper
    assert all(standing(one).kind == "depends" for one in found if one.details["method"] in ("gradcam", "lime"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none@here"], "none@here"),
        ([RUN, "luck"], "has no study or finding luck; it has agreement"),
    ],
)
def test_what_cannot_be_printed_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert "Traceback" not in printed.err


def test_readme_tells_the_findings_in_their_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- python -m core.findings (.*?) -->(.*?)<!-- end -->", text, flags=re.DOTALL)
    assert blocks
    for arguments, block in blocks:
        assert main(shlex.split(arguments)) == 0
        assert block.split() == capsys.readouterr().out.split()


def test_shipped_findings_are_data() -> None:
    found = gather(RUN)
    assert len(json.loads(to_json(found))) == len(found)
    assert "| probes | detail_out | verdicts flipped | " in table(found)
