"""Sentences and numbers as they are written everywhere."""

import math
from collections.abc import Sequence

import streamlit as st

from core.findings import lines, numbers
from core.runs.metrics import PAPER

# said by a screen reader, and nowhere to be seen
UNSEEN = "position: absolute; width: 1px; height: 1px; margin: 0; padding: 0; overflow: hidden; clip-path: inset(50%)"
NO_BREAK = "\u00a0"
THE_PAPER = f"{PAPER['author']}, [*{PAPER['title']}*]({PAPER['link']})"
percent = numbers.unbroken_percent
CLASS_WORDS = {"REAL": ":blue[**REAL**]", "FAKE": ":orange[**FAKE**]"}


def heading(title: str, shows: str, conclude: str | None = None, *, help: str | None = None) -> None:
    """A page's title, what it shows, and what to conclude from it."""
    draw_title(title, help=help)
    st.markdown(f":gray[{shows}]")
    if conclude:
        st.markdown(conclude)


def draw_title(title: str, *, help: str | None = None) -> None:
    """A page's title alone."""
    with st.container(gap=None):
        st.title(title, anchor=False, help=help)
        # parts of a page are headings of the third level, and a screen reader misses the second
        st.html(f'<h2 style="{UNSEEN}">What this page shows</h2>')


def section(title: str, explained: str, *, help: str | None = None) -> None:
    """A part of a page and what it is about."""
    st.subheader(title, anchor=False, help=help)
    st.caption(explained)


def name_paper() -> None:
    """Say which paper is meant, where a page first speaks of it."""
    st.caption(f"The paper: {THE_PAPER} (undated).")


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return str(lines.listed(parts))


def remaining(seconds: float) -> str:
    """75.2 as "about 1 min 20 s left", no more exact than a guess can be."""
    if seconds < 1:
        return "nearly done"
    if seconds < 60:
        step = 1 if seconds < 10 else 5
        return f"about {step * math.ceil(seconds / step)} s left"
    minutes, rest = divmod(10 * math.ceil(seconds / 10), 60)
    return f"about {minutes} min{f' {rest} s' if rest and minutes < 10 else ''} left"
