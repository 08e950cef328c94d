"""Measure each page's first paint on a server that has just started, and how far its layout shifts while it is drawn.

python -m tests.browser.first_paint [PAGE ...]

Prints the table of docs/benchmarks.md: seconds from the request to the title and to the first picture, and the sum of
the browser's layout shifts, by page and width. Every page has a server of its own; its later widths find it warm.
"""

import sys
from typing import NamedTuple

from dashboard.state import PAGES
from tests.browser.above_the_fold import SIZES, address_of, shipped
from tests.browser.app import PATIENCE, running_browser, visit

MOST_SHIFT = 0.1
# seconds that a page is watched after it is whole
WATCHED = 2.0
# beside every page from its first moment: when there is a title, and a picture of a page's own, in milliseconds
WATCH = """
window.firsts = {title: null, picture: null, shift: 0}
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.firsts.shift += entry.value
}).observe({ type: 'layout-shift', buffered: true })
const pictured = (node) => {
  if (node.nodeType === Node.ELEMENT_NODE && node.matches('img, canvas, .js-plotly-plot')) {
    if (node.getBoundingClientRect().width >= 60 && node.complete !== false) return true
  }
  return [...(node.shadowRoot ?? node).childNodes].some(pictured)
}
const watch = () => {
  const main = document.querySelector('[data-testid=stMain]')
  if (main && window.firsts.title === null && main.querySelector('h1')) window.firsts.title = performance.now()
  if (main && window.firsts.picture === null && pictured(main)) window.firsts.picture = performance.now()
  if (window.firsts.title === null || window.firsts.picture === null) setTimeout(watch, 50)
}
watch()
"""


class Firsts(NamedTuple):
    """What a visitor's browser saw of a page.

    Attributes:
        title, picture: seconds until there was one; None without.
        shift: the sum of its layout shifts, without those that follow a press.
    """

    title: float | None
    picture: float | None
    shift: float


def measure(page, address, width):
    """Open an address at a width, in a page that runs `WATCH`."""
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit(page, address)
    page.wait_for_timeout(1000 * WATCHED)
    firsts = page.evaluate("window.firsts")
    title, picture = (None if firsts[name] is None else firsts[name] / 1000 for name in ("title", "picture"))
    return Firsts(title, picture, firsts["shift"])


def main():
    """Print a row for each page and width."""
    print("| page | width | title | picture | layout shift |")
    print("| --- | --- | --- | --- | --- |")
    for name in sys.argv[1:] or PAGES:
        with shipped() as address, running_browser() as browser:
            for width in SIZES:
                page = browser.new_page()
                page.set_default_timeout(PATIENCE)
                page.add_init_script(WATCH)
                firsts = measure(page, address_of(address, name), width)
                page.close()
                times = ["" if at is None else f"{at:.1f} s" for at in (firsts.title, firsts.picture)]
                print(
                    f"| {' | '.join(map(str, (PAGES[name].title, width, *times, f'{firsts.shift:.2f}')))} |", flush=True
                )


if __name__ == "__main__":
    main()
