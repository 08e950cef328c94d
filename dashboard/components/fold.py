"""Parts of a page that open on demand, each under a question; the address says which are open."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

# `open=all` opens every part: to print a page, or to search it
OPEN, ALL = "open", "all"


def opens_all() -> bool:
    """Check whether the address asks for everything to be open."""
    return ALL in st.query_params.get(OPEN, "").split(".")


@contextmanager
def fold(name: str, question: str, answer: str = "", *, explained: str = "", help: str | None = None) -> Iterator[bool]:
    """Draw a part of a page that is folded until a visitor or the address opens it.

    Args:
        name: of the part in the address.
        question: its title, in Markdown.
        answer: what it comes to, beside the title.
        explained: what it shows and how that was measured; drawn where it is open.
        help: the words of the glossary in it.

    Yields:
        Whether it is open; only then is anything to be drawn.
    """
    key = f"fold_{name}"
    if {name, ALL} & set(st.query_params.get(OPEN, "").split(".")):
        st.session_state.setdefault(key, True)
    with st.expander(f"**{question}** {answer}".rstrip(), key=key, on_change="rerun", bind="query-params") as part:
        if part.open and explained:
            st.caption(explained, help=help)
        yield bool(part.open)


def unfold(name: str) -> None:
    """Open a part from the next drawing on."""
    st.session_state[f"fold_{name}"] = True
