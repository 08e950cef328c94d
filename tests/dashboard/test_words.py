"""Numbers as they are written."""

import pytest

from dashboard.components.words import NO_BREAK, percent, remaining


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.9608, 1, "96.1%"),
        (1, 1, "100.0%"),
        (0.99949, 1, "99.9%"),
        (0.99951, 1, "over 99.9%"),
        (0.00001, 1, "under 0.1%"),
        (0, 1, "0.0%"),
        (0.254, 0, "25%"),
        (0.997, 0, "over 99%"),
    ],
)
def test_percent(share: float, digits: int, text: str) -> None:
    assert percent(share, digits) == text.replace(" ", NO_BREAK)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.3, "nearly done"),
        (3.2, "about 4 s left"),
        (41, "about 45 s left"),
        (59.9, "about 60 s left"),
        (75.2, "about 1 min 20 s left"),
        (118, "about 2 min left"),
        (3601, "about 60 min left"),
    ],
)
def test_remaining(seconds: float, text: str) -> None:
    assert remaining(seconds) == text
