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
from tests.strangers import BARE, RUN, TAG, TRAP_DETECTOR, make_strange, payload, put_tags

pytestmark = pytest.mark.browser
# tooltips that are opened on each page
HELPS = 2
# what a browser makes of `payload` where it is read as Markdown or HTML
MARKUP = "strong:text-is('bold'), code:text-is('code'), .katex:has-text('x2'), .stMarkdownColoredText:text-is('red')"
# parameters of addresses that carry texts, by page
ADDRESSES: dict[str, dict[str, str]] = {
    "mistakes": {"name": "![b](http://{host}/y.png)", "category": payload("{host}"), "sort": "![b](x)"},
    "try_picture": {"by": TRAP_DETECTOR},
    "maps": {"by": "cell"},
    "reads": {"tab": "Data"},
}


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


@pytest.mark.parametrize("page", PAGES)
def test_pages(watched: Page, app: str, strange: Path, elsewhere: Elsewhere, page: str) -> None:
    ids = list(read_run(strange / "runs" / RUN).predictions["id"])
    given = {name: text.format(host=elsewhere.host) for name, text in ADDRESSES.get(page, {}).items()}
    visits = [
        {"run": RUN},
        {"run": BARE, "id": ids[0], "category": "nothing of this name"},
        {"run": RUN, "id": ids[3], "pick": ",".join(ids[:3]), "tag": TAG.format(host=elsewhere.host)[:40], **given},
    ]
    for parameters in visits:
        shared = {"open": "all", "lime.n_samples": "64"}
        visit(watched, f"{app}/{'' if page == PAGES[0] else page}?{urlencode(shared | parameters)}")
        for folded in watched.locator("[data-testid=stExpander] details:not([open]) > summary").element_handles():
            folded.click()
        helps = [shown for shown in watched.get_by_test_id("stTooltipHoverTarget").all() if shown.is_visible()]
        for help_ in helps[:HELPS]:
            help_.hover(force=True)
        watched.wait_for_timeout(500)
        assert watched.get_by_test_id("stException").count() == 0
        # a model card is Markdown, may have links, and has no pictures
        card, links = watched.locator("[data-testid=stExpander]"), f"a[href*='{elsewhere.host}']"
        assert watched.locator(f"img[src*='{elsewhere.host}']").count() == 0
        assert watched.locator(f"{links}, {MARKUP}").count() == card.locator(f"{links}, {MARKUP}").count()
        shown = read(watched)
        assert str(strange) not in shown
        if page in ("detectors", "mistakes", "try_picture") and parameters == visits[0]:
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
