"""What people read of the findings: docs/results.md and README's table."""

import shutil
from dataclasses import replace
from pathlib import Path

from core.findings.contrast import Control, Finding, Measure
from core.findings.paired import compare_apart
from core.homes import ROOT
from core.report.results import across, insert_findings, trainings, write_results
from tests.core.findings.planted import contrast, finding


def test_the_documents_are_short_and_have_the_numbers_that_ship(tmp_path):
    """Otherwise `telltale findings --write docs/results.md` and `telltale findings --readme README.md`."""
    # bars of tables are no words
    assert len((ROOT / "docs" / "results.md").read_text().replace("|", "").split()) <= 3000
    text = (ROOT / "README.md").read_text()
    assert len(text.encode()) < 8000
    copy = Path(shutil.copy(ROOT / "README.md", tmp_path))
    insert_findings(copy)
    assert copy.read_text() == text
    write_results(tmp_path / "results.md")
    for name in ("results.md", "results.csv"):
        assert (tmp_path / name).read_text() == (ROOT / "docs" / name).read_text()


def test_a_row_says_effect_control_difference_what_is_needed_and_who_disagrees(tmp_path, monkeypatch):
    contrasts = (contrast(0.4), contrast(0.3), contrast(-0.3, kind="change", name="blurred"))
    disputed = finding(*contrasts, quantity="flip_rate", least=0.05)
    agreed = finding(contrast(0.4), contrast(0.3))
    monkeypatch.setattr("core.report.results.gather", lambda _, keys: [disputed if "transplant" in keys[0] else agreed])
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- findings -->\nold\n<!-- end -->\nafter")
    insert_findings(readme)
    before, _, rows = readme.read_text().partition("<!-- findings -->\n\n")
    rows, end, after = rows.partition("\n\n<!-- end -->")
    assert (before, bool(end), after) == ("before\n", True, "\nafter")
    cells = [row.strip("| ").split(" | ") for row in rows.splitlines()]
    assert cells[0][0] == "Asked of `swift`"
    asked, measured, answer = (cell.split("<br>") for cell in cells[2])
    assert asked[0].startswith("**Do its FAKE verdicts follow")
    assert measured[0].startswith("**50.0%** swapping")
    assert measured[1:] == ["10.0% chance", "difference +40.0 points, needed for yes: 5.0 points", "n = 100"]
    assert answer == ["**depends on change**", "yes: 2", "no: 1 (blurred)"]
    assert [row[2] for row in cells[3:]] == ["**yes**"] * 3


def test_classes_share_a_row_and_detectors_that_contradict_are_named():
    about = {"question": "Do FAKE verdicts flip?", "quantity": "flip_rate", "subject": "blur (2 pixels)"}
    fake = finding(contrast(0.4), key="blur-FAKE", group="FAKE", **about)
    real = finding(contrast(0.0), key="blur-REAL", group="REAL", **about | {"question": "Do REAL verdicts flip?"})
    number = finding(contrast(None), key="levels-FAKE", group="FAKE", **about)
    others = {
        "robust": [replace(fake, contrasts=(contrast(-0.3),))],
        "paper": [replace(fake, contrasts=(contrast(0.1),))],
    }
    table = across({"swift": [fake, real, number], **others})
    assert table.to_dict("list") == {
        "asked of swift": ["Do verdicts flip?"],
        "of": ["blur"],
        "FAKE (n = 100)": ["50.0% against 10.0%: yes (no: robust)"],
        "REAL (n = 100)": ["50.0% against 50.0%: no"],
    }
    # classes that share no row have no columns, and unequal numbers of images stand in the cells
    few = Measure(0.9, 0.85, 0.95, 60, 6)
    alone = finding(compare_apart("control", "noise", few, Control("noise", Measure(0.1))), key="other", subject="JPEG")
    table = across({"swift": [fake, alone]})
    assert table.iloc[:, 0].tolist() == ["Do FAKE verdicts flip?", "Do they agree?"]
    assert table.iloc[:, 2].tolist() == [
        "50.0% against 10.0%: yes, n = 100",
        "0.90 against 0.10: yes, n = 60 from 6 sources",
    ]


def test_main_claims_show_their_spread_over_trainings():
    shares = {"control": 0.9, "training": 0.2}
    contrasts = [
        compare_apart(kind, "of it", Measure(share, share - 0.05, share + 0.05, 100), Control("noise", Measure(0.1)))
        for kind, share in shares.items()
    ]
    detail = Finding("detail-FAKE", "Does it?", "flip_rate", tuple(contrasts), least=0.15)
    findings = {"probes.detail-FAKE": detail, "probes.levels-FAKE": detail}
    table = trainings({"patch": findings, "swift": {}, "paper": {"probes.detail-FAKE": finding(contrasts[0])}})
    assert table.to_numpy().tolist() == [
        ["Does it?", "patch", "90.0% against 10.0%", "20.0% against 10.0%", "depends on training"]
    ]
