"""Parts of a page that redraw themselves while an answer is being computed."""

from collections.abc import Callable

import streamlit as st

from dashboard.jobs import SOON


def poll(draw: Callable[[], bool], *, while_busy: bool) -> None:
    """Draw a part of a page, and redraw it on its own for as long as it is busy.

    Args:
        draw: draws it; returns whether more may come.
        while_busy: whether more may come now; False draws it once, as an ordinary part of the page.
    """

    def part() -> None:
        if not draw():
            # only a run of the whole page ends or starts the timer
            st.rerun()

    if while_busy:
        st.fragment(part, run_every=SOON)()
    elif draw():
        st.rerun()
