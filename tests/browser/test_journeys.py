"""What a visitor does, in a real browser: by mouse, and all of it by keyboard again."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from core.explainers.lime.regions import LimeSettings
from core.explainers.settings import describe
from core.runs.metrics import confusion_at
from core.runs.run import read_run
from dashboard.components.component import key_of
from tests.browser.app import PATIENCE, POLLING, settle, visit

pytestmark = pytest.mark.browser
RUN = "tiny@seen-test"
ACCUSED = "REAL-FAKE"
FOCUSED = """() => {
  let found = document.activeElement
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement
  // the page as a whole holds every word
  if (found === document.body) return ''
  const role = found?.type === 'range' ? 'slider' : found?.getAttribute('role')
  return [role, found?.dataset?.cell, found?.getAttribute('aria-label'), found?.innerText].filter(Boolean).join(' ')
}"""
# what Streamlit makes of the panel's key
LIME = key_of("lime", "tiny").replace(".", "-")
# the Stop button is pressed as soon as it is there, once: from out here that may be too late on a fast machine


@pytest.fixture(scope="module")
def accused(made_home: Path) -> int:
    """How many REAL images the run calls FAKE."""
    count = int(confusion_at(read_run(made_home / "runs" / RUN).predictions)[1, 0])
    assert count > 2
    return count


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    rows, columns = np.indices((150, 220))
    pixels = np.stack([rows, columns, (rows * columns) % 256], axis=2).astype(np.uint8)
    # as a phone held upright saves it: the pixels lie on their side, and EXIF says so
    turned = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "holiday.jpg", exif=exif)
    return tmp_path / "holiday.jpg"


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return tmp_path / "broken.png"


def tiles(page: Page) -> Locator:
    return page.locator(".grid .tile")


def lime(page: Page) -> Locator:
    """LIME's picture."""
    return page.get_by_role("img", name="LIME, over the grey picture")


def tab_to(page: Page, *what: str, most: int = 150) -> None:
    """Press Tab until all of `what` is in the role and label of what has the focus."""
    for _ in range(most):
        focused = page.evaluate(FOCUSED)
        if all(word in focused for word in what):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{most} Tabs never came to {what!r}")


def test_from_a_cell_to_an_explanation_to_another_browser(
    page: Page, browser: Browser, address: str, accused: int
) -> None:
    visit(page, f"{address}/?run={RUN}")
    cell = page.locator(f"[data-cell={ACCUSED}]")
    expect(cell.locator(".count")).to_have_text(str(accused))
    cell.click()
    page.wait_for_url("**/explore**")
    settle(page)
    expect(page.get_by_text(f"{accused} of 60 images")).to_be_visible()
    expect(tiles(page)).to_have_count(min(accused, 24))

    tiles(page).nth(1).locator(".open").click()
    page.wait_for_url("**/inspect**")
    settle(page)
    expect(page.get_by_text(f"2 of {accused}")).to_be_visible()
    expect(page.get_by_role("img", name="Grad-CAM, over the grey picture")).to_be_visible()
    before = told(page).inner_text()

    page.get_by_role("slider", name="Segments requested").press("ArrowRight")
    middle = told_anew(page, before)
    page.get_by_role("slider", name="Samples").press("ArrowLeft")
    after = told_anew(page, middle)
    assert len({before, middle, after}) == 3

    with_other = browser.new_context(viewport={"width": 1440, "height": 1000})
    other = with_other.new_page()
    visit(other, page.url)
    expect(told(other)).to_have_text(after)
    expect(other.get_by_text(f"2 of {accused}")).to_be_visible()
    with_other.close()


def told(page: Page) -> Locator:
    """What LIME says of its samples, also where it decides nothing and so has no picture."""
    return page.get_by_text(re.compile("different versions of the image in"))


def told_anew(page: Page, before: str) -> str:
    """LIME's new words; while the page is drawn again the old ones may stand beside them."""
    expect(told(page).filter(has_not_text=before).first).to_be_visible(timeout=PATIENCE)
    settle(page)
    expect(told(page)).to_have_count(1, timeout=PATIENCE)
    return told(page).inner_text()


