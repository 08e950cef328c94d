"""No text of a stranger makes a visitor's browser ask another server for anything; and it is read as it was written."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from core.report.explanation import html_of
from core.report.page import gather, report_of
from core.runs.run import read_run
from dashboard.components.plain import JOINER
from tests.browser.app import visit
from tests.dashboard.conftest import PAGES
from tests.server import running_server
from tests.slow.test_pages import ADDRESSES
from tests.strangers import RUN, TAG, make_strange, payload, put_tags

pytestmark = pytest.mark.browser
# tooltips that are opened on each page
HELPS = 2


class Elsewhere:
    """A server that is asked for nothing.

    Attributes:
        host: its name and port.
        asked: the paths that were asked for.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        elsewhere = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                elsewhere.asked.append(self.path)
                self.send_response(404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    found = Elsewhere()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture(scope="module")
def strange(elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("strange")
    make_strange(home, elsewhere.host)
    return home


@pytest.fixture(scope="module")
def app(strange: Path, elsewhere: Elsewhere, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    cache = tmp_path_factory.mktemp("strange-cache")
    put_tags(cache, strange, elsewhere.host)
    with running_server(strange, cache) as (found, _):
        yield found


@pytest.fixture
def watched(window: BrowserContext) -> Iterator[Page]:
    """A page that fails the test if it contacts any server but its own."""
    page = window.new_page()
    page.set_default_timeout(240_000)
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield page
    own = urlsplit(page.url).netloc
    page.close()
    assert {host for host in hosts if host} <= {own}


def read(page: Page) -> str:
    """The text of a page, without the invisible word joiners."""
    return page.inner_text("body").replace(JOINER, "")


def test_the_server_would_see_a_request(watched: Page, elsewhere: Elsewhere, tmp_path: Path) -> None:
    before = len(elsewhere.asked)
    (tmp_path / "page.html").write_text(f"<img src=http://{elsewhere.host}/seen.png>")
    page = watched.context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_load_state("networkidle")
    assert elsewhere.asked[before:] == ["/seen.png"]
    page.close()
    elsewhere.asked.clear()


@pytest.mark.parametrize("page", PAGES)
def test_pages(watched: Page, app: str, strange: Path, elsewhere: Elsewhere, page: str) -> None:
    ids = list(read_run(strange / "runs" / RUN).predictions["id"])
    path = "" if page == "start" else page
    # an address with all that the page takes from one; on Explore that leaves no image, so it is opened without, too
    asking = [{"tag": TAG.format(host=elsewhere.host)[:40]} | ADDRESSES.get(page, {}) | {"id": ids[3]}]
    if page == "mistakes":
        asking += [{}]
    for more in asking:
        # an address leads to nobody either
        asked = {name: text.replace("127.0.0.1:9", elsewhere.host) for name, text in more.items()}
        visit(watched, f"{app}/{path}?{urlencode({'run': RUN, 'open': 'all', 'lime.n_samples': 64} | asked)}")
        for folded in watched.locator("[data-testid=stExpander] details:not([open]) > summary").element_handles():
            folded.click()
        # what all of them say is tested without a browser
        helps = [one for one in watched.get_by_test_id("stTooltipHoverTarget").all() if one.is_visible()]
        for help_ in helps[:HELPS]:
            help_.hover(force=True)
        watched.wait_for_timeout(500)
        assert watched.locator(f"img[src*='{elsewhere.host}'], a[href*='{elsewhere.host}']").count() == (
            # a model card may have links, which a visitor sees before they follow one
            watched.locator(f"[data-testid=stExpander] a[href*='{elsewhere.host}']").count()
        )
        shown = read(watched)
        if page in ("detectors", "mistakes", "try_picture"):
            assert payload(elsewhere.host) in shown
    assert elsewhere.asked == []


def test_a_report_and_an_exported_explanation(
    watched: Page, strange: Path, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    run, text = read_run(strange / "runs" / RUN), payload(elsewhere.host)
    (tmp_path / "report.html").write_text(report_of(run, **gather(run, (strange,))), encoding="utf-8")
    image = np.zeros((32, 32, 3), np.uint8)
    explained = html_of([(stored_map(run, 0, image), Style())], title=text, notes=[text])
    (tmp_path / "page.html").write_text(explained, encoding="utf-8")
    for name in ("report.html", "page.html"):
        watched.goto((tmp_path / name).as_uri())
        watched.wait_for_load_state("networkidle")
        expect(watched.locator("h1")).to_be_visible()
        assert watched.locator(f"[src*='{elsewhere.host}'], [href*='{elsewhere.host}']").count() == 0
    assert text in read(watched)
    assert elsewhere.asked == []
