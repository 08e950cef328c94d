"""Parts of a page that come back by themselves while an answer is being made."""

from collections.abc import Callable

import streamlit as st

SECONDS = 0.4


def come_back(draw: Callable[[], None], *, while_busy: bool) -> None:
    """Draw a part of a page, and again every moment while it is busy.

    The browser's timer ends only when the page is drawn without the fragment, so a part that is not busy is none;
    `draw` has to ask for that full rerun when its busy state changes.
    """
    if while_busy:
        st.fragment(draw, run_every=SECONDS)()
    else:
        draw()
