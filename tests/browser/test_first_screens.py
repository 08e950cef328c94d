"""What stands on the first screen of the product as it ships, at a desk and on a phone: little, and without jumps."""

import re
from typing import NamedTuple

import pytest

from dashboard.state import PAGES
from tests.browser.app import SIZES, address_of, shipped, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DESK, NARROW, PHONE = SIZES
# of type: title, verdict, part, text, caption
SCALE = {32, 24, 22, 16, 14}
TOOLS = ("Filters", "All", "Order", "Reasons", "Save")
LISTED = [name for name, page in PAGES.items() if page.is_listed]
MOST_WORDS = 120
MOST_NUMBERS = 12
MOST_SHIFT = 0.1
# milliseconds that a page is watched after it is whole
WATCHED = 2000
# the sum of a page's layout shifts from its first moment, without those that follow a press
WATCH = """
window.shifts = 0
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value
}).observe({ type: 'layout-shift', buffered: true })
"""
# shadow roots are open, so their text is walked, too
COUNT = """() => {
  const main = document.querySelector('[data-testid=stMain]')
  const seen = (box) => box.width > 2 && box.height > 2 && box.bottom > 0 && box.top < innerHeight - 4
    && box.right > 0 && box.left < innerWidth
  const texts = [], pictures = [], sizes = new Set()
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const range = document.createRange()
      range.selectNodeContents(node)
      if (node.textContent.trim() && [...range.getClientRects()].some(seen)) {
        texts.push(node.textContent)
        sizes.add(parseFloat(getComputedStyle(node.parentElement ?? node.parentNode.host).fontSize))
      }
      return
    }
    if (node.nodeType !== Node.ELEMENT_NODE && node.nodeType !== Node.DOCUMENT_FRAGMENT_NODE) return
    if (node.nodeType === Node.ELEMENT_NODE) {
      const style = getComputedStyle(node), box = node.getBoundingClientRect()
      if (style.visibility === 'hidden' || style.display === 'none' || style.opacity === '0') return
      if (style.clipPath !== 'none' || /^(STYLE|SCRIPT)$/.test(node.tagName)) return
      // icons are letters of a font
      if (node.dataset?.testid === 'stIconMaterial') return
      if (node.matches('img, canvas, .js-plotly-plot') && box.width >= 60 && seen(box)) pictures.push(box.top)
    }
    for (const child of (node.shadowRoot ?? node).childNodes) walk(child)
  }
  walk(main)
  return [texts.join(' '), pictures, document.documentElement.scrollWidth, [...sizes]]
}"""


class Counted(NamedTuple):
    """What stands above the fold of a page.

    Attributes:
        words, numbers, pictures: how many; a number is a word with a digit in it.
        top: of the first picture, in pixels; None without one.
        overflow: pixels that have to be moved sideways.
        sizes: of type, in pixels.
    """

    words: int
    numbers: int
    pictures: int
    top: float | None
    overflow: int
    sizes: frozenset[float]

    def is_within_limits(self):
        """Check words, numbers, that there is a picture, and that nothing is too wide."""
        few = self.words <= MOST_WORDS and self.numbers <= MOST_NUMBERS
        return few and self.pictures > 0 and self.overflow <= 0


def count(page, address, width):
    """Open an address at a width and count what stands above the fold."""
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit(page, address)
    text, tops, wide, sizes = page.evaluate(COUNT)
    words = [word for word in text.split() if re.search(r"\w", word)]
    numbers = sum(bool(re.search(r"\d", word)) for word in words)
    tops = [top for top in tops if top < SIZES[width]]
    return Counted(len(words), numbers, len(tops), min(tops, default=None), wide - width, frozenset(sizes))


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
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit(page, address_of(served, name))
    page.wait_for_timeout(WATCHED)
    assert page.evaluate("window.shifts") <= MOST_SHIFT
