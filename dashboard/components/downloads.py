"""A button for a file that is made when it is asked for, and that stays until the browser has fetched it."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import streamlit as st

from dashboard.services.streamlit_internals import hold_file

# files that are held at a time, of all visitors
HELD = 8
_numbers = count()


def file_button(label: str, make: Callable[[], bytes], *, file_name: str, mime: str, **options: Any) -> None:
    """Draw the button; `options` are those of `st.download_button`."""
    st.download_button(
        label,
        partial(made, make, file_name, mime),
        file_name=file_name,
        mime=mime,
        # a rerun would take the file away before the browser has fetched it
        on_click="ignore",
        **options,
    )


def made(make: Callable[[], bytes], file_name: str, mime: str) -> bytes:
    """Make a file and hold it.

    Streamlit names the file to the browser and takes it away when pages, anybody's, have been drawn twice more: where
    many visit, that is before the browser has asked for it.
    """
    data = make()
    hold_file(data, mime, f"held.{next(_numbers) % HELD}", file_name)
    return data
