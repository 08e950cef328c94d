"""What a new user sees in the first minute: an empty cache, no address, and CIFAKE."""

import base64
import contextlib

import numpy as np
import pytest
from playwright.sync_api import TimeoutError as TooLate
from playwright.sync_api import expect

from core.images.decoding import decode
from tests.browser.app import PATIENCE, settle, shipped

pytestmark = pytest.mark.browser


@pytest.fixture
def new_server():
    """The project as it ships, never started before."""
    with shipped() as address:
        yield address


def test_from_nothing_to_an_explained_mistake(page, new_server, cifake_test):
    # another visitor follows a link to an image: that page stops early while no picture has been read, and its timer
    # for being redrawn must survive that
    linked = page.context.new_page()
    linked.goto(f"{new_server}/inspect?run=swift%40cifake-test&id={cifake_test.rows['id'][0]}", wait_until="commit")
    page.goto(f"{new_server}/mistakes?pixels=on")
    # numbers are there before any picture has to be
    page.wait_for_selector(".tile", timeout=PATIENCE)
    expect(page.locator("[data-cell='FAKE-REAL'] .count")).to_have_text("315")
    # until then their margin maps stand in for them
    expect(page.get_by_text("All pictures are here.")).to_be_visible(timeout=PATIENCE)
    expect(linked.get_by_role("img", name="LIME, over the grey picture")).to_be_visible(timeout=PATIENCE)
    linked.close()
    settle(page)
    assert "run=swift%40cifake-test" in page.url
    row_of = {id_: row for row, id_ in enumerate(cifake_test.rows["id"])}
    shown = page.eval_on_selector_all(
        ".grid .tile", "tiles => tiles.map(tile => [tile.dataset.id, tile.querySelector('img').src])"
    )
    assert len(shown) == 24
    for id_, source in shown:
        picture = decode(base64.b64decode(source.partition("base64,")[2]))
        np.testing.assert_array_equal(picture, cifake_test.pixels[row_of[id_]])

    filtered = page.get_by_text("315 of 20,000 images")
    for _ in range(3):
        # the page is drawn once more when its pictures are there, and a click in that moment is lost
        page.locator("[data-cell='FAKE-REAL']").click()
        with contextlib.suppress(TooLate):
            filtered.wait_for(timeout=20_000)
            break
    expect(filtered).to_be_visible()
    settle(page)
    page.locator(".grid .tile .open").first.click()
    page.wait_for_url("**id=**")
    settle(page)
    expect(page.get_by_text("1 of 315")).to_be_visible()
    expect(page.get_by_role("img", name="Grad-CAM, over the grey picture")).to_be_visible()
    expect(page.get_by_role("img", name="LIME, over the grey picture")).to_be_visible()
