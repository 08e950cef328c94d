"""Parts of a page that redraw themselves while an answer is being computed, as often as the server allows."""

from collections.abc import Callable
from itertools import count

import streamlit as st

from dashboard.components.component import component, nothing

SECONDS = 0.4
# Streamlit's own timer (`run_every`) has a fixed interval and fires while a rerun is pending; this one waits for it
_mount = component(__file__, "pulse")
_beats = count()


def come_back(draw: Callable[[], float | None], *, key: str, while_busy: bool = True) -> None:
    """Draw a part of a page, and redraw it on its own for as long as `draw` asks for that.

    Args:
        draw: draws it; returns the seconds until it should be drawn again, None once it is final.
        key: of this part.
        while_busy: False draws it once, as an ordinary part of the page.
    """

    def part() -> None:
        after = draw()
        if after is not None:
            _mount(key=f"{key}.pulse", data={"after": after, "beat": next(_beats)}, on_beat_change=nothing)

    if while_busy:
        st.fragment(part)()
    else:
        draw()
