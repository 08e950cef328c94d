"""A browser to look at a running dashboard with."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from core.homes import ROOT
from tests.server import running_server

# without windows it takes a third less of the processor
_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _PROGRAMS)), None)
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # no name but this machine's is ever looked up
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    # newer Chromiums alone keep a framing site from this machine; the app must do so in all
    "--disable-features=LocalNetworkAccessChecks",
    # what moves is drawn sixty times a second, by the processor
    "--force-prefers-reduced-motion",
    # letters as wide as in a window
    "--font-render-hinting=none",
]
# the tests' pages live too briefly for a process each, or for scripts that are optimised beside them; benchmarks do
# without
SPARING = ["--renderer-process-limit=1", "--js-flags=--single-threaded --no-opt"]
# of a desk, a narrow window and a phone: width -> height in pixels
SIZES = {1440: 900, 900: 900, 390: 844}
# milliseconds
PATIENCE = 240_000
# milliseconds between two polls of a page; by default Playwright polls every frame
POLLING = 100
# the page's script has ended and nothing says that more is coming
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]')
  return app && app.dataset.testScriptState === 'notRunning' && !document.querySelector('[data-stale=true]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && ![...document.querySelectorAll('button')].some((button) => button.innerText.trim() === 'Stop')
    && !/Working|Refining|Waiting|Asking the detector|being asked|Reading pictures/.test(document.body.innerText)
}"""


@contextmanager
def running_browser():
    """Chromium: the one in $CHROMIUM or on the path, best its headless shell, else Playwright's own."""
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as found:
        yield found


@contextmanager
def running_window(profile):
    """A window of a Chromium that keeps in `profile` what it has compiled of the app's scripts, for its next pages."""
    size = {"width": 1440, "height": 1000}
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=[*ARGUMENTS, *SPARING], viewport=size
        ) as window,
    ):
        yield window


def settle(page):
    """Wait until the page is whole and still."""
    page.wait_for_function(SETTLED, timeout=PATIENCE, polling=POLLING)
    # a component draws a moment after the script has ended
    page.wait_for_timeout(300)
    page.wait_for_function(SETTLED, timeout=PATIENCE, polling=POLLING)


def visit(page, address):
    """Open an address and wait until it is whole."""
    page.goto(address)
    page.wait_for_selector("h1", timeout=PATIENCE)
    settle(page)


def address_of(address, name):
    """Return the address of a page on the run that ships; of Mistakes, the view that shows most of it."""
    more = "&true=FAKE&said=REAL" if name == "mistakes" else ""
    return f"{address}/{'' if name == 'start' else name}?run=swift%40cifake-test{more}"


@contextmanager
def shipped():
    """Serve what ships and nothing of this machine's, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache, running_server(ROOT / "assets", Path(cache)) as (address, _):
        yield address
