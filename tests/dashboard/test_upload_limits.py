"""Streamlit's own store of uploads holds no more than it may."""

import pytest
from starlette.exceptions import HTTPException
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from dashboard.services.server import upload_limits
from dashboard.services.server.streamlit_internals import guarded


def status(manager: MemoryUploadedFileManager, visitor: str, file_id: str, size: int) -> int:
    try:
        manager.add_file(session_id=visitor, file=UploadedFileRec(file_id, "a.png", "image/png", bytes(size)))
    except HTTPException as error:
        return error.status_code
    return 204


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> MemoryUploadedFileManager:
    for name, limit in (("MAX_FILES", 3), ("MAX_OWN", 100), ("MAX_ALL", 250)):
        monkeypatch.setattr(upload_limits, name, limit)
    made = MemoryUploadedFileManager("/upload")
    made.add_file = guarded(made, upload_limits.check_upload)  # type: ignore[method-assign]
    return made


def test_a_visitor_has_so_many_files_and_no_more(manager: MemoryUploadedFileManager) -> None:
    assert [status(manager, "me", str(number), 1) for number in range(5)] == [204, 204, 204, 413, 413]
    # the same file anew is no further one
    assert status(manager, "me", "0", 2) == 204
    manager.remove_file("me", "1")
    assert status(manager, "me", "5", 1) == 204
    assert status(manager, "you", "0", 1) == 204


def test_a_visitor_and_all_together_have_so_many_bytes(manager: MemoryUploadedFileManager) -> None:
    assert [status(manager, "me", str(number), 60) for number in range(2)] == [204, 413]
    assert status(manager, "me", "0", 100) == 204
    assert status(manager, "you", "0", 100) == 204
    assert status(manager, "them", "0", 51) == 507
    assert status(manager, "them", "0", 50) == 204
    assert status(manager, "them", "0", 40) == 204
    manager.remove_session_files("me")
    assert status(manager, "another", "0", 100) == 204
