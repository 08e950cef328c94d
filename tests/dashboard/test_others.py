"""Who calls an image what, in a sentence: only once all have answered is it said whether they agree."""

import pytest

from dashboard.views.upload.others import disagreement


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
