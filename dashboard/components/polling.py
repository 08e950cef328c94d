"""Parts of a page that redraw themselves while an answer is being computed, as often as the server allows."""

from collections.abc import Callable
from itertools import count

import streamlit as st

from dashboard.components.component import component, nothing

SECONDS = 0.4
# Streamlit's own timer has one pace and goes on while the page before has not come: this one waits for it
_mount = component(__file__, "pulse")
_beats = count()


def come_back(draw: Callable[[], float | None], *, key: str, while_busy: bool = True) -> None:
    """Draw a part of a page, and again by itself for as long as it says so.

    Args:
        draw: draws it; returns the seconds after which that is worth doing again, None where nothing more is to come.
        key: of this part.
        while_busy: False draws it once, as a part of the page that it stands on.
    """

    def part() -> None:
        after = draw()
        if after is not None:
            _mount(key=f"{key}.pulse", data={"after": after, "beat": next(_beats)}, on_beat_change=nothing)

    if while_busy:
        st.fragment(part)()
    else:
        draw()
