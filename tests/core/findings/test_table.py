"""Findings as tables, and how numbers are written."""

from dataclasses import replace

import numpy as np
import pytest

from core.findings.claims import DEFAULTS, Headlines, effect_over_control, with_headlines
from core.findings.finding import Finding, Measure, Unit
from core.findings.numbers import format_difference, format_measure, percent, plus, signed
from core.findings.table import choices_text, findings_markdown, findings_text
from tests.core.findings.planted import finding

HEADLINES: Headlines = {
    "rank": {
        "question": "Do they agree?",
        "holds": "They agree.",
        "holds for some": "Some agree.",
        "holds slightly": "Hardly any agrees.",
        "holds below": "They disagree.",
        "depends on fill": "Depends on the fill.",
    },
    "other-*": {"question": "And the others?", "subject": "others"},
}


def headline(made: Finding) -> str:
    return with_headlines([made], HEADLINES)[0].headline


def test_a_headline_is_looked_up_by_key_status_sign_and_size() -> None:
    assert headline(finding(control=0.1, difference=0.2)) == "They agree."
    assert headline(finding(control=0.1, difference=-0.2)) == "They disagree."
    assert headline(finding(control=0.1, difference=0.0)) == DEFAULTS["not shown"]
    assert headline(finding()) == DEFAULTS["no control"]
    assert headline(finding(np.nan)) == DEFAULTS["unknown"]
    shares = [headline(finding(control=0.1, difference=size, quantity="flip_rate")) for size in (0.09, 0.5, 0.7)]
    assert shares == ["Hardly any agrees.", "Some agree.", "They agree."]
    both = {"fill": {"blur": 0.3, "mean": -0.3}}
    assert headline(finding(control=0.1, difference=0.2, choices=both)) == "Depends on the fill."
    other = {"seam": {"hard": 0.3, "soft": -0.3}}
    assert headline(finding(control=0.1, difference=0.2, choices=other)) == DEFAULTS["depends on seam"]
    assert headline(finding(control=0.1, difference=0.2, choices=both | other)) == DEFAULTS["depends"]
    made = finding(key="other-a", control=0.1, difference=0.2, details={"name": "LIME"})
    (filled,) = with_headlines([made], HEADLINES)
    assert (filled.question, filled.subject, filled.headline) == ("And the others?", "others", DEFAULTS["holds"])
    # what a study has filled in stays, and what nobody declared has no question
    assert with_headlines([replace(made, subject="a", headline="b")], HEADLINES)[0].headline == "b"
    assert with_headlines([replace(made, key="new")], HEADLINES)[0].subject == "LIME"


def test_tables_hold_the_numbers_and_their_texts() -> None:
    choices = {"fill": {"blur": 0.3, "mean|x": -0.3}}
    made = finding(0.5, control=0.1, difference=0.4, choices=choices, quantity="flip_rate", group="FAKE")
    text = findings_text([made]).iloc[0]
    assert (text["Effect"], text["Control"]) == ("50% (45 to 55%)", "10% (5 to 15%), chance")
    assert text["Difference"] == "+40.0 points (35.0 to 45.0)"
    assert choices_text(made)["Sign"].tolist() == ["above", "below"]
    assert (text["Status"], text["Group"]) == ("depends on fill", "FAKE")
    assert findings_text([]).empty
    lines = findings_markdown([replace(made, headline="a|b"), finding(0.2)]).splitlines()
    assert [line.replace("\\|", "").count("|") for line in lines] == [lines[0].count("|")] * 4
    assert "a\\|b" in lines[2]
    # without a paired difference there is one that is certainly wide enough
    unpaired = effect_over_control(finding(0.5, control=0.1))
    assert (unpaired.value, unpaired.low) == (0.4, pytest.approx(0.3))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.942, "94.2%"), (0, "0.0%"), (0.0003, "under 0.1%"), (0.9997, "over 99.9%"), (1, "100.0%"), (-0.02, "-2.0%")],
)
def test_shares(value: float, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("measure", "unit", "text"),
    [
        (Measure(0.2134, 0.17, 0.27), "share", "21% (17 to 27%)"),
        (Measure(0.2134, 0.20, 0.22), "share", "21.3% (20.0 to 22.0%)"),
        (Measure(0.2134), "share", "21.3%"),
        (Measure(np.nan), "share", ""),
        (Measure(-0.4, -0.47, -0.33), "margins", "−0.40 (−0.47 to −0.33)"),
        (Measure(0.721, 0.714, 0.728), "auroc", "0.721 (0.714 to 0.728)"),
    ],
)
def test_measures(measure: Measure, unit: Unit, text: str) -> None:
    assert format_measure(measure, unit) == text


def test_differences_have_their_sign() -> None:
    assert format_difference(Measure(0.031, 0.018, 0.044), "share") == "+3.1 points (1.8 to 4.4)"
    assert format_difference(Measure(-0.033, -0.037, -0.028), "share") == "−3.3 points (−3.7 to −2.8)"
    assert format_difference(Measure(0.0004, -0.002, 0.003), "share") == "0.0 points (−0.2 to 0.3)"
    assert format_difference(Measure(-0.4, -0.47, -0.33), "margins") == "−0.40 (−0.47 to −0.33)"
    assert (percent(0.005, 0), percent(0.995, 0)) == ("under 1%", "over 99%")
    assert [signed(value) for value in (-0.001, 0.001, -0.5, 0.5)] == ["0.00", "0.00", "−0.50", "0.50"]
    assert (plus(1.234), plus(-0.4)) == ("+1.23", "−0.40")
