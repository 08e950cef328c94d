"""What stands on the first screen of the product as it ships, at a desk and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.above_the_fold import LISTED, SIZES, address_of, count, shipped
from tests.browser.app import settle, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DESK, _, PHONE = SIZES


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    with shipped() as address:
        yield address


@pytest.mark.parametrize("name", LISTED)
def test_the_first_screen_is_within_its_limits(page: Page, served: str, name: str) -> None:
    desk = count(page, address_of(served, name), DESK)
    assert desk.is_within_limits(), desk
    phone = count(page, address_of(served, name), PHONE)
    # the picture stands on the first screen, and nothing has to be moved sideways
    assert phone.top is not None
    assert phone.top <= 0.75 * SIZES[PHONE]
    assert phone.overflow <= 0


def test_a_part_and_a_finding_open_by_keys_and_from_an_address(page: Page, served: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    visit(page, address_of(served, "maps"))
    findings = page.locator(".findings details")
    expect(findings).to_have_count(0)
    page.locator("summary", has_text="Does LIME contradict Grad-CAM?").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**fold_agreement=true**")
    settle(page)
    findings.first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(findings.first.get_by_text("Control", exact=True)).to_be_visible()
    # as addresses were before
    visit(page, address_of(served, "trust") + "&open=agreement")
    expect(findings).not_to_have_count(0)
