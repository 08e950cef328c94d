"""Words for what differs: numbers keep their digits, and a column without words is told by its label."""

from dataclasses import replace

import pytest

from core.findings.differences import Difference
from core.findings.words.differences import PHRASES, alike, tell


@pytest.mark.parametrize(
    ("own", "rest", "told"),
    [
        (0.2211, 0.2744, ("0.22", "0.27")),
        (4.52, 2.96, ("4.5", "3.0")),
        (12.66, 13.49, ("12.7", "13.5")),
        (1421.0, 1388.0, ("1,420", "1,390")),
        (3.12, 29.8, ("3.1", "30")),
        (0.0, 5.0, ("0.0", "5.0")),
        (-0.31, 0.02, ("\N{MINUS SIGN}0.31", "0.020")),
        (0.5, 0.5, ("0.50", "0.50")),
    ],
)
def test_numbers_have_two_digits_and_more_where_they_would_look_the_same(
    own: float, rest: float, told: tuple[str, str]
) -> None:
    assert alike(own, rest) == told


def test_more_and_less_are_told_apart() -> None:
    fine = Difference(1.0, "fine_detail", "fine_detail", 0.109, 0.0855)
    assert str(tell(fine)) == "more fine detail (10.9% of the variation, others 8.6%)"
    assert str(tell(replace(fine, own=0.05))).startswith("less fine detail (")
    for column, phrase in PHRASES.items():
        assert phrase.more != phrase.less
        found = tell(Difference(1.0, column, "", 0.4, 0.2))
        assert (found.spans[0].text, found.spans[0].kind) == (phrase.more, "number")


def test_what_has_no_words_is_told_by_its_label() -> None:
    height = Difference(1.0, "trees.height", "height", 0.221, 0.274)
    assert str(tell(height)) == "height: 0.22, others 0.27"
    assert str(tell(replace(height, label="is tall", own=0.5, rest=0.02, share=True))) == "is tall: 50.0%, others 2.0%"
    kind = Difference(1.0, "my.kind", "kind", 0.5, 0.02, share=True, value="dark_blue")
    assert str(tell(kind)) == "more often kind: dark blue (50.0%, others 2.0%)"
    assert str(tell(replace(kind, column="category"))) == "more often dark blue (50.0%, others 2.0%)"
