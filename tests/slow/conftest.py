"""The small home, made once, and a copy of it for each test to damage."""

import shutil
from pathlib import Path

import pytest
import streamlit as st

from tests.dashboard.conftest import open_page
from tests.home import make_home

__all__ = ["open_page"]


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make_home` makes."""
    home = tmp_path_factory.mktemp("pristine")
    make_home(home, tmp_path_factory.mktemp("pristine-cache"))
    return home


@pytest.fixture
def home(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that the test may damage, and that the dashboard finds."""
    path = tmp_path / "visited home"
    shutil.copytree(pristine, path)
    monkeypatch.setenv("TELLTALE_HOME", str(path))
    st.cache_resource.clear()
    return path
