"""A small home for each test to damage."""

import shutil

import pytest
import streamlit as st

from core import homes
from tests.core.test_damage import pristine
from tests.dashboard.conftest import open_page

__all__ = ["open_page", "pristine"]


@pytest.fixture
def home(pristine, tmp_path, monkeypatch):
    """A copy that the test may damage, and that the dashboard finds alone, without what ships."""
    path = shutil.copytree(pristine, tmp_path / "visited home")
    monkeypatch.setenv("TELLTALE_HOME", str(path))
    monkeypatch.setattr(homes, "SHIPPED", tmp_path / "nothing")
    st.cache_resource.clear()
    return path
