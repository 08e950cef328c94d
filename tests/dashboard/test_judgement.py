"""The rule of a detector, once what hides it is mended."""

from pathlib import Path

from core.studies.judgement.rule import Group, Rule, rule_path, write_rule
from dashboard import catalogue
from dashboard.library import known_of


def test_a_rule_is_known_once_the_damaged_file_of_its_run_is_restored(home: Path) -> None:
    detector, run = catalogue.detectors()["tiny"].identity, home / "runs" / "tiny@seen-test"
    groups = (Group("photographs", "REAL", "same size", 100, 100, {"REAL": 96, "FAKE": 1}),)
    rule = Rule(detector.fingerprint, run.name, 0.95, groups, None, None, {})
    write_rule(rule_path(run), rule)
    file = run / "predictions.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    found = known_of(detector)
    assert found.rule is None
    assert "predictions.parquet is not the file that was written" in found.problem
    file.write_bytes(whole)
    found = known_of(detector)
    assert (found.rule, found.problem) == (rule, "")
    assert found.space is not None
