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


# three times soon, then not again for a minute
ENDS = """
import streamlit as st
from dashboard.components.polling import come_back

def draw():
    st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1
    st.markdown(f"drawn {st.session_state['drawn']} times")
    return 0.2 if st.session_state["drawn"] < 3 else 60

come_back(draw, key="part")
"""


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an app that consists of one script."""
    (tmp_path / "dashboard").mkdir()
    (tmp_path / "dashboard" / "app.py").write_text(request.param, encoding="utf-8")
    with running_server(folder=tmp_path) as (address, _):
        yield address


@pytest.mark.parametrize("served", [STOPS], indirect=True, ids=["stops"])
def test_a_part_comes_back_although_its_page_stops(page: Page, served: str) -> None:
    page.goto(served)
    expect(page.get_by_text("drawn 3 times")).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize("served", [ENDS], indirect=True, ids=["ends"])
def test_a_part_that_was_drawn_again_asks_no_more_for_what_it_asked_before(page: Page, served: str) -> None:
    page.goto(served)
    expect(page.get_by_text("drawn 3 times")).to_be_visible(timeout=PATIENCE)
    # an unanswered request is repeated after 3.4 seconds
    page.wait_for_timeout(5000)
    expect(page.get_by_text("drawn 3 times")).to_be_visible()
