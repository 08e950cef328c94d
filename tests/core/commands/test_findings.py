"""The command that prints and writes findings, and the questions that all studies ask."""

import json
import shutil

import pytest

from core.commands.findings import main
from core.findings.contrast import read_findings, to_json
from core.homes import ROOT
from core.report.results import gather
from core.runs.run import read_run
from core.studies.store import CONCLUDED, read_study, study_path

RUN = "sample@sample-test"


@pytest.mark.parametrize(
    "study", sorted(file.stem for file in (ROOT / "assets" / "runs" / RUN / "studies").glob("*.parquet"))
)
def test_shipped_findings_are_those_that_are_concluded_now(study):
    """Otherwise `python -m core study --conclude --run RUN`, for each run, and raise `core.studies.store.RULE`."""
    run = read_run(ROOT / "assets" / "runs" / RUN)
    result = read_study(study_path(run.path, study), run)
    assert CONCLUDED in result.about
    assert to_json(result.findings) == to_json(result.concluded())


def test_findings_are_printed_as_a_table_and_as_data(capsys):
    assert main([RUN]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(gather(RUN))
    with pytest.raises(ValueError, match="no study or finding nothing"):
        gather(RUN, ["nothing"])
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert main([RUN, "clusters", "--json"]) == 0
    printed = capsys.readouterr().out
    assert read_findings(json.loads(printed))[0].study == "clusters"
    assert len(json.loads(printed)) == len(gather(RUN, ["clusters"]))


def test_a_run_without_studies_says_what_to_do_next(tmp_path, capsys):
    run = tmp_path / RUN
    shutil.copytree(ROOT / "assets" / "runs" / RUN, run, ignore=shutil.ignore_patterns("studies"))
    assert main([str(run)]) == 0
    said = capsys.readouterr().out
    assert "|" not in said
    assert said.endswith(f" study {run} --recommended\n")
