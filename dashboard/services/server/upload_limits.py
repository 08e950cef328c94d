"""Limits of what visitors may have uploaded at once: Streamlit itself holds whatever anybody sends."""

from collections.abc import Mapping

import streamlit as st
from starlette.exceptions import HTTPException

from dashboard.services.server.streamlit_internals import forget_own_uploads

MAX_FILES = 32
# in bytes: of one visitor, and of all together
MAX_OWN = 64 * 2**20
MAX_ALL = 256 * 2**20


def check_upload(own: Mapping[str, int], everybody: int, file_id: str, size: int) -> None:
    """Refuse an upload that goes beyond the limits.

    Args:
        own: bytes of each file that the visitor has uploaded, by id.
        everybody: bytes of all files of all visitors.
        file_id: of the new one, which takes the place of an own one of that id.
        size: its bytes.

    Raises:
        HTTPException: 413 where a visitor, 507 where all have too much.
    """
    others = {one: bytes_ for one, bytes_ in own.items() if one != file_id}
    if len(others) >= MAX_FILES or sum(others.values()) + size > MAX_OWN:
        raise HTTPException(413, f"At most {MAX_FILES} files with {MAX_OWN >> 20} MB together; take some away first.")
    if everybody - own.get(file_id, 0) + size > MAX_ALL:
        room = "there is room once somebody leaves the Upload page"
        raise HTTPException(507, f"The server holds as many uploads as it can; {room}.")


def forget_uploads() -> None:
    """Drop the files of a visitor who has left the page that they belong to: its uploader comes back empty."""
    for key in (
        "upload.whole",
        "upload.cut",
        "upload.held",
        "upload.says",
        "upload.sent",
        "upload.delivered",
        "upload.place",
    ):
        st.session_state.pop(key, None)
    forget_own_uploads()
