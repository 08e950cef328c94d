"""Files that are made when they are asked for stay until they are fetched, whatever other visitors' pages do."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import streamlit as st
from numpy.typing import NDArray
from streamlit import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from core.detectors.detector import Detector
from core.explainers.cam import GRADCAM
from core.explainers.drawing import DEFAULT, npz_of
from core.report.explanation import NOTHING, html_of
from dashboard.components import downloads as handing
from dashboard.components.panels import page_download, result_downloads


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MediaFileManager:
    """Streamlit's own, as the server has it."""
    manager = MediaFileManager(MemoryMediaFileStorage("/media"))
    monkeypatch.setattr(runtime, "exists", lambda: True)
    monkeypatch.setattr(runtime, "get_instance", lambda: SimpleNamespace(media_file_mgr=manager))
    return manager


def asked_for(files: MediaFileManager, number: int) -> str:
    """A click on a button: the name that the browser is told."""
    name = f"{number}.csv"
    make = partial(handing.made, lambda: b"%d" % number, name, "text/csv")
    button = files.add_deferred(make, "text/csv", f"button {number}", file_name=name)
    return files.execute_deferred(button).rpartition("/")[2]


def pages_are_drawn(files: MediaFileManager) -> None:
    for _ in range(5):
        files.remove_orphaned_files()


def test_a_file_stays_while_other_pages_are_drawn(files: MediaFileManager) -> None:
    name = asked_for(files, 7)
    pages_are_drawn(files)
    assert files._storage.get_file(name).content == b"7"


def test_only_so_many_are_held(files: MediaFileManager) -> None:
    names = [asked_for(files, number) for number in range(handing.HELD + 3)]
    pages_are_drawn(files)
    held = [name for name in names if name.partition(".")[0] in files._file_metadata]
    assert held == names[3:]


def test_without_a_server_it_is_only_made() -> None:
    assert handing.made(lambda: b"x", "x.csv", "text/csv") == b"x"


def test_explanations_become_files_without_being_written(
    tiny_detector: Detector, pixels: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buttons: dict[str, Callable[[], bytes]] = {}
    monkeypatch.setattr(st, "download_button", lambda _label, data, *, key, **_: buttons.update({key: data}))
    # temporary files would be written where no folder is
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    found = GRADCAM.explain_fully(tiny_detector, pixels[0])
    result_downloads(found, DEFAULT, name="a.png", key="one")
    page_download([(found, DEFAULT)], name="a.png", notes=[], beside=NOTHING, key="page")
    assert buttons["one.npz"]() == npz_of(found)
    assert buttons["page"]().decode() == html_of([(found, DEFAULT)], title="a.png")
