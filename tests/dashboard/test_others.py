"""Who calls an image what, in a sentence: only once all have answered is it said whether they agree."""

import pytest

from dashboard.views.upload_parts.others import disagreement, larger_squares


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ({"a": "REAL", "b": "REAL"}, "They agree: a and b call it REAL."),
        ({"a": "REAL", "b": "FAKE", "c": "REAL"}, "They disagree: a and c call it REAL, b calls it FAKE."),
        ({"a": "REAL", "b": "being asked"}, "a calls it REAL."),
        ({"a": "", "b": "being asked"}, "None has answered yet."),
    ],
)
def test_what_they_say(verdicts: dict[str, str], said: str) -> None:
    text = disagreement(verdicts)
    for mark in ("**", ":blue[", ":orange[", "]"):
        text = text.replace(mark, "")
    assert text == said


def test_who_sees_more_than_the_chosen_square_is_said() -> None:
    assert larger_squares({}) == larger_squares({"a": 40, "b": 40}) == ""
    assert larger_squares({"a": 40, "b": 224}).startswith("b sees a larger square than the others, because its input")
    assert larger_squares({"a": 40, "b": 64, "c": 224}).startswith("b and c see a larger square")
