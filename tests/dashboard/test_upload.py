"""Uploaded files: one is explained, several are a table, and what is no image is a sentence."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.detector import load_detector
from core.upload import prepare, settle
from dashboard.widgets.words import CLASS_WORDS
from tests.dashboard.conftest import Open
from tests.dashboard.test_pages import settled, words

BROKEN = ("broken.png", b"\x89PNG\r\n\x1a\n and no more", "image/png")


def picture(seed: int, height: int = 90, width: int = 120) -> bytes:
    """A PNG of soft stripes."""
    rows, columns = np.indices((height, width))
    pixels = np.stack([rows * seed, columns, (rows + seed * columns)], axis=2) % 256
    buffer = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(app: AppTest, *files: tuple[str, bytes, str]) -> AppTest:
    app.file_uploader(key="upload.files").set_value(list(files)).run()
    return settled(app)


def test_a_picture_is_called_under_every_filter(open_page: Open, home: Path) -> None:
    data = picture(3)
    app = upload(open_page("upload", run="tiny@seen-test"), ("stripes.png", data, "image/png"))
    assert not app.exception
    assert not app.error
    ready = prepare(data)
    margins = load_detector(home / "detectors" / "tiny").margins(ready.pixels)
    table = next(element.value for element in app.table if "margin" in element.value)
    assert table["margin"].tolist() == [f"{margin:+.2f}" for margin in margins]
    assert table["called"].tolist() == [CLASS_WORDS["REAL" if margin > 0 else "FAKE"] for margin in margins]
    outcome = settle(margins)
    assert ("Undetermined" if outcome == "undetermined" else f"Called {CLASS_WORDS[outcome]}") in words(app)
    assert "stripes.png, 120 x 90 pixels" in words(app)


def test_what_is_no_image_is_one_sentence(open_page: Open) -> None:
    app = upload(open_page("upload", run="tiny@seen-test"), BROKEN)
    assert not app.exception
    assert len(app.error) == 1
    assert app.error[0].value.startswith("broken.png: The file is not an image")


def test_several_are_a_table_and_one_of_them_is_explained(open_page: Open, home: Path) -> None:
    files = [(f"stripes{seed}.png", picture(seed), "image/png") for seed in (2, 5)]
    app = upload(open_page("upload", run="tiny@seen-test"), files[0], BROKEN, files[1])
    assert not app.exception
    table = app.dataframe[0].value
    assert table["file"].tolist() == ["stripes2.png", "broken.png", "stripes5.png"]
    detector = load_detector(home / "detectors" / "tiny")
    for row, (_, data, _) in ((0, files[0]), (2, files[1])):
        margins = detector.margins(prepare(data).pixels)
        assert table["verdict"][row] == settle(margins)
        np.testing.assert_allclose(table["highest margin"][row], margins.max(), rtol=1e-5)
        assert table["seen"][row].startswith("data:image/png;base64,")
    assert "not an image" in table["verdict"][1]
    chosen = app.selectbox(key="upload.chosen")
    assert "stripes2.png, 120 x 90 pixels" in words(app)
    chosen.select_index(2)
    assert "stripes5.png, 120 x 90 pixels" in words(settled(app.run()))
