"""What a visitor does, in a real browser: by mouse, and all of it by keyboard again."""

import hashlib
import io
import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import expect

from core.detectors.known import find_known
from core.detectors.local_networks import WIDTH, FerretDetector
from core.detectors.manifest import Classes
from core.explainers.lime import LimeSettings
from core.explainers.settings import describe
from core.homes import ROOT, SHIPPED
from core.images.decoding import decode
from core.images.preprocessing import Preprocessing
from core.runs.metrics import confusion_at
from core.runs.run import read_run
from dashboard.components.judged import ORDINARY
from tests.browser.app import PATIENCE, settle, visit
from tests.browser.test_accessibility import SCRIPT, STREAMLITS, TAGS, VIOLATIONS
from tests.core.detectors.test_ferretnet import make_network
from tests.core.images.github import Server
from tests.server import running_server

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


@pytest.fixture(scope="module")
def accused(made_home):
    """How many REAL images the run calls FAKE."""
    count = int(confusion_at(read_run(made_home / "runs" / RUN).predictions)[1, 0])
    assert count > 2
    return count


@pytest.fixture
def photograph(tmp_path):
    rows, columns = np.indices((150, 220))
    pixels = np.stack([rows, columns, (rows * columns) % 256], axis=2).astype(np.uint8)
    # as a phone held upright saves it: the pixels lie on their side, and EXIF says so
    turned = Image.fromarray(pixels).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "holiday.jpg", exif=exif)
    return tmp_path / "holiday.jpg"


def tiles(page):
    return page.locator(".grid .tile")


def samples(page):
    """LIME's sentence on its samples, also where it decides nothing and so has no picture."""
    return page.get_by_text(re.compile("different versions of the image in"))


def changed_samples(page, before):
    """LIME's new sentence; while the page is drawn again the old one may stand beside it."""
    expect(samples(page).filter(has_not_text=before).first).to_be_visible(timeout=PATIENCE)
    settle(page)
    expect(samples(page)).to_have_count(1, timeout=PATIENCE)
    return samples(page).inner_text()


def tab_to(page, *what):
    """Press Tab until all of `what` is in the role and label of what has the focus."""
    for _ in range(150):
        focused = page.evaluate(FOCUSED)
        if all(word in focused for word in what):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"150 Tabs never came to {what!r}")


def test_from_a_cell_to_an_explanation_to_another_browser(page, browser, address, accused):
    visit(page, f"{address}/mistakes?run={RUN}")
    cell = page.locator(f"[data-cell={ACCUSED}]")
    expect(cell.locator(".count")).to_have_text(str(accused))
    cell.click()
    expect(page.get_by_text(f"{accused} of 60 images")).to_be_visible()
    settle(page)
    expect(tiles(page)).to_have_count(min(accused, 24))

    tiles(page).nth(1).locator(".open").click()
    page.wait_for_url("**id=**")
    expect(page.get_by_text(f"2 of {accused}", exact=True)).to_be_visible()
    settle(page)
    expect(page.get_by_role("img", name="Grad-CAM, over the grey picture")).to_be_visible()
    page.get_by_text("Do they agree").click()
    before = samples(page).inner_text()

    page.get_by_role("slider", name="Segments requested").press("ArrowRight")
    middle = changed_samples(page, before)
    page.get_by_role("slider", name="Samples").press("ArrowLeft")
    after = changed_samples(page, middle)
    assert len({before, middle, after}) == 3

    with_other = browser.new_context(viewport={"width": 1440, "height": 1000})
    other = with_other.new_page()
    visit(other, page.url)
    other.get_by_text("Do they agree").click()
    expect(samples(other)).to_have_text(after)
    expect(other.get_by_text(f"2 of {accused}", exact=True)).to_be_visible()
    with_other.close()


