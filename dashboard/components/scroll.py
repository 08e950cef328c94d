"""Brings a place of a page into view."""

import streamlit as st

from dashboard.components.component import component

_mount = component(__file__, "scroll")
WANTED, COUNT = "scroll.wanted", "scroll.count"


def ask_for(anchor: str) -> None:
    """Have the next run scroll to the heading with this anchor."""
    st.session_state[WANTED] = anchor
    st.session_state[COUNT] = st.session_state.get(COUNT, 0) + 1


def go_there() -> None:
    """Show what was asked for, at the end of the page on which it is."""
    if (anchor := st.session_state.pop(WANTED, None)) is not None:
        count = st.session_state[COUNT]
        _mount(key=f"scroll.{count}", data={"to": anchor, "count": count})
