"""Patterns and Trust in a real browser: what is drawn on the picture opens in Explore, and Trust shows its parts."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from core.runs.filter import Area
from core.runs.run import read_run
from core.studies.columns import browse_table, further_columns
from core.studies.explanations import judged
from tests.browser.app import PATIENCE, POLLING, settle, visit
from tests.dashboard.studies import TRUST, add_studies
from tests.server import running_server

pytestmark = pytest.mark.browser
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
# in the order in which the page has them
QUESTIONS = (
    "How far does the margin fall and rise?",
    "Is LIME all one colour?",
    "Does LIME contradict Grad-CAM?",
    "Does it scale?",
    "Are the maps repeatable?",
    "Does what LIME calls certain hold under another fill?",
    "Does it depend on what the detector has learned?",
)


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
    page.wait_for_url("**/explore**")
    settle(page)
    found = re.search(r"[?&]area=([^&]+)", page.url)
    assert found
    area = Area.parse(found[1].replace("%3A", ":").replace("%3B", ";").replace("%2C", ","))
    assert area is not None
    return int(area.holds(table[f"{area.space}_x"].to_numpy(), table[f"{area.space}_y"].to_numpy()).sum())


def test_a_lasso_opens_its_images_in_explore(page: Page, studied: str, table: pd.DataFrame) -> None:
    visit(page, f"{studied}/patterns?run={RUN}&drag=lasso")
    names(page)
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


def test_a_box_opens_its_images_in_explore(page: Page, studied: str, table: pd.DataFrame) -> None:
    visit(page, f"{studied}/patterns?run={RUN}&space=maps")
    names(page)
    across, up = table["maps_x"].median(), table["maps_y"].median()
    drag(page, (across, up), (table["maps_x"].max() + 0.01, table["maps_y"].max() + 0.01))
    count = caught(page, table)
    expected = int(((table["maps_x"] > across) & (table["maps_y"] > up)).sum())
    assert abs(count - expected) <= 2
    assert count > 0
    expect(page.get_by_text(f"{count} of 60 images")).to_be_visible()


def test_a_colour_is_in_the_address(page: Page, studied: str) -> None:
    visit(page, f"{studied}/patterns?run={RUN}")
    before = names(page)
    assert all(name.startswith("cluster ") for name in before)
    page.get_by_role("combobox", name="Colour").click()
    page.get_by_role("option", name="Right or wrong", exact=True).click()
    page.wait_for_url("**colour=correct**")
    named(page, "right", "wrong")
    page.reload()
    page.wait_for_selector("h1")
    named(page, "right", "wrong")


def test_a_column_that_no_study_offers_colours_the_points_at_once(page: Page, studied: str, home: Path) -> None:
    column, about = next(iter(further_columns(home / "runs" / RUN).items()))
    visit(page, f"{studied}/patterns?run={RUN}")
    names(page)
    page.get_by_role("combobox", name="Colour").fill(about.label)
    page.get_by_role("option", name=f"{about.study}: {about.label[:1].lower()}{about.label[1:]}", exact=True).click()
    page.wait_for_url(f"**colour={column}**")
    gone = f"() => {{ const all = ({DRAWN})(); return all && !all.some((one) => one.startsWith('cluster ')) }}"
    page.wait_for_function(gone, timeout=PATIENCE, polling=POLLING)


def test_the_cards_are_those_of_the_chosen_group(page: Page, studied: str) -> None:
    visit(page, f"{studied}/patterns?run={RUN}&space=features&open=cards")
    page.get_by_role("radio", name="By margin map").click()
    page.wait_for_url("**space=maps**")
    settle(page)
    page.get_by_role("button", name=re.compile("^.*Explore all")).first.click()
    page.wait_for_url("**clusters.maps_cluster**")


def test_a_card_leads_to_its_images_by_keyboard(page: Page, studied: str, table: pd.DataFrame) -> None:
    visit(page, f"{studied}/patterns?run={RUN}&verdict=REAL&order=size&open=cards")
    counted = table.loc[table["predicted"] == "REAL", "clusters.features_cluster"].value_counts()
    leading = page.get_by_role("button", name=re.compile("^.*Explore all")).first
    leading.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/explore**")
    settle(page)
    expect(page.get_by_text(f"{counted.max()} of 60 images")).to_be_visible()


def test_an_area_by_keyboard(page: Page, studied: str, table: pd.DataFrame) -> None:
    visit(page, f"{studied}/patterns?run={RUN}")
    page.get_by_text("Select an area by coordinates").click()
    middle = round(float(table["features_x"].median()), 1)
    page.get_by_label("Right").fill(f"{middle}")
    # which sends the form
    page.keyboard.press("Enter")
    assert caught(page, table) == int((table["features_x"] < middle).sum())


def test_a_part_opens_on_demand_and_the_address_says_which(page: Page, studied: str) -> None:
    visit(page, f"{studied}/trust?run={RUN}")
    parts = page.get_by_test_id("stMain").locator("[data-testid=stExpander] > details > summary")
    expect(parts).to_have_count(len(QUESTIONS))
    assert [question in text for question, text in zip(QUESTIONS, parts.all_inner_texts(), strict=True)] == [True] * 7
    expect(page.locator(".js-plotly-plot")).to_have_count(0)
    parts.nth(2).focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**open=agreement**")
    settle(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    page.reload()
    settle(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(1)
    parts.nth(2).click()
    page.wait_for_url(lambda url: "open=" not in url)
    settle(page)
    expect(page.locator(".js-plotly-plot")).to_have_count(0)


@pytest.mark.parametrize("name", ["patterns", "trust"])
def test_folded_a_page_is_two_screens_at_most(page: Page, studied: str, name: str) -> None:
    visit(page, f"{studied}/{name}?run={RUN}")
    assert page.locator("[data-testid=stMainBlockContainer]").evaluate("element => element.scrollHeight") <= 2 * 900


def test_trust_shows_every_part(page: Page, studied: str) -> None:
    visit(page, f"{studied}/trust?run={RUN}&open=all")
    headings = [text.strip() for text in page.locator("h3").all_inner_texts()]
    assert [one for one in headings if one in QUESTIONS] == list(QUESTIONS)
    expect(page.locator(".js-plotly-plot")).to_have_count(5 + len(judged()))
    assert page.get_by_test_id("stException").count() == 0
    page.get_by_text("Verdict, right and wrong separately").click()
    page.wait_for_url("**by=cell**")
    settle(page)
    # a curve for each cell of the confusion matrix
    expect(page.locator(".js-plotly-plot")).to_have_count(7 + len(judged()))
    page.get_by_text("In full: every number").nth(1).click()
    settle(page)
    with page.expect_download(timeout=20_000) as waiting:
        page.get_by_role("button", name="Every image (CSV)").click()
    rows = Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 61
