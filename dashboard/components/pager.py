"""Pages: the first, the last, and two on either side of the present one, at any width."""

from collections.abc import Callable

from dashboard.components.component import component

_mount = component(__file__, "pager")
AROUND = 2


def pager(page: int, pages: int, *, key: str, on_open: Callable[[], None]) -> None:
    """Draw the pages; nothing where there is one only.

    Args:
        page: the present one, from 1.
        pages: how many there are.
        key: of the element.
        on_open: called before the rerun that a click causes; `asked_page` reads the page.
    """
    if pages > 1:
        data = {"page": page, "pages": pages, "shown": visible(page, pages)}
        _mount(key=key, data=data, on_open_change=on_open)


def asked_page(value: object) -> int:
    """Read the page of a click as the browser sent it, the first for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 1 else 1


def visible(page: int, pages: int) -> list[int]:
    """The pages that are named, in order: a gap of one page is filled instead of marked."""
    near = {1, pages, *range(max(1, page - AROUND), min(pages, page + AROUND) + 1)}
    return sorted(near | {one for one in range(2, pages) if {one - 1, one + 1} <= near})
