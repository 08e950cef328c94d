"""A part of a page that comes back by itself does so although the page ends in `st.stop` while it asks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import PATIENCE
from tests.server import running_server

pytestmark = pytest.mark.browser

STOPS = """
import time
import streamlit as st
from dashboard.components.polling import come_back

def draw():
    st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    st.markdown(f"drawn {st.session_state['drawn']} times")
    return 0.2 if st.session_state["drawn"] < 3 else None

come_back(draw, key="part")
# the request of the part arrives now, and ends with the page
time.sleep(3)
st.stop()
"""


@pytest.fixture
def stopping(tmp_path: Path) -> Iterator[str]:
    """The address of an app whose only page stops itself."""
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "app.py").write_text(STOPS, encoding="utf-8")
    with running_server(folder=tmp_path) as (address, _):
        yield address


def test_a_part_comes_back_although_its_page_stops(page: Page, stopping: str) -> None:
    page.goto(stopping)
    expect(page.get_by_text("drawn 3 times")).to_be_visible(timeout=PATIENCE)
