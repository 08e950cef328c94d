"""What those who are new to this do: the story by keys alone, the game to its end, a report read without a network."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.components.story import ROUND
from tests.browser.app import PATIENCE, settle, visit
from tests.browser.test_journeys import RUN, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STEPS = 5


def test_the_story_by_the_next_key_alone_and_the_dial_by_keys(page: Page, address: str) -> None:
    visit(page, f"{address}/?run={RUN}&step=1")
    for number in range(1, STEPS + 1):
        expect(page.get_by_text(f"Step {number} of {STEPS}")).to_be_visible(timeout=PATIENCE)
        assert f"step={number}" in page.url
        if number < STEPS:
            page.keyboard.press("ArrowRight")
    visit(page, f"{address}/?run={RUN}&step=2")
    changed = page.locator(".dial figure").nth(1)
    tab_to(page, "slider", "Strength")
    page.keyboard.press("Home")
    expect(changed).to_contain_text("not changed yet")
    expect(changed).to_contain_text("FAKE")
    page.keyboard.press("End")
    # the arrows are the slider's: the story stays where it is
    page.keyboard.press("ArrowLeft")
    settle(page)
    expect(page.get_by_text(f"Step 2 of {STEPS}")).to_be_visible()
    page.wait_for_url(re.compile("change=lowpass_"), timeout=PATIENCE)
    # another experiment, and the address that a colleague opens
    page.get_by_role("radio", name="Turn").check(force=True)
    page.wait_for_url(re.compile("change=turn_"), timeout=PATIENCE)
    settle(page)
    visit(page, page.url)
    expect(page.get_by_role("radio", name="Turn")).to_be_checked()


def test_the_game_to_its_end(page: Page, address: str) -> None:
    visit(page, f"{address}/play?run={RUN}&game=3")
    right = 0
    for number in range(1, ROUND + 1):
        expect(page.get_by_text(f"Image {number} of {ROUND}")).to_be_visible(timeout=PATIENCE)
        # a key does nothing before its button is there
        for name in ("REAL: a camera", "FAKE: a generator"):
            expect(page.get_by_role("button", name=name)).to_be_visible(timeout=PATIENCE)
        page.keyboard.press("1" if number % 2 else "2")
        answer = page.get_by_role("heading", name=re.compile("^(Right|Wrong).$"))
        expect(answer).to_be_visible(timeout=PATIENCE)
        right += answer.inner_text() == "Right."
        expect(page.get_by_role("button", name=re.compile("Next image|See the score"))).to_be_visible(timeout=PATIENCE)
        page.keyboard.press("n")
    expect(page.get_by_role("button", name="Ten other images")).to_be_visible(timeout=PATIENCE)
    settle(page)
    mine, detectors = page.get_by_test_id("stMetricValue").all_inner_texts()
    assert mine == f"{right} of {ROUND}"
    assert re.fullmatch(rf"\d+ of {ROUND}", detectors)
    expect(page.get_by_text("95% interval")).to_have_count(2)


@pytest.mark.parametrize("path", ["detectors?run={}", "mistakes?run={}&true=REAL"])
def test_a_report_is_whole_without_a_network(
    page: Page, browser: Browser, address: str, tmp_path: Path, path: str
) -> None:
    visit(page, f"{address}/{path.format(RUN)}")
    of_images = path.startswith("mistakes")
    if of_images:
        page.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Report").click()
    file = tmp_path / "report.html"
    waiting.value.save_as(file)
    context = browser.new_context(viewport={"width": 390, "height": 800})
    context.set_offline(True)
    saved = context.new_page()
    requests: list[str] = []
    saved.on("request", lambda request: requests.append(request.url))
    saved.goto(file.as_uri())
    assert [url for url in requests if not url.startswith("data:")] == [file.as_uri()]
    expect(saved.get_by_role("heading", level=1)).to_contain_text(RUN if of_images else RUN.partition("@")[0])
    drawn = saved.locator("img").evaluate_all("all => all.map((image) => image.complete && image.naturalWidth > 0)")
    assert drawn
    assert all(drawn)
    assert saved.locator(".tiles img").count() == (30 if of_images else 0)
    # a phone reads it without moving it sideways
    assert saved.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
