"""A running dashboard and a browser to look at it with."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# milliseconds
PATIENCE = 240_000
# the page's script has ended and nothing says that more is coming
SETTLED = """() => {
  const app = document.querySelector('[data-testid=stApp]')
  return app && app.dataset.testScriptState === 'notRunning' && !document.querySelector('[data-stale=true]')
    && !document.querySelector('[data-testid=stSkeleton]')
    && ![...document.querySelectorAll('button')].some((button) => button.innerText.trim() === 'Stop')
    && !/Working|Refining|Waiting|Asking the detector|being asked|Reading pictures/.test(document.body.innerText)
}"""


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


@contextmanager
def running_app(home: Path | None = None, cache: Path | None = None) -> Iterator[str]:
    """The dashboard on a free port; yields its address.

    Args:
        home: the folder with detectors/ and runs/; the project's own when None.
        cache: where tags and packs go; the user's own when None.
    """
    port = free_port()
    environment = dict(os.environ)
    if home is not None:
        environment["TELLTALE_HOME"] = str(home)
    if cache is not None:
        environment["TELLTALE_CACHE"] = str(cache)
    command = [sys.executable, "-m", "streamlit", "run", "dashboard/app.py", "--server.port", str(port)]
    # the tests bring their own browser
    command += ["--server.headless", "true"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    address = f"http://localhost:{port}"
    try:
        ends = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                with socket.create_connection(("localhost", port), timeout=2):
                    break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"the server has ended with status {process.returncode}") from None
                if time.monotonic() > ends:
                    raise RuntimeError(f"the server has not started in {PATIENCE / 1000:.0f} s") from None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium: the one in $CHROMIUM or on the path, else Playwright's own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def settle(page: Page) -> None:
    """Wait until the page is whole and still."""
    page.wait_for_function(SETTLED, timeout=PATIENCE)
    # a component draws a moment after the script has ended
    page.wait_for_timeout(300)
    page.wait_for_function(SETTLED, timeout=PATIENCE)


def visit(page: Page, address: str) -> None:
    """Open an address and wait until it is whole."""
    page.goto(address)
    page.wait_for_selector("h1", timeout=PATIENCE)
    settle(page)