def stopped(page: Page, address: str) -> Locator:
    """Stop LIME on its way; the button to go on with."""
    again = page.locator(f".st-key-{LIME}-again button")
    # if LIME was done before the button was pressed, try again with another seed
    for seed in range(1, 21):
        page.goto(f"{address}/inspect?run={RUN}&lime.n_samples=2048&lime.n_segments=120&lime.seed={seed}")
        page.locator(f".st-key-{LIME}-stop button").click()
        settle(page)
        if again.count():
            return again
    raise AssertionError("LIME was always done before it could be stopped")


def test_stop_next_and_back(page: Page, address: str, accused: int) -> None:
    again = stopped(page, address)
    expect(again).to_have_text(re.compile("Go on$"))
    again.click()
    expect(again).to_have_count(0)
    settle(page)
    expect(told(page)).to_be_visible()

    visit(page, f"{address}/inspect?run={RUN}&true=REAL&said=FAKE")
    expect(page.get_by_text(f"1 of {accused}")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text(f"2 of {accused}")).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.go_back()
    expect(page.get_by_text(f"1 of {accused}")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="All images").click()
    page.wait_for_url("**/explore**")
    settle(page)
    assert "true=REAL" in page.url
    expect(page.get_by_text(f"{accused} of 60 images")).to_be_visible()


def inspected(page: Page, tile: Locator) -> str | None:
    """Open an image of the grid in Inspect; its name for screen readers."""
    name = tile.locator(".open").get_attribute("aria-label")
    tile.locator(".open").click()
    page.wait_for_url("**/inspect**")
    settle(page)
    return name


def back_in_explore(page: Page) -> None:
    """Go one step back in the browser."""
    page.go_back()
    page.wait_for_url("**/explore**")
    settle(page)


def test_back_is_one_press_to_the_image_that_was_opened(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    visit(page, f"{address}/explore?run={RUN}&sort=name&page=2")
    # pictures, not controls: three rows of six stand on the first screen
    assert [tiles(page).nth(17).bounding_box()[side] > 0 for side in ("x", "y")] == [True, True]
    box = tiles(page).nth(17).bounding_box()
    assert box["y"] + box["height"] < 900
    opened = tiles(page).nth(20)
    name = inspected(page, opened)
    back_in_explore(page)
    assert "page=2" in page.url
    page.wait_for_function(f"name => ({FOCUSED})().includes(name)", arg=name, timeout=PATIENCE)
    expect(tiles(page).nth(20)).to_be_in_viewport()
    # also where the address still names the one before
    inspected(page, opened)
    page.get_by_role("button", name="All images").click()
    page.wait_for_url(re.compile(r"/explore.*[?&]at="))
    settle(page)
    name = inspected(page, tiles(page).nth(9))
    back_in_explore(page)
    page.wait_for_function(f"name => ({FOCUSED})().includes(name)", arg=name, timeout=PATIENCE)
    # and on a phone the first image
    page.set_viewport_size({"width": 390, "height": 844})
    visit(page, f"{address}/explore?run={RUN}")
    expect(tiles(page).first).to_be_in_viewport(ratio=1)


def test_back_is_one_press_to_the_page_before(page: Page, address: str) -> None:
    second = re.compile(r"/\?run=tiny(@|%40)blind-test$")
    visit(page, f"{address}/?run={RUN}")
    page.get_by_role("combobox", name="Run", exact=True).click()
    page.get_by_role("option", name="tiny on blind-test", exact=True).click()
    page.wait_for_url(second)
    settle(page)
    # by a link to the run that was just chosen, and by the navigation, whose addresses name no run
    ways = (
        (page.get_by_role("link", name="New here? Start the guide"), "guide"),
        (page.get_by_test_id("stSidebarNavLink").filter(has_text="Explore"), "explore"),
    )
    for link, name in ways:
        link.click()
        page.wait_for_url(re.compile(rf"/{name}\?run="))
        settle(page)
        page.go_back()
        page.wait_for_url(second)
        settle(page)


def test_ticks_in_quick_succession_are_all_kept(page: Page, address: str) -> None:
    visit(page, f"{address}/explore?run={RUN}")
    tiles(page).first.locator(".open").focus()
    for _ in range(8):
        page.keyboard.press("Space")
        # so that answers to earlier ticks come between later ones
        page.wait_for_timeout(150)
        page.keyboard.press("ArrowRight")
    expect(page.get_by_text("8 selected")).to_be_visible()
    settle(page)
    expect(page.locator(".grid .tile.picked")).to_have_count(8)


def test_the_pointer_reads_values(page: Page, address: str) -> None:
    visit(page, f"{address}/inspect?run={RUN}")
    picture = page.get_by_role("application", name="Grad-CAM, over the grey picture")
    box = picture.bounding_box()
    picture.hover(position={"x": box["width"] * 0.01, "y": box["height"] * 0.01})
    expect(page.get_by_text("0, 0 · rgb").first).to_be_visible()
    picture.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("1, 0 · rgb").first).to_be_visible()


