"""Download buttons for files that are made on demand and kept until the browser has fetched them."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import streamlit as st

from dashboard.services.server.streamlit_internals import hold_file

# files held at a time, for all visitors together
HELD = 8
_numbers = count()


def file_button(label: str, make: Callable[[], bytes], *, file_name: str, mime: str, **options: Any) -> None:
    """Draw a download button; `options` are those of `st.download_button`."""
    st.download_button(
        label,
        partial(made, make, file_name, mime),
        file_name=file_name,
        mime=mime,
        # a rerun would remove the file before the browser has fetched it
        on_click="ignore",
        **options,
    )


def made(make: Callable[[], bytes], file_name: str, mime: str) -> bytes:
    """Make a file and hold it.

    Streamlit removes a file once any two pages have been drawn, which with many visitors is before the browser has
    asked for it.
    """
    data = make()
    hold_file(data, mime, f"held.{next(_numbers) % HELD}", file_name)
    return data
