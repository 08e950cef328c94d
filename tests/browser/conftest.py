"""One server, one browser and one window for all journeys, each journey on a page of its own."""

import contextlib
import os

import pytest
from playwright.sync_api import Error, expect

from tests.browser.app import CHROMIUM, PATIENCE, running_window
from tests.dashboard.conftest import made_home
from tests.server import running_server

__all__ = ["made_home"]
# what is expected to appear appears after a run of the page, which a busy machine draws out
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def address(made_home, tmp_path_factory):
    with running_server(made_home, tmp_path_factory.mktemp("browser-cache")) as (found, _):
        yield found


@pytest.fixture(scope="session")
def window(tmp_path_factory):
    """A browser's window, which has read the app's own files once."""
    if CHROMIUM is None:
        sentence = "no Chromium: `apt-get install chromium-headless-shell` (Debian), or name its program in $CHROMIUM"
        # CI sets this: there a journey that does not run is a failure
        (pytest.fail if os.environ.get("TELLTALE_BROWSER_REQUIRED") else pytest.skip)(sentence)
    with running_window(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
def browser(window):
    """The browser itself, for a window of somebody else."""
    return window.browser


@pytest.fixture
def page(window):
    """A page of a first-time visitor, which fails the test if its scripts fail."""
    made = window.new_page()
    made.set_default_timeout(PATIENCE)
    problems = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    yield made
    with contextlib.suppress(Error):
        # about:blank has no storage
        made.evaluate("localStorage.clear(), sessionStorage.clear()")
    made.close()
    window.clear_cookies()
    assert not problems
