"""Findings as tables, and how numbers are written."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from core.findings.claims import DEFAULTS, Headlines, with_headlines
from core.findings.finding import Choice, Measure, Unit
from core.findings.numbers import format_difference, format_measure, percent, plus, signed, unbroken_percent
from core.findings.table import choices_text, findings_markdown, findings_text
from tests.core.findings.planted import finding, measure

HEADLINES: Headlines = {
    "rank": {"question": "Do they agree?", "holds": "They agree."},
    "other-*": {"question": "And the others?", "subject": "others"},
}


def test_a_headline_is_looked_up_by_key_and_what_is_filled_stays() -> None:
    made = finding(control=0.1, difference=0.2)
    (filled,) = with_headlines([made], HEADLINES)
    assert (filled.question, filled.subject, filled.headline) == ("Do they agree?", "", "They agree.")
    for details, subject in (({"title": "b"}, "b"), ({"name": "a", "title": "b"}, "a")):
        assert with_headlines([replace(made, details=details)], HEADLINES)[0].subject == subject
    (filled,) = with_headlines([replace(made, key="other-a", details={"name": "LIME"})], HEADLINES)
    assert (filled.question, filled.subject, filled.headline) == ("And the others?", "others", DEFAULTS["holds"])
    given = replace(made, subject="a", question="b", headline="c")
    assert with_headlines([given], HEADLINES) == [given]
    # what nobody declared has no question
    (filled,) = with_headlines([replace(made, key="new")], HEADLINES)
    assert (filled.question, filled.subject, filled.headline) == ("", "", DEFAULTS["holds"])


def test_tables_hold_the_numbers_and_their_texts() -> None:
    choices = {"fill": {"blur": 0.3, "mean|x": -0.3}}
    made = finding(0.5, control=0.1, difference=0.4, choices=choices, quantity="flip_rate", group="FAKE")
    alone, chosen = Choice("seam", "hard", Measure(0.5)), Choice("seam", "soft", measure(0.5), made.control, measure(0))
    made = replace(made, subject="LIME", headline="a|b\nc", choices=(*made.choices, alone, chosen))
    plain = replace(finding(0.2), question="Why?")
    values = ["50% (45 to 55%)", "10% (5 to 15%), chance"]
    columns = ["Question", "Of", "Group", "Effect", "Control", "Difference", "Status", "Headline"]
    rows = [
        ["verdicts flipped", "LIME", "FAKE", *values, "+40.0 points (35.0 to 45.0)", "depends on fill, seam", "a|b\nc"],
        ["Why?", "", "", "0.20 (0.15 to 0.25)", "", "", "no control", ""],
    ]
    table = findings_text([made, plain])
    assert (list(table), table.to_numpy().tolist()) == (columns, rows)
    assert list(findings_text([])) == columns
    table = choices_text(made)
    assert list(table) == ["Choice", "Value", "Effect", "Control", "Difference", "Sign"]
    assert table.to_numpy().tolist() == [
        ["fill", "blur", *values, "+30.0 points (25.0 to 35.0)", "above"],
        ["fill", "mean|x", *values, "−30.0 points (−35.0 to −25.0)", "below"],
        ["seam", "hard", "50.0%", "", "", "no control"],
        ["seam", "soft", *values, "0.0 points (−5.0 to 5.0)", "no difference"],
    ]
    # columns that are empty throughout are left out, and what Markdown would read is escaped
    lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * 8, *rows)]
    assert findings_markdown([made, plain]).splitlines() == [
        line.replace("a|b\nc", "a\\|b c").replace("\n", " ") for line in lines
    ]
    assert findings_markdown([plain]).splitlines()[0] == "| Question | Effect | Status |"
    assert findings_markdown([]).splitlines()[0] == lines[0]


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (0.942, ("94.2%", "94%")), (0, ("0.0%", "0%")), (0.0005, ("under 0.1%", "under 1%")),
        (0.0006, ("0.1%", "under 1%")), (0.9995, ("over 99.9%", "over 99%")), (0.9994, ("99.9%", "over 99%")),
        (1, ("100.0%", "100%")), (0.006, ("0.6%", "1%")), (0.994, ("99.4%", "99%")), (-0.02, ("-2.0%", "-2%")),
    ],
)  # fmt: skip
def test_shares(value: float, texts: tuple[str, str]) -> None:
    assert (percent(value), percent(value, 0)) == texts
    assert unbroken_percent(value) == texts[0].replace(" ", "\xa0")


@pytest.mark.parametrize(
    ("written", "value", "unit", "text"),
    [
        (format_measure, Measure(0.2134, 0.17, 0.27), "share", "21% (17 to 27%)"),
        (format_measure, Measure(0.2134, 0.20, 0.22), "share", "21.3% (20.0 to 22.0%)"),
        (format_measure, Measure(0.25, 0.0, 0.125), "share", "25% (0 to 12%)"),
        (format_measure, Measure(0.2134), "share", "21.3%"),
        (format_measure, Measure(0.5, clusters=1, n=1200), "share", "50.0% (1,200 images from 1 source)"),
        (format_measure, Measure(np.nan), "share", ""),
        (format_measure, Measure(-0.4, -0.47, -0.33), "margins", "−0.40 (−0.47 to −0.33)"),
        (format_measure, Measure(0.721, 0.714, 0.728), "auroc", "0.721 (0.714 to 0.728)"),
        (format_difference, Measure(0.031, 0.018, 0.044), "share", "+3.1 points (1.8 to 4.4)"),
        (format_difference, Measure(-0.033, -0.037, -0.028), "share", "−3.3 points (−3.7 to −2.8)"),
        (format_difference, Measure(0.0004, -0.002, 0.003), "share", "0.0 points (−0.2 to 0.3)"),
        (format_difference, Measure(0.0007), "share", "+0.1 points"),
        (format_difference, Measure(-0.4, -0.47, -0.33), "margins", "−0.40 (−0.47 to −0.33)"),
        (format_difference, Measure(-0.0412, -0.05, 0.03), "auroc", "−0.041 (−0.050 to 0.030)"),
        (format_difference, Measure(np.nan), "share", ""),
    ],
)  # fmt: skip
def test_measures(written: Callable[[Measure, Unit], str], value: Measure, unit: Unit, text: str) -> None:
    assert written(value, unit) == text


def test_numbers_have_their_sign() -> None:
    assert [signed(value) for value in (-0.001, 0.001, -0.5, 0.5)] == ["0.00", "0.00", "−0.50", "0.50"]
    assert (plus(1.234), plus(-0.4)) == ("+1.23", "−0.40")