def test_next_and_back_and_each_mistake_with_its_reason(page, address, accused):
    # as it was shared before
    visit(page, f"{address}/inspect?run={RUN}&true=REAL&said=FAKE")
    first = page.get_by_text(f"1 of {accused}", exact=True)
    expect(first).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_text(f"2 of {accused}", exact=True)).to_be_visible(timeout=PATIENCE)
    settle(page)
    page.go_back()
    expect(first).to_be_visible(timeout=PATIENCE)
    assert "/mistakes" in page.url
    assert "true=REAL" in page.url
    settle(page)
    page.get_by_role("button", name=f"All {accused}").click()
    expect(tiles(page)).to_have_count(min(accused, 24))
    page.get_by_role("button", name="cat", exact=True).click()
    page.wait_for_url("**category=cat**")
    settle(page)
    count = tiles(page).count()
    page.get_by_role("button", name="Reasons").click()
    cards = page.locator(".sheet figure")
    expect(cards).to_have_count(count)
    expect(cards.first.locator("img")).to_have_count(2)
    expect(cards.first).to_contain_text("REAL called FAKE")


def drag(page, frame, x, y):
    """Drag the square in the middle of a picture to a place, in shares of its width and height."""
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y, steps=4)
    page.mouse.up()


@pytest.mark.slow
def test_a_phone_picture_needs_one_upload_to_the_answer_and_the_dial(page, address, photograph):
    visit(page, f"{address}/try_picture?run={RUN}")
    page.locator("input[type=file]").set_input_files(photograph)
    crop = page.locator(".crop .frame")
    expect(crop).to_be_in_viewport(timeout=PATIENCE)
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("No answer"))
    expect(page.get_by_role("img", name=re.compile("Resized with bicubic"))).to_be_in_viewport()
    # the score that is not to be believed
    assert not re.search(r"p\(REAL\)|\d% sure", page.locator("[data-testid=stMain]").inner_text())
    square = page.locator(".crop .square")
    spoken = page.locator(".crop .spoken")
    middle = crop.get_attribute("aria-label")
    first = square.get_attribute("style")
    crop.press("+")
    assert square.get_attribute("style") != first
    crop.press("0")
    expect(spoken).to_have_text("Put back")
    assert square.get_attribute("style") == first
    drag(page, crop, 1, 0.5)
    settle(page)
    assert "from the left 70," in str(crop.get_attribute("aria-label"))
    crop.press("ArrowLeft")
    crop.press("+")
    expect(spoken).to_contain_text("136 pixels")
    settle(page)
    assert crop.get_attribute("aria-label") != middle
    page.get_by_text("Maps and their settings").click()
    settle(page)
    expect(page.get_by_role("img", name="LIME, over the grey picture")).to_be_visible()


