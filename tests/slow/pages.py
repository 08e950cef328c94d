"""What each page weighs and shows: barriers by axe-core, words and the first picture on the first screen, bytes, paint.

python -m tests.slow.pages [--pages start mistakes] [--themes light dark] [--width 1440] [--details]

"MB read" and "ms read" are the data and time until the title can be read; "MB" is the data until the page is complete.
"Paint ms" is the time to the first paint, the loading notice. The first page is also the new server's first visit.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Browser, CDPSession

from core.runs.folders import ROOT
from tests.browser.app import PATIENCE, running_browser, settle
from tests.browser.axe import barriers
from tests.browser.screenshots import RUN, SHOWN
from tests.dashboard.conftest import PAGES
from tests.server import running_server

HEIGHT = 900
# words whose place is on the first screen, of the page alone; where its first picture begins
SEEN = """() => {
  const deep = (root) => [...root.querySelectorAll('*')].flatMap((one) =>
    [one, ...(one.shadowRoot ? deep(one.shadowRoot) : [])])
  const all = deep(document.querySelector('[data-testid=stMain]') || document.body)
  const range = document.createRange()
  let words = 0
  for (const one of all) {
    if (['STYLE', 'SCRIPT'].includes(one.tagName)) continue
    for (const node of one.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE || !node.textContent.trim()) continue
      range.selectNodeContents(node)
      const box = range.getBoundingClientRect()
      const seen = box.width > 1 && box.top < innerHeight && box.bottom > 0
      if (seen) words += node.textContent.trim().split(/\\s+/).length
    }
  }
  const drawn = all.filter((one) => one.matches('img, canvas, svg[role=img], .js-plotly-plot'))
  const tops = drawn.map((one) => one.getBoundingClientRect()).filter((box) => box.width > 20)
    .map((box) => Math.round(box.top))
  return [words, tops.length ? Math.min(...tops) : null]
}"""
PAINT = """() => Math.round(performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0)"""


def _size(frame: Mapping[str, Any]) -> int:
    """The bytes of a frame; the payload of a binary one is told in base64."""
    size = len(frame["payloadData"])
    return size if frame["opcode"] == 1 else size * 3 // 4


class Weighed:
    """Bytes that come over the network and the websocket since the last look."""

    def __init__(self, session: CDPSession) -> None:
        self.bytes = 0
        session.send("Network.enable")
        session.on("Network.loadingFinished", lambda event: self._add(int(event["encodedDataLength"])))
        session.on("Network.webSocketFrameReceived", lambda event: self._add(_size(event["response"])))

    def _add(self, more: int) -> None:
        self.bytes += more


def measure(browser: Browser, address: str, *, names: Sequence[str], theme: str, width: int, details: bool) -> None:
    """Print a line for each page, each opened by somebody who has never been here."""
    for name in names:
        context = browser.new_context(viewport={"width": width, "height": HEIGHT}, color_scheme=theme)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        weighed = Weighed(context.new_cdp_session(page))
        path = "" if name == PAGES[0] else name
        where = f"{address}/{path}?{urlencode({'run': RUN, **SHOWN.get(name, {})})}"
        page.goto(where)
        page.wait_for_selector("h1")
        read, after = weighed.bytes, page.evaluate("() => Math.round(performance.now())")
        settle(page)
        words, picture = page.evaluate(SEEN)
        paint, size = page.evaluate(PAINT), weighed.bytes
        found = barriers(page)
        rules = ", ".join(f"{rule} {count}" for rule, count in sorted(Counter(one.rule for one in found).items()))
        print(
            f"{name:14}{theme:6}{len(found):>9}{words:>7}{picture if picture is not None else '-':>9}"
            f"{read / 1e6:>8.2f}{size / 1e6:>8.2f}{paint:>9}{after:>8}  {rules}",
            flush=True,
        )
        for one in found if details else ():
            why = " ".join(one.why.split())
            print(f"    {one.rule}: {one.html[:160]!r} {why[:200]}")
        context.close()


def main() -> None:
    """Start a server that sees only what ships, look at each page, stop it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", choices=PAGES, default=PAGES)
    parser.add_argument("--themes", nargs="+", choices=("light", "dark"), default=("light", "dark"))
    parser.add_argument("--width", type=int, default=1440)
    parser.add_argument("--details", action="store_true", help="print each barrier")
    options = parser.parse_args()
    heads = f"{'page':14}{'theme':6}{'barriers':>9}{'words':>7}{'picture':>9}{'MB read':>8}{'MB':>8}"
    print(f"{heads}{'paint ms':>9}{'ms read':>8}")
    with (
        tempfile.TemporaryDirectory() as cache,
        running_server(ROOT / "assets", Path(cache)) as (address, _),
        running_browser() as browser,
    ):
        for theme in options.themes:
            measure(browser, address, names=options.pages, theme=theme, width=options.width, details=options.details)


if __name__ == "__main__":
    main()
