"""What stands on the first screen of the product as it ships, at a desk and on a phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dashboard.views.guide import STEPS
from tests.browser.app import PATIENCE, settle, visit
from tests.browser.screenshots import RUN, parameters
from tests.server import running_server

pytestmark = pytest.mark.browser
DESK = (1440, 900)
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


def bottoms(page: Page, selector: str) -> list[float]:
    """Where elements end, in pixels from the top, those of one row once."""
    found = page.locator(selector).evaluate_all(
        "all => all.map((one) => Math.round(one.getBoundingClientRect().bottom))"
    )
    return sorted(set(found))


def test_explore_shows_three_rows_of_images(page: Page, shipped: str) -> None:
    looked_at(page, f"{shipped}/explore?run={RUN}", *DESK)
    page.wait_for_selector(".tile img", timeout=PATIENCE)
    rows = bottoms(page, ".grid .tile img")
    assert len(rows) == 4
    assert rows[2] <= DESK[1]


@pytest.mark.parametrize(("name", "first"), [("explore", ".grid .tile img"), ("evidence", ".answers .line")])
def test_a_phone_shows_the_first_image_and_the_first_answer(page: Page, shipped: str, name: str, first: str) -> None:
    looked_at(page, f"{shipped}/{name}?run={RUN}", *PHONE)
    page.wait_for_selector(first, timeout=PATIENCE)
    assert bottoms(page, first)[0] <= PHONE[1]
    # and nothing has to be moved sideways
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def test_every_step_of_the_guide_fits_the_screen(page: Page, shipped: str) -> None:
    tall = {}
    looked_at(page, f"{shipped}/guide?run={RUN}&step=1", *DESK)
    for number, (title, _) in enumerate(STEPS, start=1):
        if number > 1:
            page.keyboard.press("ArrowRight")
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        settle(page)
        height = page.locator("[data-testid=stMainBlockContainer]").evaluate("element => element.scrollHeight")
        if height > DESK[1]:
            tall[title] = height
    assert not tall


def test_each_map_says_what_was_measured_of_it_and_can_be_outlined(page: Page, shipped: str) -> None:
    looked_at(page, f"{shipped}/inspect?run={RUN}&id={parameters()['inspect']['id']}", *DESK)
    for method in ("Grad-CAM", "LIME"):
        expect(page.get_by_role("img", name=f"{method}, over the grey picture")).to_be_visible()
    expect(page.get_by_text("depends on the fill")).to_have_count(2)
    before = page.locator(".picture img").evaluate_all("all => all.map((one) => one.src)")
    page.get_by_role("radio", name="outlined").click()
    expect(page.get_by_text("strongest quarter of the area, for REAL")).to_have_count(2)
    settle(page)
    after = page.locator(".picture img").evaluate_all("all => all.map((one) => one.src)")
    # the image itself stays as it is
    assert len(after) == len(before) > 2
    assert sum(old != new for old, new in zip(before, after, strict=True)) == len(before) - 1
    page.get_by_text("How this was measured").first.click()
    page.wait_for_url("**/trust**", timeout=PATIENCE)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Can the explanations be trusted?")
