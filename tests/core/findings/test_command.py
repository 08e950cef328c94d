"""The command that prints findings: of the shipped runs, as a table, as data, and against what they were."""

import json
from collections.abc import Sequence

import pytest

from core.findings.__main__ import gather, main, table
from core.findings.claims import claim_status, sign_of
from core.findings.finding import to_json
from core.findings.readme import rewrite
from core.runs.folders import ROOT
from core.runs.run import read_run

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
        assert (claim_status(one).kind == "depends") == (len(signs) > 1)
    # the two of the paper
    assert all(claim_status(one).kind == "depends" for one in found if one.details["method"] in ("gradcam", "lime"))


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


def test_blocks_are_written_again_and_the_rest_stays() -> None:
    text = "Before\n<!-- python -m core.findings a 'b*' -->\nold\n<!-- end -->\nafter <!-- end -->"
    asked: list[Sequence[str]] = []

    def write(arguments: Sequence[str]) -> str:
        asked.append(arguments)
        return "- one" + " word" * 40 + "\n| a table stays" + " as it is" * 30

    found = rewrite(text, write, command="core.findings")
    assert asked == [["a", "b*"]]
    assert found.startswith("Before\n<!-- python -m core.findings a 'b*' -->\n\n- one word")
    assert found.endswith("<!-- end -->\nafter <!-- end -->")
    assert all(len(line) <= 120 for line in found.splitlines() if not line.startswith("|"))
    assert sum(line.startswith("| a table stays") for line in found.splitlines()) == 1
    # a block that is written is written the same again
    assert rewrite(found, write, command="core.findings") == found


def test_a_table_of_runs_has_the_paper_s_numbers_and_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quality", "swift@cifake-test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].count("|") == lines[2].count("|") == lines[3].count("|")
    assert lines[2].startswith("| the paper | 0.945 |  | 0.93 / 0.96 / 0.95 | ")
    metrics = read_run(ROOT / "assets/runs/swift@cifake-test").manifest["metrics"]
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells[:2] == ["`swift`", f"{metrics['all']['accuracy']:.4f}"]
    assert cells[-2:] == [f"{metrics['all']['auroc']:.4f}", f"{metrics['all']['ece']:.4f}"]
    assert cells[5:7] == [str(metrics["all"]["confusion"][0][1]), str(metrics["all"]["confusion"][1][0])]


def test_findings_are_found_by_patterns() -> None:
    every = gather(RUN, ["clusters"])
    assert gather(RUN, ["clusters.worst-*"]) == [one for one in every if one.key.startswith("worst-")]
    # what a run may have or not
    assert gather(RUN, ["none.*"]) == []


def test_shipped_findings_are_data() -> None:
    found = gather(RUN)
    assert len(json.loads(to_json(found))) == len(found)
    assert "| probes | detail-FAKE | verdicts flipped | " in table(found)
