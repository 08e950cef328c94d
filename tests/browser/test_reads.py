"""What is drawn on the picture of groups opens on Mistakes, and parts and findings open by keys."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
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
# how many points are drawn, and where on the screen a place of the picture is
DRAWN = """() => {
  const plot = document.querySelector('.js-plotly-plot')
  return plot?._fullData?.length && plot.querySelector('.nsewdrag') ? plot._fullData.map((one) => one.name) : null
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


@pytest.fixture(scope="module")
def table(home: Path) -> pd.DataFrame:
    return browse_table(read_run(home / "runs" / RUN))


def names(page: Page) -> list[str]:
    """What the traces of the picture are called, once it is drawn."""
    return list(page.wait_for_function(DRAWN, timeout=PATIENCE, polling=POLLING).json_value())


def named(page: Page, *wanted: str) -> None:
    """Wait until the traces of the picture are called so."""
    drawn = f"wanted => String([...new Set(({DRAWN})())].sort()) === wanted"
    page.wait_for_function(drawn, arg=",".join(sorted(wanted)), timeout=PATIENCE, polling=POLLING)


def drag(page: Page, *corners: tuple[float, float]) -> None:
    """Drag over the picture from place to place."""
    # which waits until it stands still
    page.locator(".js-plotly-plot .nsewdrag").first.hover()
    first, *rest = [page.evaluate(PLACE, [float(end) for end in corner]) for corner in corners]
    page.mouse.move(*first)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def caught(page: Page, table: pd.DataFrame) -> int:
    """How many images the area in the address holds, by the places in the study."""
    page.wait_for_url("**/mistakes**")
    settle(page)
    found = re.search(r"[?&]area=([^&]+)", page.url)
    assert found
    area = Area.parse(found[1].replace("%3A", ":").replace("%3B", ";").replace("%2C", ","))
    assert area is not None
    return int(area.holds(table[f"{area.space}_x"].to_numpy(), table[f"{area.space}_y"].to_numpy()).sum())


def test_a_lasso_opens_its_images_in_explore(page: Page, studied: str, table: pd.DataFrame) -> None:
    visit(page, f"{studied}/patterns?run={RUN}")
    page.wait_for_url("**/reads?**tab=Patterns**")
    names(page)
    page.locator(".modebar-btn[data-title='Lasso Select']").dispatch_event("click")
    low, middle, high = (table["features_x"].quantile(share) for share in (0.2, 0.5, 0.8))
    bottom, top = (table["features_y"].quantile(share) for share in (0.1, 0.9))
    inside = [(low, bottom), (high, bottom), (middle, top), (low, bottom)]
    drag(page, *inside)
    count = caught(page, table)
    # what was drawn, to the pixel, is a triangle over a part of the points
    meant = Area.drawn("features", *zip(*inside[:3], strict=True))
    assert meant is not None
    expected = int(meant.holds(table["features_x"].to_numpy(), table["features_y"].to_numpy()).sum())
    assert 0 < expected < 60
    assert abs(count - expected) <= 2
    expect(page.get_by_text(f"{count} of 60 images")).to_be_visible()
    expect(page.locator(".grid .tile")).to_have_count(min(count, 24))


def test_a_part_opens_on_demand_and_a_finding_by_keys(page: Page, studied: str) -> None:
    visit(page, f"{studied}/trust?run={RUN}")
    page.wait_for_url("**/maps?**")
    part, findings = (
        page.locator("summary", has_text="Does LIME contradict Grad-CAM?"),
        page.locator(".findings details"),
    )
    expect(findings).to_have_count(0)
    part.focus()
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
