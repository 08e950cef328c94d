"""Findings as tables, and how numbers are written."""

import re
from dataclasses import replace

import numpy as np
import pytest

from core.findings.answer import MARKS
from core.findings.contrast import Control, Measure
from core.findings.numbers import format_difference, format_measure, percent, plus, signed, unbroken_percent
from core.findings.paired import compare_apart
from core.findings.table import FindingTable, findings_markdown, findings_text
from tests.core.findings.planted import contrast, finding, measure


def test_tables_hold_the_numbers_and_their_texts():
    few = contrast(None, kind="seam", name="hard")
    few = replace(few, measure=replace(measure(0.5), sources=2))
    contrasts = contrast(0.4, name="blur"), contrast(-0.3, kind="seam", name="mean|x"), few
    made = finding(*contrasts, quantity="flip_rate", group="FAKE", subject="LIME", question="a|b\nc", least=0.05)
    plain = finding(contrast(None, value=0.2))
    values = ["50% (45 to 55%)", "10.0% (5.0 to 15.0%), chance", "+40.0 points (35.0 to 45.0)", "100"]
    columns = ["Question", "Of", "Group", "Effect", "Control", "Difference", "Images", "Answer"]
    rows = [
        ["a|b\nc", "LIME", "FAKE", *values, "depends on seam"],
        ["Do they agree?", "", "", "0.20 (0.15 to 0.25)", "", "", "100", "no control"],
    ]
    table = findings_text([made, plain])
    assert list(table) == columns
    assert table.to_numpy().tolist() == rows
    assert list(findings_text([])) == columns
    page = FindingTable([made]).__html__()
    assert re.findall("<th>(.*?)</th>", page) == ["Choice", "Value", *columns[3:]]
    cells = [re.findall("<td>(.*?)</td>", row) for row in page.split("<tr>")[2:]]
    assert cells == [
        ["fill", "blur", *values, "yes"],
        ["seam", "mean|x", values[0], "80% (75 to 85%), chance", "−30.0 points (−35.0 to −25.0)", "100", "no"],
        ["seam", "hard", "50.0%", "", "", "100 from 2 sources", ""],
    ]
    # columns that are empty throughout are left out, and what Markdown would read is escaped
    lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * 8, *rows)]
    assert findings_markdown([made, plain]).splitlines() == [
        line.replace("a|b\nc", "a\\|b c").replace("\n", " ") for line in lines
    ]
    assert findings_markdown([plain]).splitlines()[0] == "| Question | Effect | Images | Answer |"
    assert findings_markdown([]).splitlines()[0] == lines[0]


def test_findings_are_rows_on_an_axis_and_their_choices_open():
    main = compare_apart("fill", "mean", Measure(0.5, 0.4, 0.6, 9000), Control("chance", Measure(0.2)))
    about = {"quantity": "flip_rate", "least": 0.05}
    findings = [
        finding(main, contrast(None, name="<b>"), question="<i>H</i>", group="FAKE", **about),
        finding(contrast(None), question="I", group="REAL", **about),
        finding(contrast(None, value=0.75), question="J", quantity="cue_auroc"),
    ]
    body = FindingTable(findings).__html__()
    assert body.count("<details>") == 3
    # a table for each unit
    assert body.count('<div class="findings">') == 2
    assert "&lt;i&gt;H&lt;/i&gt;" in body
    assert "<td>&lt;b&gt;</td>" in body
    assert 'class="interval" style="left:40.00%;width:20.00%"' in body
    # bars begin at zero; an AUROC's axis runs from guessing to certainty
    assert 'class="effect FAKE" style="left:0.00%;width:50.00%"' in body
    assert 'class="control" style="left:0.00%;width:20.00%"' in body
    assert 'class="effect " style="left:0.00%;width:50.00%"' in body
    # and hold every control
    far = compare_apart("fill", "mean", Measure(0.5), Control("chance", Measure(2.0)))
    assert 'class="control" style="left:0.00%;width:100.00%"' in FindingTable([finding(far, **about)]).__html__()
    beyond = compare_apart("fill", "mean", Measure(2.0), Control("chance", Measure(0.5)))
    assert 'class="effect " style="left:0.00%;width:100.00%"' in FindingTable([finding(beyond, **about)]).__html__()
    for word in ("yes", "no control"):
        assert f"{MARKS[word]}</i>{word}" in body
    assert "9,000" in body


@pytest.mark.parametrize(
    "value, texts",
    [
        (0.942, ("94.2%", "94%")), (0, ("0.0%", "0%")), (0.0005, ("under 0.1%", "under 1%")),
        (0.0006, ("0.1%", "under 1%")), (0.9995, ("over 99.9%", "over 99%")), (0.9994, ("99.9%", "over 99%")),
        (1, ("100.0%", "100%")), (0.006, ("0.6%", "1%")), (0.994, ("99.4%", "99%")), (-0.02, ("-2.0%", "-2%")),
    ],
)  # fmt: skip
def test_shares(value, texts):
    assert (percent(value), percent(value, 0)) == texts
    assert unbroken_percent(value) == texts[0].replace(" ", "\xa0")


@pytest.mark.parametrize(
    "written, value, unit, text",
    [
        (format_measure, Measure(0.2134, 0.17, 0.27), "share", "21% (17 to 27%)"),
        (format_measure, Measure(0.2134, 0.20, 0.22), "share", "21.3% (20.0 to 22.0%)"),
        (format_measure, Measure(0.25, 0.0, 0.125), "share", "25% (0 to 12%)"),
        (format_measure, Measure(0.2134), "share", "21.3%"),
        (format_measure, Measure(0.5, 0.4, 0.6, 1200, 1), "share", "50.0%"),
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
def test_measures(written, value, unit, text):
    assert written(value, unit) == text


def test_numbers_have_their_sign():
    assert [signed(value) for value in (-0.001, 0.001, -0.5, 0.5)] == ["0.00", "0.00", "−0.50", "0.50"]
    assert plus(1.234) == "+1.23"
    assert plus(-0.4) == "−0.40"