def test_a_bar_keeps_the_focus_when_it_is_drawn_again(page: Page, address: str) -> None:
    visit(page, f"{address}/?run={RUN}")
    bars = page.get_by_role("group", name="Error rates, a button for each category.")
    bars.get_by_role("button").nth(1).focus()
    before = page.evaluate(FOCUSED)
    # which leaves the focus where it is
    page.get_by_test_id("stButtonGroup").get_by_text("FAKE called REAL", exact=True).evaluate("one => one.click()")
    page.wait_for_url("**of=FAKE**")
    settle(page)
    # the same bar with another number
    drawn = f"""before => {{
      const after = ({FOCUSED})()
      return after !== before && after.split('\\n')[0] === before.split('\\n')[0]
    }}"""
    page.wait_for_function(drawn, arg=before, timeout=PATIENCE, polling=POLLING)


def test_a_cell_is_a_switch_only_beside_a_filter(page: Page, address: str) -> None:
    for path, switch in (("", False), ("explore", True)):
        visit(page, f"{address}/{path}?run={RUN}")
        cells = page.locator("[data-cell]")
        expect(cells).to_have_count(4)
        assert cells.evaluate_all("all => all.map((one) => one.hasAttribute('aria-pressed'))") == [switch] * 4


def test_an_upload_is_explained_and_a_broken_one_is_a_sentence(
    page: Page, address: str, photograph: Path, broken: Path
) -> None:
    visit(page, f"{address}/upload?run={RUN}")
    page.locator("input[type=file]").set_input_files(photograph)
    expect(page.get_by_text("What the detector sees")).to_be_visible()
    settle(page)
    expect(page.get_by_role("img", name="Grad-CAM, over the grey picture")).to_be_visible()
    expect(lime(page)).to_be_visible()
    headline = page.get_by_role("heading", name=re.compile("Cannot tell|-like"))
    expect(headline).to_be_in_viewport()
    expect(page.get_by_role("button", name=re.compile("ways of saving"))).to_be_in_viewport()
    expect(page.get_by_text("220 x 150 pixels")).to_be_visible()
    crop = page.locator(".crop .frame")
    box = crop.bounding_box()
    assert box is not None
    assert box["width"] > box["height"]
    middle = crop.get_attribute("aria-label")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    settle(page)
    assert "from the left 70," in str(crop.get_attribute("aria-label"))
    crop.press("ArrowLeft")
    crop.press("+")
    expect(page.locator(".crop .spoken")).to_contain_text("136 pixels")
    settle(page)
    assert crop.get_attribute("aria-label") != middle
    visit(page, f"{address}/upload?run={RUN}")
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.get_by_text("broken.png: The file is not an image")).to_be_visible()
    assert page.get_by_text("Traceback").count() == 0


