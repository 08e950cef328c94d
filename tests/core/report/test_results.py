"""What people read of the findings: docs/results.md and README's table."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd

from core.findings.contrast import Control, Finding, Measure
from core.findings.paired import compare_apart
from core.homes import ROOT
from core.report.readme import ROWS, insert_findings, table_of
from core.report.results import across, trainings, write_results
from core.storage.limits import plain_json
from core.studies.store import CONCLUDED, RULE, StudyResult
from tests.core.findings.planted import contrast, finding
from tests.core.runs.made import made_run


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


def test_a_row_says_effect_control_difference_what_is_needed_and_who_disagrees():
    contrasts = (contrast(0.4), contrast(0.3), contrast(-0.3, kind="change", name="blurred"))
    key = "probes.transplant-FAKE"
    row = table_of({key: finding(*contrasts, quantity="flip_rate", least=0.05)}, "swift").iloc[0]
    asked, measured, answer = (cell.split("<br>") for cell in row)
    assert asked == [f"**{ROWS[key].question}**", ROWS[key].scale]
    assert measured[0] == f"**50.0%** {ROWS[key].effect}"
    assert measured[1] == "10.0% chance"
    assert "+40.0 points" in measured[2]
    assert measured[2].endswith(" 5.0 points")
    assert measured[3] == "n = 100"
    assert answer == ["**depends on change**", "yes: 2", "no: 1 (blurred)"]
    agreed = table_of({key: finding(contrast(0.4), contrast(0.3))}, "swift").iloc[0]
    assert agreed["Answer"] == "**yes**"


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
    finding = Finding("detail-FAKE", "Does it?", "flip_rate", tuple(contrasts), least=0.15)
    about = {CONCLUDED: {"rule": RULE, "findings": plain_json([finding, replace(finding, key="levels-FAKE")])}}
    result = StudyResult(Path("probes.parquet"), pd.DataFrame(), about, made_run(["REAL"], ["REAL"]))
    table = trainings({"patch": {"probes": result}, "swift": {}})
    assert table.to_numpy().tolist() == [
        ["Does it?", "patch", "90.0% against 10.0%", "20.0% against 10.0%", "depends on training"]
    ]