@pytest.fixture
def ordinary(tmp_path):
    """A folder with a picture saved without loss, the same as JPEG, and a photograph of 24 megapixels."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rows, columns = np.indices((200, 300))
    drawn = Image.fromarray(np.stack([rows, columns % 256, rows * columns % 256], axis=2).astype(np.uint8))
    drawn.save(folder / "lossless.png")
    drawn.save(folder / "saved.jpg")
    drawn.resize((6000, 4000)).save(folder / "photograph.jpg", quality=90)
    return folder


@pytest.fixture
def product(tmp_path, ordinary):
    """A copy of what ships, and a server of the one file that it fetches.

    The file has the published network with random weights, which read windows of 160 pixels and find signs in the
    lossless picture; of JPEGs it is known to find nothing.
    """
    network = make_network(WIDTH)
    file = io.BytesIO()
    torch.save({"model": network.state_dict()}, file)
    about = find_known("ferretnet")
    steps = Preprocessing.of({**about.preprocess, "size": 160, "resize": 160})
    detector = FerretDetector(network, steps, Classes(about.classes, about.fake), config={"width": WIDTH})
    margins = detector.margins(steps.fit(decode((ordinary / "lossless.png").read_bytes()))[None])
    none = {"hits": 0, "images": 100, "sources": 5}
    every = {**none, "hits": 100}
    kinds = {
        "lossless": {"margin": float(margins[0]) + 1, "generated": every, "photographs": none},
        "jpeg": {"margin": 0.0, "generated": none, "photographs": none},
    }
    folder = tmp_path / "product"
    for name in ("core", "dashboard", ".streamlit"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "assets").symlink_to(SHIPPED)
    rates = {detector.identity.weights_sha256: {"detector": "ferretnet", "how": "", "kinds": kinds}}
    (folder / "core" / "answers" / "ordinary.json").write_text(json.dumps(rates))
    with Server(file.getvalue()).running() as address:
        table = folder / "core" / "detectors" / "known.toml"
        text = table.read_text()
        size = len(file.getvalue())
        for before, after in (
            (about.address, address),
            (about.sha256, hashlib.sha256(file.getvalue()).hexdigest()),
            (f"bytes = {about.bytes}", f"bytes = {size}"),
            ('size = 256, crop = "native"', 'size = 160, crop = "native"'),
        ):
            assert before in text
            text = text.replace(before, after)
        table.write_text(text)
        yield folder


@pytest.mark.slow
def test_ordinary_pictures_from_a_fresh_home(page, product, ordinary, tmp_path):
    headline = page.get_by_role("heading", level=1)
    maps = page.get_by_role("img", name=re.compile("with the exact map over it"))

    def expect_answer(scope):
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            expect(headline).to_have_text(ORDINARY[scope], timeout=PATIENCE)
            expect(maps.first).to_be_visible(timeout=PATIENCE)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.set_viewport_size({"width": 1440, "height": 900})

    with running_server(tmp_path / "home", tmp_path / "cache", folder=product) as (address, _):
        visit(page, f"{address}/try_picture")
        page.locator("input[type=file]").set_input_files(ordinary / "lossless.png")
        fetch = page.get_by_role("button", name="Fetch it")
        expect(fetch).to_be_in_viewport(timeout=PATIENCE)
        assert not (tmp_path / "home" / "detectors").exists()
        fetch.click()
        expect(page.get_by_role("progressbar").first).to_be_visible()
        # once it is there, it is asked
        expect_answer("signs")
        settle(page)
        page.get_by_role("radio", name="Paste a photograph").click()
        expect(maps).to_have_count(2, timeout=PATIENCE)
        settle(page)
        # what is pasted follows the pointer, and the keys
        pasted = page.locator(".crop .frame").last
        for way in ("pointer", "keys"):
            label = pasted.get_attribute("aria-label")
            source = str(maps.last.get_attribute("src"))
            if way == "keys":
                pasted.press("Shift+ArrowRight")
            else:
                drag(page, pasted, 0.05, 0.05)
            expect(maps.last).not_to_have_attribute("src", source, timeout=PATIENCE)
            settle(page)
            assert pasted.get_attribute("aria-label") != label
        page.evaluate(SCRIPT)
        assert page.evaluate(VIOLATIONS, [TAGS, STREAMLITS]) == []
        for name in ("saved.jpg", "photograph.jpg"):
            visit(page, f"{address}/try_picture")
            page.locator("input[type=file]").set_input_files(ordinary / name)
            expect_answer("gone")


@pytest.mark.slow
def test_from_a_cell_to_a_slide_by_keyboard(page, address, accused):
    visit(page, f"{address}/mistakes?run={RUN}")
    tab_to(page, ACCUSED)
    page.keyboard.press("Enter")
    expect(page.get_by_text(f"{accused} of 60 images")).to_be_visible()
    settle(page)

    tab_to(page, "called FAKE with")
    # the whole grid is one stop, and the focus stays on the tile
    assert page.locator('.grid [tabindex="0"]').count() == 1
    for number in (1, 2):
        page.keyboard.press("Space")
        expect(page.get_by_text(f"{number} selected")).to_be_visible()
        settle(page)
        page.keyboard.press("ArrowRight")
    page.get_by_role("textbox", name="Tag", exact=True).focus()
    page.keyboard.type("by hand")
    page.keyboard.press("Enter")
    expect(page.get_by_text("#by hand")).to_have_count(2, timeout=PATIENCE)
    settle(page)
    tab_to(page, "called FAKE with")
    page.keyboard.press("Enter")
    page.wait_for_url("**id=**")
    settle(page)
    tab_to(page, "slider", "Segments requested")
    # one segment more to ask for may well find the same ones
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    # a busy server may still show an earlier place for a moment
    settle(page)
    place = int(page.get_by_role("slider", name="Segments requested").input_value())
    asked = next(one for one in describe(LimeSettings) if one.name == "n_segments").offers[place]
    page.wait_for_url(re.compile(rf"[?&]lime\.n_segments={asked}\b"), timeout=PATIENCE)
    settle(page)
    tab_to(page, "Save as a slide")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    with Image.open(waiting.value.path()) as slide:
        assert slide.format == "PNG"
        assert slide.size == (1920, 1080)


def test_a_case_by_keys_alone(page, address, accused):
    visit(page, f"{address}/mistakes?run={RUN}&true=REAL&said=FAKE")
    tab_to(page, "called FAKE with")
    page.keyboard.press("Enter")
    page.wait_for_url("**id=**")
    settle(page)
    # the focus is on the picture, whose verdict is announced
    assert page.evaluate(FOCUSED).startswith("group ")
    expect(page.locator(".case [role=status]")).to_contain_text("Called FAKE")
    # the keys walk what the filter finds, and the focus goes along
    for key, number in (("ArrowRight", 2), ("n", 3), ("p", 2), ("ArrowLeft", 1)):
        page.keyboard.press(key)
        expect(page.get_by_text(f"{number} of {accused}", exact=True)).to_be_visible(timeout=PATIENCE)
        settle(page)
    assert page.evaluate(FOCUSED).startswith("group ")
    # on the divider they move it instead
    tab_to(page, "slider", "Divider")
    divider = page.get_by_role("slider", name="Divider")
    before = int(divider.input_value())
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(divider).to_have_js_property("value", str(before + 2))
    page.keyboard.press("Home")
    expect(divider).to_have_js_property("value", "0")
    expect(page.get_by_text(f"1 of {accused}", exact=True)).to_be_visible()
    # another change takes the place of the first
    last = page.locator(".case .change").last
    last.focus()
    page.keyboard.press("Enter")
    expect(last).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".case .change[aria-pressed=true]")).to_have_count(1)


BEATS = 6


@pytest.mark.slow
def test_the_stage_by_one_key_alone(page, address):
    visit(page, f"{address}/?run={RUN}&stage")
    dialog = page.locator("dialog[open]")
    expect(dialog).to_be_visible(timeout=PATIENCE)
    page.keyboard.press("a")
    expect(dialog).to_contain_text("1 hand")
    current = dialog.locator("[aria-current=step]")
    beats = dialog.locator(".dot").count()
    for _ in range(2 * BEATS):
        page.keyboard.press("Space")
    expect(current).to_have_attribute("aria-label", f"Beat {beats} of {beats}")
    page.wait_for_url(re.compile(f"stage={BEATS}"), timeout=PATIENCE)
    expect(dialog.locator(".notes")).to_have_count(0)
    page.keyboard.press("n")
    expect(dialog.locator(".notes")).to_be_visible()
    # each beat has an address, and Esc leads back to the page
    visit(page, page.url)
    expect(current).to_have_attribute("aria-label", f"Beat {beats} of {beats}", timeout=PATIENCE)
    # on a phone it is to be read as well, and left without keys
    page.set_viewport_size({"width": 390, "height": 844})
    expect(dialog.get_by_role("button", name="Leave the stage")).to_be_in_viewport(ratio=1)
    assert dialog.locator(".screen").evaluate("(screen) => parseFloat(getComputedStyle(screen).fontSize)") >= 16
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0, timeout=PATIENCE)
    expect(page.get_by_role("button", name="On stage")).to_be_visible()
    page.wait_for_url(re.compile(r"^(?!.*stage)"), timeout=PATIENCE)


@pytest.mark.slow
def test_the_dial_by_keys(page, address):
    visit(page, f"{address}/?run={RUN}")
    changed = page.locator(".dial figure").nth(1)
    tab_to(page, "slider", "Strength")
    page.keyboard.press("Home")
    expect(changed).to_contain_text("not changed yet")
    expect(changed).to_contain_text("FAKE")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(re.compile("change=lowpass_"), timeout=PATIENCE)
    # another experiment, and the address that a colleague opens
    page.get_by_role("radio", name="Turn").check(force=True)
    page.wait_for_url(re.compile("change=turn_"), timeout=PATIENCE)
    settle(page)
    visit(page, page.url)
    expect(page.get_by_role("radio", name="Turn")).to_be_checked()
