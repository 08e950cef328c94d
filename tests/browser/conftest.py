"""One server and one browser for all journeys, each journey in a window of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.app import CHROMIUM, PATIENCE, running_browser
from tests.dashboard.conftest import made_home
from tests.server import running_server

__all__ = ["made_home"]
# what is expected to appear appears after a run of the page, which a busy machine draws out
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def address(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_server(made_home, tmp_path_factory.mktemp("browser-cache")) as (found, _):
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        sentence = "no Chromium: install it (Debian: apt-get install chromium), or name its program in $CHROMIUM"
        # CI sets this: there a journey that does not run is a failure
        (pytest.fail if os.environ.get("TELLTALE_BROWSER_REQUIRED") else pytest.skip)(sentence)
    with running_browser() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    made = context.new_page()
    made.set_default_timeout(PATIENCE)
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    yield made
    context.close()
    assert not problems
