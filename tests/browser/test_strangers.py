"""No text of a stranger makes a visitor's browser ask another server for anything; and it is read as it was written."""

from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from playwright.sync_api import expect

from core.explainers.cam import stored_map
from core.explainers.drawing import Style
from core.report.explanation_page import html_of
from core.report.run_report import report_of
from core.runs.run import read_run
from dashboard.components.words import JOINER
from tests.browser.app import visit
from tests.dashboard.conftest import PAGES
from tests.server import running_server
from tests.strangers import BARE, RUN, TAG, TRAP_DETECTOR, make_strange, payload, put_tags

pytestmark = pytest.mark.browser
# a request to it would be seen, whether it is answered or not
HOST = "127.0.0.1:9"
# tooltips that are opened on each page
HELPS = 2
# what a browser makes of `payload` where it is read as Markdown or HTML
MARKUP = "strong:text-is('bold'), code:text-is('code'), .katex:has-text('x2'), .stMarkdownColoredText:text-is('red')"
# parameters of addresses that carry texts, by page
ADDRESSES = {
    "mistakes": {
        "name": f"![b](http://{HOST}/y.png)",
        "category": payload(HOST),
        "tag": TAG.format(host=HOST)[:40],
        "sort": "![b](x)",
    },
    "try_picture": {"by": TRAP_DETECTOR},
    "maps": {"by": "cell"},
    "reads": {"tab": "Data"},
}


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    home = tmp_path_factory.mktemp("strange")
    make_strange(home, HOST)
    return home


@pytest.fixture(scope="module")
def app(strange, tmp_path_factory):
    cache = tmp_path_factory.mktemp("strange-cache")
    put_tags(cache, strange, HOST)
    with running_server(strange, cache) as (found, _):
        yield found


@pytest.fixture
def watched(window):
    """A page that fails the test if it contacts any server but its own."""
    page = window.new_page()
    page.set_default_timeout(240_000)
    hosts = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    yield page
    own = urlsplit(page.url).netloc
    page.close()
    assert {host for host in hosts if host} <= {own}


def read(page):
    """The text of a page, without the invisible word joiners."""
    return page.inner_text("body").replace(JOINER, "")


@pytest.mark.parametrize("page", PAGES)
def test_pages(watched, app, strange, page):
    ids = list(read_run(strange / "runs" / RUN).predictions["id"])
    visits = [
        {"run": RUN},
        {"run": BARE, "id": ids[0], "category": "nothing of this name"},
        {
            "run": RUN,
            "id": ids[3],
            "pick": ",".join(ids[:3]),
            "tag": TAG.format(host=HOST)[:40],
            **ADDRESSES.get(page, {}),
        },
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
        card = watched.locator("[data-testid=stExpander]")
        links = f"a[href*='{HOST}']"
        assert watched.locator(f"img[src*='{HOST}']").count() == 0
        assert watched.locator(f"{links}, {MARKUP}").count() == card.locator(f"{links}, {MARKUP}").count()
        shown = read(watched)
        assert str(strange) not in shown
        if page in ("detectors", "mistakes", "try_picture") and parameters == visits[0]:
            assert payload(HOST) in shown


def test_a_report_and_an_exported_explanation(watched, strange, tmp_path):
    run = read_run(strange / "runs" / RUN)
    text = payload(HOST)
    (tmp_path / "report.html").write_text(report_of(run))
    image = np.zeros((32, 32, 3), np.uint8)
    explained = html_of([(stored_map(run, 0, image), Style())], title=text, notes=[text])
    (tmp_path / "page.html").write_text(explained)
    for name in ("report.html", "page.html"):
        watched.goto((tmp_path / name).as_uri())
        watched.wait_for_load_state("networkidle")
        expect(watched.locator("h1")).to_be_visible()
        assert watched.locator(f"[src*='{HOST}'], [href*='{HOST}']").count() == 0
    assert text in read(watched)
