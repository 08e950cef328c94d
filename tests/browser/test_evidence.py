"""Evidence in a real browser: a bar opens Explore with exactly the images whose verdicts turned."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from core.runs.run import read_run
from core.studies.flips import flip_rates, ranking, read_flips
from core.studies.store import read_study, study_path
from tests.browser.app import PATIENCE, settle, visit
from tests.dashboard.studies import add_studies
from tests.server import running_server

pytestmark = pytest.mark.browser
RUN = "tiny@seen-test"
# tiles on one page of Explore
TILES = 24


@pytest.fixture(scope="module")
def home(made_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made runs with the probes of one of them."""
    path = tmp_path_factory.mktemp("probed") / "home"
    shutil.copytree(made_home, path)
    add_studies(path, "probes")
    return path


@pytest.fixture(scope="module")
def probed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that has them."""
    with running_server(home, tmp_path_factory.mktemp("probed-cache")) as (found, _):
        yield found


@pytest.fixture(scope="module")
def turned(home: Path) -> dict[tuple[str, str], set[str]]:
    """The images of each verdict that each change of the page turns, where these are some and fit on a page."""
    run = read_run(home / "runs" / RUN)
    table = read_study(study_path(run.path, "probes"), run).table
    turns = read_flips(run, table)
    found = {}
    for verdict in ("FAKE", "REAL"):
        called = run.predictions["predicted"].to_numpy(str) == verdict
        for column in ranking(flip_rates(turns), verdict=verdict)["column"]:
            # NaN where the change could not be made
            after = pd.to_numeric(table[column]).to_numpy(float)
            ids = set(table["id"][called & ((after < 0) if verdict == "REAL" else (after > 0))])
            if 0 < len(ids) <= TILES:
                found[verdict, column] = ids
    assert {verdict for verdict, _ in found} == {"FAKE", "REAL"}
    return found


def test_a_bar_opens_exactly_the_images_that_turned(
    page: Page, probed: str, turned: dict[tuple[str, str], set[str]]
) -> None:
    for verdict in ("FAKE", "REAL"):
        (_, column), ids = next((key, ids) for key, ids in turned.items() if key[0] == verdict)
        visit(page, f"{probed}/evidence?run={RUN}&all=yes&open=ranking")
        bars = page.get_by_role("group", name=f"Share of {verdict} verdicts that each change flips")
        bars.locator(f"button[data-at='open-{column}']").click()
        page.wait_for_url("**/explore**")
        settle(page)
        tiles = page.locator(".grid .tile")
        expect(tiles).to_have_count(len(ids))
        assert {tile.get_attribute("data-id") for tile in tiles.all()} == ids
        expect(page.get_by_text(f"{len(ids)} of 60 images")).to_be_visible()


def test_a_picture_beside_a_bar_shows_that_change_below(page: Page, probed: str) -> None:
    visit(page, f"{probed}/evidence?run={RUN}&all=yes&open=ranking")
    bars = page.get_by_role("group", name="Share of FAKE verdicts that each change flips")
    name = bars.locator("button.what").nth(3)
    title = name.locator(".name").inner_text()
    name.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"[?&]probe="), timeout=PATIENCE)
    settle(page)
    expect(page.locator(".picture_rows").get_by_text(title, exact=True)).to_be_visible()


def test_what_a_pointer_shows_is_also_read_out(page: Page, probed: str) -> None:
    visit(page, f"{probed}/evidence?run={RUN}&open=probe")
    rate = page.locator(".picture_rows .rate").first
    expect(rate.locator(".spoken")).to_have_text(rate.get_attribute("title") or "no title")
    visit(page, f"{probed}/inspect?run={RUN}&evidence=turns&lime.n_samples=64")
    probe = page.locator(".probes .name").first
    expect(probe.locator(".spoken")).to_contain_text(probe.get_attribute("title") or "no title")
    # and takes no room
    assert page.locator(".spoken").first.bounding_box()["width"] <= 1
