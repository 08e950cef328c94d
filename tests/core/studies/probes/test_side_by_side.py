"""Several runs beside each other: the first run's column says what its findings say."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from core.findings.__main__ import gather, main
from core.findings.claims import sign_of
from core.findings.numbers import percent
from core.perturbations.probe import FAMILIES
from core.runs.run import Run
from core.studies.probes.side_by_side import side_by_side
from core.studies.result import StudyResult
from tests.core.studies.counted import PARAMETERS, counted

RUN = "sample@sample-test"


def rows_of(*runs: tuple[Run, pd.DataFrame]) -> list[list[str]]:
    """The cells of each row."""
    answers = [(run, StudyResult(run.path, table, {"parameters": PARAMETERS})) for run, table in runs]
    return [row[2:-2].split(" | ") for row in side_by_side(answers).splitlines()[2:]]


def test_each_question_has_the_answer_of_the_first_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reads", RUN, RUN]) == 0
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert head.endswith("| `sample` | `sample` |")
    cells = {tuple(line.split(" | ")[:2]): line.rstrip(" |").split(" | ")[-2:] for line in lines}
    findings = [one for one in gather(RUN, ["probes"]) if "family" in one.details]
    assert len(cells) == len(findings) > 10
    for one in findings:
        first, second = cells[f"| {FAMILIES[one.details['family']].question}", str(one.group)]
        assert first == second
        assert first.replace("*", "").startswith(str(percent(one.measure.value)))
        assert first.startswith("**") == (one.control is not None and sign_of(one) == 1)
        assert ("(" in first) == (one.control is not None)


def test_a_run_without_the_study_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reads", RUN, "none@here"]) == 2
    assert "none@here" in capsys.readouterr().err


def test_a_verdict_that_a_later_run_never_gives_has_an_empty_cell(tmp_path: Path) -> None:
    run, table = counted({}, {}, tmp_path)
    never = replace(run, predictions=run.predictions.assign(predicted="REAL"))
    rows = rows_of((run, table), (never, table))
    assert {verdict for _, verdict, *_ in rows} == {"FAKE", "REAL"}
    for _, verdict, _, first, second in rows:
        assert first
        assert (second == "") == (verdict == "FAKE")


def test_the_size_of_blocks_is_that_in_images_of_32_pixels(tmp_path: Path) -> None:
    rows = rows_of(counted({}, {"shuffle_blend_16": 0.9}, tmp_path))
    changes = {change for question, _, change, _ in rows if question == FAMILIES["blocks"].question}
    assert changes == {"shuffling blocks without seams, 16 pixels of 32"}