def test_several_uploads_are_a_table(page: Page, address: str, photograph: Path, broken: Path) -> None:
    visit(page, f"{address}/upload?run={RUN}")
    page.locator("input[type=file]").set_input_files([photograph, broken])
    expect(page.get_by_text("A click on a column's name sorts.")).to_be_visible()
    settle(page)
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_two_tagged_images_are_exported(page: Page, address: str) -> None:
    visit(page, f"{address}/explore?run={RUN}&sort=name")
    for number in (0, 3):
        tiles(page).nth(number).hover()
        tiles(page).nth(number).locator("input").check()
        expect(page.get_by_text(f"{1 if number == 0 else 2} selected")).to_be_visible()
        settle(page)
    page.get_by_role("textbox", name="Tag").fill("halo")
    page.get_by_role("button", name="Tag them").click()
    expect(tiles(page).nth(3).get_by_text("#halo")).to_be_visible(timeout=PATIENCE)
    settle(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Tags", exact=True).click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert sorted(row["id"] for row in rows if row["tags"] == "halo") == sorted(
        tiles(page).nth(number).get_attribute("data-id") for number in (0, 3)
    )
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == 60
    assert [row["tags"] for row in rows].count("halo") == 2


def test_further_filters_unfold_and_are_taken_away(page: Page, address: str) -> None:
    visit(page, f"{address}/explore?run={RUN}")
    page.get_by_text("More filters").click()
    settle(page)
    page.get_by_role("tab", name="What it looks like").click()
    slider = page.get_by_role("slider", name="Brightness").first
    # a tenth of its range each
    for _ in range(6):
        slider.press("PageUp")
    removing = page.get_by_role("button", name="Brightness from")
    page.wait_for_url(re.compile(rf"[?&]brightness={slider.input_value()}"), timeout=PATIENCE)
    expect(removing).to_be_visible()
    settle(page)
    expect(page.get_by_text(re.compile("^60 images;"))).to_have_count(0)
    removing.click()
    expect(page.get_by_text(re.compile("^60 images;"))).to_be_visible()
    page.wait_for_url(lambda url: "brightness=" not in url, timeout=PATIENCE)


def test_from_a_cell_to_an_explanation_by_keyboard(page: Page, browser: Browser, address: str, accused: int) -> None:
    visit(page, f"{address}/?run={RUN}")
    tab_to(page, ACCUSED)
    page.keyboard.press("Enter")
    page.wait_for_url("**/explore**")
    settle(page)
    expect(page.get_by_text(f"{accused} of 60 images")).to_be_visible()

    tab_to(page, "called FAKE with")
    # the whole grid is one stop
    assert page.locator('.grid [tabindex="0"]').count() == 1
    top = tiles(page).first.bounding_box()["y"]
    page.keyboard.press("Space")
    expect(page.get_by_text("1 selected")).to_be_visible()
    settle(page)
    assert tiles(page).first.bounding_box()["y"] == top, "what can be done with it moves no image"
    # the focus has stayed on the tile
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_text("2 selected")).to_be_visible()
    settle(page)
    assert "called FAKE with" in page.evaluate(FOCUSED)
    page.get_by_role("textbox", name="Tag").focus()
    page.keyboard.type("by hand")
    page.keyboard.press("Enter")
    expect(page.get_by_text("#by hand")).to_have_count(2, timeout=PATIENCE)
    settle(page)
    tab_to(page, "Tags")
    with page.expect_download() as downloading:
        page.keyboard.press("Enter")
    rows = list(csv.DictReader(Path(downloading.value.path()).read_text(encoding="utf-8-sig").splitlines()))
    assert sum("by hand" in row["tags"] for row in rows) == 2
    tab_to(page, "called FAKE with")
    page.keyboard.press("Enter")
    page.wait_for_url("**/inspect**")
    settle(page)
    before = told(page).inner_text()
    tab_to(page, "slider", "Segments requested")
    # one segment more to ask for may well find the same ones
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    # a busy server may still show an earlier place for a moment
    settle(page)
    place = int(page.get_by_role("slider", name="Segments requested").input_value())
    asked = next(one for one in describe(LimeSettings) if one.name == "n_segments").offers[place]
    page.wait_for_url(re.compile(rf"[?&]lime\.n_segments={asked}\b"), timeout=PATIENCE)
    middle = told_anew(page, before)
    tab_to(page, "slider", "Samples")
    page.keyboard.press("ArrowLeft")
    after = told_anew(page, middle)
    with_other = browser.new_context(viewport={"width": 1440, "height": 1000})
    other = with_other.new_page()
    visit(other, page.url)
    expect(told(other)).to_have_text(after)
    with_other.close()


