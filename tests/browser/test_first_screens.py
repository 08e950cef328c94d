"""What stands on the first screen of the product as it ships, at a desk and on a phone."""

import pytest

from dashboard.state import PAGES
from tests.browser.above_the_fold import LISTED, SIZES, address_of, count, shipped
from tests.browser.app import visit
from tests.browser.first_paint import MOST_SHIFT, WATCH, measure

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DESK, NARROW, PHONE = SIZES
# of type: title, verdict, part, text, caption
SCALE = {32, 24, 22, 16, 14}
TOOLS = ("Filters", "All", "Order", "Reasons", "Save")


@pytest.fixture(scope="module")
def served():
    with shipped() as address:
        yield address


@pytest.mark.parametrize("name", LISTED)
def test_the_first_screen_is_within_its_limits(page, served, name):
    desk = count(page, address_of(served, name), DESK)
    assert desk.is_within_limits(), desk
    phone = count(page, address_of(served, name), PHONE)
    # the picture stands on the first screen, and nothing has to be moved sideways
    assert phone.top is not None
    assert phone.top <= 0.75 * SIZES[PHONE]
    assert phone.overflow <= 0
    assert desk.sizes | phone.sizes <= SCALE


@pytest.mark.parametrize("width, lines", [(DESK, 1), (NARROW, 1), (PHONE, 2)])
def test_the_tools_of_mistakes_stand_in_line(page, served, width, lines):
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit(page, address_of(served, "mistakes"))
    boxes = [page.get_by_text(name, exact=True).filter(visible=True).bounding_box() for name in TOOLS]
    assert len({round(box["y"]) for box in boxes}) == lines


@pytest.mark.parametrize("width", [NARROW, PHONE])
def test_a_filmstrip_has_room_for_its_words(page, served, width):
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit(page, f"{address_of(served, 'mistakes')}&view=case")
    strip = page.locator(".strip").bounding_box()
    picture = page.locator(".case .frame").bounding_box()
    assert strip["width"] >= 0.4 * width
    assert strip["y"] < picture["y"] < SIZES[width]


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_jumps_while_a_page_is_drawn(page, served, name, width):
    page.add_init_script(WATCH)
    assert measure(page, address_of(served, name), width).shift <= MOST_SHIFT
