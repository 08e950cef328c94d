"""How much visitors may have uploaded at once: Streamlit itself holds whatever is sent, by whoever sends it."""

import threading
from collections.abc import Callable
from functools import cache

import streamlit as st
from starlette.exceptions import HTTPException
from streamlit import runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

MAX_FILES = 32
# in bytes: of one visitor, and of all together
MAX_OWN = 100 * 2**20
MAX_ALL = 500 * 2**20


@cache
def limit_uploads() -> None:
    """Have the running server refuse what goes beyond the limits, once; the uploader shows the status it gets."""
    if runtime.exists():
        manager = runtime.get_instance().uploaded_file_mgr
        manager.add_file = within_limits(manager)  # type: ignore[attr-defined, arg-type]


def within_limits(manager: MemoryUploadedFileManager) -> Callable[[str, UploadedFileRec], None]:
    """The manager's `add_file`, which refuses with an HTTP status: 413 where a visitor, 507 where all have too much."""
    add, lock = manager.add_file, threading.Lock()

    def add_file(session_id: str, file: UploadedFileRec) -> None:
        with lock:
            _check(manager, session_id, file)
            add(session_id, file)

    return add_file


def _check(manager: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
    held = manager.get_files(session_id, list(manager.file_storage.get(session_id, ())))
    own = [len(one.data) for one in held if one.file_id != file.file_id]
    if len(own) >= MAX_FILES or sum(own) + len(file.data) > MAX_OWN:
        raise HTTPException(413, f"At most {MAX_FILES} files with {MAX_OWN >> 20} MB together; take some away first.")
    everybody = sum(stat.byte_length for stats in manager.get_stats().values() for stat in stats)
    replaced = sum(len(one.data) for one in held) - sum(own)
    if everybody - replaced + len(file.data) > MAX_ALL:
        raise HTTPException(507, "The server holds as many uploads as it can; try again in a few minutes.")


def forget_uploads() -> None:
    """Drop the files of a visitor who has left the page that they belong to: its uploader comes back empty."""
    for key in ("upload.whole", "upload.cut", "upload.held"):
        st.session_state.pop(key, None)
    context = get_script_run_ctx()
    if context is not None and runtime.exists():
        runtime.get_instance().uploaded_file_mgr.remove_session_files(context.session_id)
