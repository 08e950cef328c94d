"""The page Compare in a browser: from a bar to the images that it counts."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.app import settle, visit

pytestmark = pytest.mark.browser


def test_a_bar_opens_the_images_that_both_get_wrong(page: Page, address: str) -> None:
    visit(page, f"{address}/compare?run=tiny@seen-test&versus=tiny@blind-test")
    bar = page.get_by_role("button", name=re.compile(r"^REAL: both are wrong"))
    count = re.search(r"\((\d+) of", bar.inner_text())
    assert count is not None
    assert int(count[1]) > 0
    bar.click()
    page.wait_for_url(re.compile(r"/explore\?"))
    settle(page)
    assert "versus=tiny" in page.url
    assert "versus.correct=wrong" in page.url
    expect(page.get_by_text(re.compile(rf"^{count[1]} of 60 images: "))).to_be_visible()
    # what opens on demand stands in the address
    visit(page, f"{address}/compare?run=tiny@seen-test&versus=tiny@blind-test")
    page.get_by_text("Margins", exact=True).click()
    expect(page.get_by_text("Margins against each other")).to_be_visible()
    assert "more=margins" in page.url
