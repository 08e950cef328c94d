"""Parts of a page that open on demand, each under a question and its answer; the address says which are open."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape

import streamlit as st

from dashboard.components.words import UNSEEN
from dashboard.state import put, put_all

# `open=all` opens every part: to print a page, or to search it
OPEN, ALL = "open", "all"
DRAWN = "folds.drawn"
SEPARATOR = "."


@contextmanager
def fold(
    name: str,
    question: str,
    answer: str = "",
    *,
    explained: str = "",
    help: str | None = None,
) -> Iterator[bool]:
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
    key = f"fold.{name}"
    st.session_state.setdefault(DRAWN, {})[name] = None
    st.session_state[key] = is_open(name)
    # a question ends itself, a name does not
    end = ":" if answer and question[-1] not in "?.!:" else ""
    title = f"**{question}{end}** {answer}".rstrip()
    with st.expander(title, key=key, on_change=_take, args=(name,)) as part:
        if part.open:
            # a screen reader finds its way by headings, and the label of an expander is none
            st.html(f'<h3 style="{UNSEEN}">{escape(question)}</h3>')
            if explained:
                st.caption(explained, help=help)
        yield bool(part.open)


def forget_folds() -> None:
    """Begin to draw a page with such parts."""
    st.session_state[DRAWN] = {}


def is_open(name: str) -> bool:
    """Check whether the address opens a part."""
    return bool({name, ALL} & set(_named()))


def unfold(name: str, **beside: str | None) -> None:
    """Open a part from the next drawing on, in one step with other parameters of the address that it needs."""
    names = _named() if is_open(name) else [*_named(), name]
    put_all({**beside, OPEN: SEPARATOR.join(names)})


def _take(name: str) -> None:
    """A part's callback: it was opened or closed by the visitor."""
    if st.session_state[f"fold.{name}"]:
        unfold(name)
        return
    # replace `all` by the names of all drawn parts but this one
    shown = list(st.session_state.get(DRAWN, {})) if ALL in _named() else _named()
    put(OPEN, SEPARATOR.join(one for one in shown if one != name))


def _named() -> list[str]:
    return [one for one in st.query_params.get(OPEN, "").split(SEPARATOR) if one]
