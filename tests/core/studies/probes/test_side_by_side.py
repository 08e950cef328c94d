"""Several runs beside each other: the first run's column says what its findings say."""

import pytest

from core.findings.__main__ import gather, main
from core.findings.claims import sign_of
from core.findings.numbers import percent
from core.probes.probe import FAMILIES

RUN = "sample@sample-test"


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
