"""Count what stands above the fold of each page: visible words, numbers, pictures and figures, beside the limits.

python -m tests.browser.above_the_fold [--address URL] [--pages start mistakes]

Prints the table of docs/benchmarks.md. The sidebar is not counted; what only a screen reader says is not, either.
"""

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from playwright.sync_api import Page

from dashboard.components.glossary import TERMS
from dashboard.navigation import PAGES
from tests.browser.app import PATIENCE, running_browser, visit
from tests.browser.screenshots import RUN, SHOWN
from tests.server import running_server

SIZES = {1440: 900, 900: 900, 390: 844}
LISTED = tuple(name for name, page in PAGES.items() if page.is_listed)
MOST_WORDS, MOST_NUMBERS, MOST_FIRST = 120, 12, 15
# terms that every visitor must know
PLAIN = {"Detector", "FAKE", "REAL", "Run", "Control", "Sample"}
# shadow roots are open, so their text is walked, too
COUNT = """() => {
  const main = document.querySelector('[data-testid=stMain]')
  const seen = (box) => box.width > 2 && box.height > 2 && box.bottom > 0 && box.top < innerHeight - 4
    && box.right > 0 && box.left < innerWidth
  const texts = [], pictures = []
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const range = document.createRange()
      range.selectNodeContents(node)
      if (node.textContent.trim() && [...range.getClientRects()].some(seen)) texts.push(node.textContent)
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
  const lines = [...main.querySelectorAll('[data-testid=stMarkdown] p')].map((line) => line.innerText)
  const first = lines.find((text) => text.trim())
  return { texts, pictures, first: first ?? '', wide: document.documentElement.scrollWidth }
}"""


class Counted(NamedTuple):
    """What stands above the fold of a page.

    Attributes:
        words, numbers, pictures: how many; a number is a word with a digit in it.
        top: of the first picture, in pixels; None without one.
        first: the first sentence.
        overflow: pixels that have to be moved sideways.
    """

    words: int
    numbers: int
    pictures: int
    top: float | None
    first: str
    overflow: int

    def problems(self) -> list[str]:
        """Name the limits that are broken."""
        terms = [term for term in TERMS if term not in PLAIN and re.search(rf"\b{re.escape(term)}\b", self.first)]
        broken = {
            f"{self.words} words": self.words > MOST_WORDS,
            f"{self.numbers} numbers": self.numbers > MOST_NUMBERS,
            "no picture": not self.pictures,
            f"a first sentence of {len(self.first.split())} words": len(self.first.split()) > MOST_FIRST,
            f"{', '.join(terms)} in the first sentence": bool(terms),
            f"{self.overflow} px too wide": self.overflow > 0,
        }
        return [problem for problem, is_broken in broken.items() if is_broken]


def count(page: Page, address: str, width: int) -> Counted:
    """Open an address at a width and count what stands above the fold."""
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    visit(page, address)
    found = page.evaluate(COUNT)
    words = " ".join(found["texts"]).split()
    words = [word for word in words if re.search(r"\w", word)]
    numbers = sum(bool(re.search(r"\d", word)) for word in words)
    pictures = [top for top in found["pictures"] if top < SIZES[width]]
    first = re.split(r"(?<=[.?!])\s", found["first"].replace("\n", " "))[0]
    return Counted(len(words), numbers, len(pictures), min(pictures, default=None), first, found["wide"] - width)


def address_of(address: str, name: str) -> str:
    """Return the address of a page on the run that ships, as a link to it from elsewhere has it."""
    more = SHOWN.get(name, {})
    return f"{address}/{'' if name == LISTED[0] else name}?{urlencode({'run': RUN, **more})}"


@contextmanager
def shipped() -> Iterator[str]:
    """Serve what ships, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache, running_server(cache=Path(cache)) as (address, _):
        yield address


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", help="of a server that runs already")
    parser.add_argument("--pages", nargs="+", choices=LISTED, default=LISTED)
    options = parser.parse_args()
    with running_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        if options.address:
            print_table(page, options.address, options.pages)
        else:
            with shipped() as address:
                print_table(page, address, options.pages)


def print_table(page: Page, address: str, names: list[str]) -> None:
    """Print a row for each page and width."""
    print("| page | width | words | numbers | pictures | first picture at | first sentence | beyond the limits |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in names:
        for width in SIZES:
            found = count(page, address_of(address, name), width)
            top = "" if found.top is None else f"{found.top:.0f} px"
            cells = (PAGES[name].title, width, *found[:3], top, found.first, ", ".join(found.problems()) or "none")
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
