"""Pages: which are named, and what a click may ask for."""

import pytest

from dashboard.components.pager import asked_page, visible


@pytest.mark.parametrize(
    ("page", "pages", "shown"),
    [
        (1, 2, [1, 2]),
        (1, 834, [1, 2, 3, 834]),
        # a gap of one page is filled
        (5, 834, [1, 2, 3, 4, 5, 6, 7, 834]),
        (6, 834, [1, 4, 5, 6, 7, 8, 834]),
        (830, 834, [1, 828, 829, 830, 831, 832, 833, 834]),
        (834, 834, [1, 832, 833, 834]),
    ],
)
def test_first_last_and_two_around_are_always_named(page: int, pages: int, shown: list[int]) -> None:
    assert visible(page, pages) == shown


def test_a_page_is_a_number() -> None:
    assert [asked_page(value) for value in (7, "7", None, True, -3, 0, [7], 1.5)] == [7, 1, 1, 1, 1, 1, 1, 1]
