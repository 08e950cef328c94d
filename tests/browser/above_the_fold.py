"""Count what stands above the fold of each page: visible words, numbers, pictures and figures, beside the limits.

python -m tests.browser.above_the_fold

Prints the table of docs/benchmarks.md. The sidebar is not counted; what only a screen reader says is not, either.
"""

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from core.homes import ROOT
from dashboard.state import PAGES
from tests.browser.app import PATIENCE, running_browser, visit
from tests.server import running_server

SIZES = {1440: 900, 900: 900, 390: 844}
LISTED = [name for name, page in PAGES.items() if page.is_listed]
MOST_WORDS = 120
MOST_NUMBERS = 12
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


def address_of(address, name):
    """Return the address of a page on the run that ships; of Mistakes, the view that shows most of it."""
    more = "&true=FAKE&said=REAL" if name == "mistakes" else ""
    return f"{address}/{'' if name == LISTED[0] else name}?run=swift%40cifake-test{more}"


@contextmanager
def shipped():
    """Serve what ships and nothing of this machine's, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache, running_server(ROOT / "assets", Path(cache)) as (address, _):
        yield address


def main():
    """Print a row for each page and width."""
    print("| page | width | words | numbers | pictures | first picture at | within the limits |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    with shipped() as address, running_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        for name in LISTED:
            for width in SIZES:
                seen = count(page, address_of(address, name), width)
                top = "" if seen.top is None else f"{seen.top:.0f} px"
                cells = (PAGES[name].title, width, *seen[:3], top, "yes" if seen.is_within_limits() else "no")
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
