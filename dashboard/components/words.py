"""Sentences and numbers as they are written everywhere."""

import re

import streamlit as st

from core.findings.numbers import unbroken_percent

NO_BREAK = "\u00a0"
THE_PAPER = (
    "David Blankenship, [*Applications of XAI for AI-Generated Image Discrimination*]"
    "(https://github.com/General-Cow/XAI-For-AI-Image-Detection)"
)
percent = unbroken_percent
CLASS_WORDS = {"REAL": ":blue[**REAL**]", "FAKE": ":orange[**FAKE**]"}


def short_percent(share: float, digits: int = 0) -> str:
    """Write a share as there is room for beneath a small picture: ">99%"."""
    return percent(share, digits).replace(f"over{NO_BREAK}", ">").replace(f"under{NO_BREAK}", "<")


def heading(title: str, shows: str, *, help: str | None = None) -> None:
    """A page's title, and what it shows."""
    draw_title(title, help=help)
    st.markdown(f":gray[{shows}]")


def draw_title(title: str, *, help: str | None = None) -> None:
    """A page's title alone."""
    st.title(title, anchor=False, help=help)
    # parts of a page are headings of the third level, and a screen reader misses the second
    with st.container(key="unseen"):
        st.markdown('<div role="heading" aria-level="2">What this page shows</div>', unsafe_allow_html=True)


def draw_verdict(text: str) -> None:
    """Draw a verdict or an answer, in the one size that every page gives it."""
    st.header(coloured(text), anchor=False)


def coloured(text: str) -> str:
    """Set the names of the classes in their colours, in a sentence of ours."""
    for name, words in CLASS_WORDS.items():
        text = re.sub(rf"\b{name}\b", words, text)
    return text


def thing_of(category: object, otherwise: str = "") -> str:
    """Say what an image shows: "grace hopper" for the category "grace_hopper"."""
    return category.replace("_", " ") if isinstance(category, str) else otherwise


def name_paper() -> None:
    """Say which paper is meant, where a page first speaks of it."""
    st.caption(f"The paper: {THE_PAPER} (undated).")
