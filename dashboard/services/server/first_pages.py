"""First pages: a few are drawn at a time, so that who has a page already does not wait for a crowd that arrives."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

AT_ONCE = 2
# seconds that a visitor waits at most; a page that computes for long keeps nobody out
PATIENCE = 3.0
SEEN = "server.seen"
_places = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def in_turn() -> Iterator[None]:
    """Wait for one of `AT_ONCE` slots, at most `PATIENCE` seconds, before a visitor's first page."""
    if st.session_state.get(SEEN):
        yield
        return
    st.session_state[SEEN] = True
    held = _places.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        if held:
            _places.release()
