"""Sentences and numbers as they are written everywhere."""

import streamlit as st

CLASS_WORDS = {"REAL": ":blue[**REAL**]", "FAKE": ":orange[**FAKE**]"}


def heading(title: str, shows: str, conclude: str | None = None) -> None:
    """A page's title, what it shows, and what to conclude from it."""
    st.title(title, anchor=False)
    st.markdown(f":gray[{shows}]")
    if conclude:
        st.markdown(conclude)


def section(title: str, explained: str, *, help: str | None = None) -> None:
    """A part of a page and what it is about."""
    st.subheader(title, anchor=False, help=help)
    st.caption(explained)


def percent(share: float, digits: int = 1) -> str:
    """0.9608 as "96.1 %"."""
    return f"{share:.{digits}%}".replace("%", " %")
