"""No page of ours has an element that axe-core finds a barrier in, in the light and in the dark."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.app import PATIENCE, visit
from tests.browser.axe import STREAMLITS, barriers
from tests.dashboard.conftest import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def looked_at(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_no_barrier(looked_at: Page, address: str, name: str) -> None:
    looked_at.emulate_media(color_scheme="light")
    visit(looked_at, f"{address}/{'' if name == PAGES[0] else name}?run=tiny%40seen-test&open=all")
    found = [("light", *one) for one in barriers(looked_at)]
    # the page follows the system's theme without being opened again
    looked_at.emulate_media(color_scheme="dark")
    looked_at.wait_for_function("() => getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
    looked_at.wait_for_timeout(300)
    found += [("dark", *one) for one in barriers(looked_at)]
    assert found == []


def test_barriers_are_found_at_all(looked_at: Page) -> None:
    looked_at.goto("about:blank")
    looked_at.set_content(
        "<html lang=en><title>x</title><main><h1>One</h1><h4>Four</h4><p style='color: #aaa'>grey</p>"
        "<table><tr><th></th></tr><tr><td>1</td></tr></table><button aria-label=other>Seen</button>"
        "<ul data-testid=stSidebarNavItems><div>no item</div></ul></main>"
    )
    rules = {"heading-order", "color-contrast", "empty-table-header", "label-content-name-mismatch"}
    assert {one.rule for one in barriers(looked_at)} == rules
    assert {one.rule for one in barriers(looked_at, streamlits={})} == {*rules, "list"}
    assert "list" in STREAMLITS
