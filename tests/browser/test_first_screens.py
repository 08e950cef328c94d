"""What stands on the first screen of the product as it ships, at a desk and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.app import PATIENCE, visit
from tests.browser.screenshots import RUN
from tests.server import running_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = (390, 844)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The product with what ships, and nothing of this machine's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TELLTALE_HOME", raising=False)
        with running_server(cache=tmp_path_factory.mktemp("shipped")) as (address, _):
            yield address


def looked_at(page: Page, address: str, width: int, height: int) -> None:
    """Open a page at a size."""
    page.set_viewport_size({"width": width, "height": height})
    visit(page, address)


def tops(page: Page, selector: str) -> list[float]:
    """Where elements begin, in pixels from the top, those of one row once."""
    found = page.locator(selector).evaluate_all("all => all.map((one) => Math.round(one.getBoundingClientRect().top))")
    return sorted(set(found))


@pytest.mark.parametrize(("name", "first"), [("mistakes", ".grid .tile img"), ("reads", ".js-plotly-plot")])
def test_a_phone_shows_the_first_image_and_the_first_answer(page: Page, shipped: str, name: str, first: str) -> None:
    looked_at(page, f"{shipped}/{name}?run={RUN}", *PHONE)
    page.wait_for_selector(first, timeout=PATIENCE)
    assert tops(page, first)[0] <= PHONE[1] / 2
    # and nothing has to be moved sideways
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
