"""Lines and numbers: what is marked, and how it is written."""

import numpy as np
import pytest

from core.findings.finding import Measure
from core.findings.lines import Line, Span, html, joined, line, listed
from core.findings.numbers import amount, pairs, percent, points, share, signed


def test_classes_numbers_and_intervals_are_marked_and_text_is_plain() -> None:
    one = line("{n} of {verdict} verdicts become {REAL}.", n=share(Measure(0.966, 0.962, 0.969)), verdict="FAKE")
    assert str(one) == "96.6% (96.2 to 96.9%) of FAKE verdicts become REAL."
    assert [(span.text, span.kind) for span in one.spans if span.kind != "plain"] == [
        ("96.6%", "number"), ("(96.2 to 96.9%)", "interval"), ("FAKE", "class"), ("REAL", "class"),
    ]  # fmt: skip
    assert html(one) == (
        '<b>96.6%</b> <small>(96.2 to 96.9%)</small> of <b class="fake">FAKE</b> verdicts become '
        '<b class="real">REAL</b>.'
    )
    assert html(line("{name}", name="<script>")) == "&lt;script&gt;"


def test_lines_are_put_together() -> None:
    assert str(listed(["a", "b", line("{FAKE}")])) == "a, b and FAKE"
    assert str(listed([])) == ""
    assert str(joined([line("One."), Line(), line("Two.")])) == "One. Two."
    assert str(line("one {n}", n=1234).capital()) == "One 1,234"
    assert not Line().capital()
    assert line("{n}", n=3).spans == (Span("3"),)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.942, "94.2%"), (0, "0.0%"), (0.0003, "under 0.1%"), (0.9997, "over 99.9%"), (1, "100.0%"), (-0.02, "-2.0%")],
)
def test_shares(value: float, text: str) -> None:
    assert percent(value) == text


def test_a_share_halfway_to_the_least_that_can_be_written_is_not_nothing() -> None:
    assert (percent(0.005, 0), percent(0.995, 0)) == ("under 1%", "over 99%")


def test_a_wide_interval_has_no_digits_after_the_point() -> None:
    assert str(share(Measure(0.2134, 0.17, 0.27))) == "21% (17 to 27%)"
    assert str(share(Measure(0.2134, 0.20, 0.22))) == "21.3% (20.0 to 22.0%)"
    assert str(share(Measure(0.2134))) == "21.3% (no interval)"
    assert str(share(Measure(np.nan))) == "an unknown amount"


def test_other_units() -> None:
    assert str(amount(Measure(-0.4, -0.47, -0.33))) == "−0.40 (−0.47 to −0.33)"
    assert str(points(Measure(0.031, 0.018, 0.044))) == "+3.1 points (1.8 to 4.4)"
    assert str(points(Measure(-0.033, -0.037, -0.028))) == "−3.3 points (−3.7 to −2.8)"
    assert str(points(Measure(0.0004, -0.002, 0.003))) == "0.0 points (−0.2 to 0.3)"
    assert str(points(Measure(-0.0004, -0.003, 0.002))) == "0.0 points (−0.3 to 0.2)"
    assert str(pairs(Measure(0.721, 0.714, 0.728))) == "72.1 (71.4 to 72.8)"
    assert [signed(value) for value in (-0.001, 0.001, -0.5, 0.5)] == ["0.00", "0.00", "−0.50", "0.50"]