def test_an_upload_by_keyboard(page: Page, address: str, photograph: Path, broken: Path) -> None:
    for file, sentence in ((broken, "broken.png: The file is not an image"), (photograph, "What the detector sees")):
        visit(page, f"{address}/upload?run={RUN}&lime.n_samples=64")
        tab_to(page, "Upload")
        with page.expect_file_chooser() as waiting:
            page.locator("[data-testid=stFileUploaderDropzone] button").first.focus()
            page.keyboard.press("Enter")
        waiting.value.set_files(file)
        expect(page.get_by_text(sentence)).to_be_visible()
    # from the upload to the explanation of a part of it that is saved, without a pointer
    expect(page.get_by_role("heading", name=re.compile("Cannot tell|REAL-like|FAKE-like"))).to_be_in_viewport()
    tab_to(page, "application", "Arrow keys move it")
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".crop .spoken")).not_to_have_text("")
    settle(page)
    expect(page.get_by_role("button", name=re.compile("ways of saving"))).to_be_visible()
    saving = page.get_by_role("button", name="Whole explanation as a page")
    expect(saving).to_be_enabled(timeout=PATIENCE)
    # the last answers draw the page once more, and a key that is pressed while they do is lost
    page.wait_for_timeout(1500)
    settle(page)
    expect(saving).to_be_enabled(timeout=PATIENCE)
    tab_to(page, "Whole explanation as a page")
    with page.expect_download(timeout=60_000) as downloading:
        page.keyboard.press("Enter")
    saved = Path(downloading.value.path()).read_text(encoding="utf-8")
    assert "Judgement: " in saved
    assert "The image was cut to a square" in saved


def test_the_square_of_an_upload_is_put_back(page: Page, address: str, photograph: Path) -> None:
    visit(page, f"{address}/upload?run={RUN}&lime.n_samples=64")
    page.locator("[data-testid=stFileUploaderDropzone] input").set_input_files(photograph)
    frame, square, spoken = (page.locator(f".crop .{part}") for part in ("frame", "square", "spoken"))
    expect(frame).to_be_visible(timeout=PATIENCE)
    settle(page)
    first = square.get_attribute("style")
    # before its movement was sent, and by a click that moves nothing
    frame.press("+")
    assert square.get_attribute("style") != first
    frame.press("0")
    expect(spoken).to_have_text("Put back")
    frame.click()
    page.wait_for_timeout(1000)
    settle(page)
    # a sent place would show here
    expect(spoken).to_have_text("Put back")
    assert square.get_attribute("style") == first
    for _ in range(3):
        frame.press("+")
    expect(spoken).to_have_text(re.compile("pixels"))
    settle(page)
    assert square.get_attribute("style") != first
    frame.dblclick()
    expect(spoken).to_have_text("Put back")
    page.wait_for_timeout(1000)
    settle(page)
    assert square.get_attribute("style") == first


def test_nonsense_in_the_address(page: Page, address: str) -> None:
    query = f"run=%00&said=%F0%9F&page=-1&true={'A' * 4000}&id=%3Cscript%3E&cut=1e400&pick=%2C%2C"
    # what every page makes of such an address is tested without a browser
    for name in ("overview", "explore", "inspect"):
        visit(page, f"{address}/{'' if name == 'overview' else name}?{query}")
        assert page.get_by_test_id("stException").count() == 0, name
        assert page.locator("h1").count() == 1, name
