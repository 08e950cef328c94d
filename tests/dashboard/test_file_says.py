"""The section "What the file says" of Upload: claims as text, and a transparent picture on white and on black."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.detectors.storage import load_detector
from core.images.preprocessing import Preprocessing, prepare_pixels
from dashboard.components.judged import on_both
from tests.core.images.origin_files import WEBUI, exif, png, saved
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import settled, words
from tests.dashboard.test_upload import BROKEN, upload


def transparent() -> Image.Image:
    """Soft noise, half of which is transparent."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    pixels[:, :, 3] = np.where(np.arange(64) < 32, 255, 0)
    return Image.fromarray(pixels)


def test_what_a_file_says(open_page: Open) -> None:
    settings = WEBUI + "\n**bold** <img src=x>"
    app = upload(
        open_page("try_picture", run="tiny@seen-test"), ("drawn.png", png({"parameters": settings}), "image/png")
    )
    assert not app.exception
    said = words(app)
    assert "**The file says that a generator made it.**" in said
    assert "Stable Diffusion WebUI or one of its kind, model “dreamshaper" in said
    assert any(element.value == settings for element in app.code)
    # what a stranger wrote is nowhere read as Markdown
    assert not any("**bold**" in element.value for element in app.markdown)


def test_a_file_that_says_nothing_and_one_that_contradicts_itself(open_page: Open) -> None:
    app = upload(open_page("try_picture", run="tiny@seen-test"), ("plain.png", saved("PNG"), "image/png"))
    assert "The file does not say whether a camera or a generator made it" in words(app)
    assert "transparent" not in words(app)
    comment = b"ASCII\0\0\0" + WEBUI.encode()
    both = saved("JPEG", exif=exif(camera=("Canon", "EOS R6"), comment=comment))
    assert "says both" in words(upload(app, ("both.jpg", both, "image/jpeg")))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_transparent_picture_is_asked_about_on_both_grounds(open_page: Open, home: Path, kind: str) -> None:
    data = (
        saved(kind, np.asarray(transparent()), lossless=True)
        if kind == "WEBP"
        else saved(kind, np.asarray(transparent()))
    )
    laid = on_both(data, Preprocessing(32))
    assert laid is not None
    # laid by hand
    for number, grey in enumerate((255, 0)):
        pixels = np.asarray(transparent()).copy()
        pixels[:, 32:, :3] = grey
        np.testing.assert_array_equal(laid[number], prepare_pixels(pixels[:, :, :3], Preprocessing(32)).seen("bicubic"))
    white, black = load_detector(home / "detectors" / "tiny").margins(laid)
    app = settled(
        upload(open_page("try_picture", run="tiny@seen-test"), (f"a.{kind.lower()}", data, f"image/{kind.lower()}"))
    )
    said = words(app)
    depends = "**depends** on that" if (white > 0) != (black > 0) else "does not depend on that"
    assert f"Its verdict {depends}" in said


def test_an_opaque_picture_with_an_alpha_channel_is_no_question() -> None:
    pixels = np.asarray(transparent()).copy()
    pixels[:, :, 3] = 255
    assert on_both(saved("PNG", pixels), Preprocessing(32)) is None


def test_after_an_error_the_examples_stay(open_page: Open) -> None:
    app = upload(open_page("try_picture", run="tiny@seen-test"), BROKEN)
    assert app.error[0].value.startswith("broken.png: ")
    assert "Or begin with one of these." in words(app)
