"""What is drawn on the picture of groups opens on Mistakes, and parts and findings open by keys."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.runs.filter import Area
from core.runs.run import read_run
from core.studies.columns import browse_table
from tests.browser.app import PATIENCE, POLLING, settle, visit
from tests.dashboard.studies import TRUST, add_studies
from tests.server import running_server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RUN = "tiny@seen-test"
# points are drawn; and where on the screen a place of the picture is
DRAWN = """() => {
  const plot = document.querySelector('.js-plotly-plot')
  return plot?._fullData?.length && plot.querySelector('.nsewdrag')
}"""
PLACE = """([x, y]) => {
  const plot = document.querySelector('.js-plotly-plot'), drag = plot.querySelector('.nsewdrag').getBoundingClientRect()
  const { xaxis, yaxis } = plot._fullLayout
  return [drag.x + xaxis.d2p(x), drag.y + yaxis.d2p(y)]
}"""


@pytest.fixture(scope="module")
def home(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made runs with studies of one of them."""
    path = tmp_path_factory.mktemp("studied") / "home"
    shutil.copytree(made_home, path)
    add_studies(path, "clusters", *TRUST)
    return path


@pytest.fixture(scope="module")
def studied(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that has them."""
    with running_server(home, tmp_path_factory.mktemp("studied-cache")) as (found, _):
        yield found


def test_a_lasso_opens_its_images(page: Page, studied: str, home: Path) -> None:
    table = browse_table(read_run(home / "runs" / RUN))
    visit(page, f"{studied}/patterns?run={RUN}")
    page.wait_for_url("**/reads?**tab=Patterns**")
    page.wait_for_function(DRAWN, timeout=PATIENCE, polling=POLLING)
    page.locator(".modebar-btn[data-title='Lasso Select']").dispatch_event("click")
    low, middle, high = (float(table["features_x"].quantile(share)) for share in (0.2, 0.5, 0.8))
    bottom, top = (float(table["features_y"].quantile(share)) for share in (0.1, 0.9))
    corners = [(low, bottom), (high, bottom), (middle, top)]
    # which waits until it stands still
    page.locator(".js-plotly-plot .nsewdrag").first.hover()
    first, *rest = [page.evaluate(PLACE, corner) for corner in (*corners, corners[0])]
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.wait_for_url("**/mistakes**area=**")
    settle(page)
    # a triangle over a part of the points; what was drawn is exact to the pixel
    area = Area.drawn("features", *zip(*corners, strict=True))
    assert area is not None
    expected = int(area.holds(table["features_x"].to_numpy(), table["features_y"].to_numpy()).sum())
    assert 2 < expected < 58
    near = "|".join(str(expected + more) for more in range(-2, 3))
    expect(page.get_by_text(re.compile(rf"^({near}) of 60 images"))).to_be_visible()


def test_a_part_opens_on_demand_and_a_finding_by_keys(page: Page, studied: str) -> None:
    visit(page, f"{studied}/trust?run={RUN}")
    page.wait_for_url("**/maps?**")
    findings = page.locator(".findings details")
    expect(findings).to_have_count(0)
    page.locator("summary", has_text="Does LIME contradict Grad-CAM?").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**fold_agreement=true**")
    settle(page)
    expect(findings).not_to_have_count(0)
    findings.first.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(findings.first.get_by_text("Control", exact=True)).to_be_visible()
    page.reload()
    settle(page)
    expect(findings).not_to_have_count(0)
    # as addresses were before
    visit(page, f"{studied}/trust?run={RUN}&open=agreement")
    expect(findings).not_to_have_count(0)
