"""Pictures on pages: drawn once for an answer and a style, and equal to what core draws."""

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from numpy.testing import assert_array_equal
from PIL import Image

from core.explainers import drawing
from core.explainers.cam import GRADCAM, CamSettings
from core.explainers.drawing import Style, draw_explanation
from core.explainers.lime.lime import LIME, LimeSettings
from core.images.labels import CLASS_COLOURS, rgb
from dashboard.components import picture
from dashboard.components.picture import Cell
from tests.conftest import textured

IMAGES = textured(2, fine=True, seed=11)


def pixels_of(url):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGBA"))


@pytest.mark.parametrize("crisp", [False, True])
def test_a_picture_is_encoded_once_however_often_it_is_drawn(crisp, monkeypatch):
    encoded = []
    urls = []
    save = Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda *args, **options: encoded.append(args) or save(*args, **options))
    monkeypatch.setattr(picture, "_mount", lambda *, key, data: None)
    monkeypatch.setattr(picture, "shows_pixels", lambda: crisp)
    monkeypatch.setattr(picture.st, "image", lambda source, **_: urls.append(source))
    st.cache_resource.clear()
    for _ in range(3):
        picture.picture_strip([Cell(IMAGES[0].copy(), "a picture", verdict=verdict) for verdict in ("FAKE", None)])
    assert len(encoded) == len(set(urls)) == 2
    framed, bare = (pixels_of(url)[..., :3].astype(int) for url in urls[:2])
    frame = np.array(rgb(CLASS_COLOURS["FAKE"]))
    assert np.abs(framed[0, 0] - frame).max() <= (0 if crisp else 8)
    edge = (len(framed) - len(bare)) // 2
    assert np.abs(framed[edge:-edge, edge:-edge] - bare).mean() < 4
    if crisp:
        assert_array_equal(bare[4::8, 4::8], IMAGES[0])


def test_a_picture_is_drawn_once_for_an_answer_and_a_style(tiny_detector, monkeypatch):
    drawn = []
    shown = []

    def draw(result, size, **options):
        drawn.append((result, options))
        return draw_explanation(result, size, **options)

    monkeypatch.setattr(picture, "draw_explanation", draw)
    monkeypatch.setattr(picture, "_mount", lambda *, key, data: shown.append(data))
    first, *_, last = LIME.explain(tiny_detector, IMAGES[0], LimeSettings(n_samples=128, n_segments=12))
    cams = GRADCAM.explain_batch(tiny_detector, IMAGES, CamSettings(layer="layer2"))
    styles = (Style(), Style("paper", 0.5), Style(scale=3.0), Style(drawing="outline"))
    asked = [(result, style, style is styles[1]) for result in (first, last, *cams) for style in styles]
    for _ in range(3):
        for result, style, blind in asked:
            # another visitor's, with the same content
            picture.explained_picture(replace(result), key="x", style=style, blind=blind)
    assert len(drawn) == len(asked)
    assert shown[: len(asked)] == shown[len(asked) : 2 * len(asked)] == shown[2 * len(asked) :]
    for (result, style, blind), data in zip(asked, shown, strict=False):
        assert_array_equal(pixels_of(data["source"]), draw_explanation(result, picture.SIZE, style=style))
        assert (data["rgb"] == "") == blind
        assert data["legend"]["outlined"] == (style.drawing == "outline")


def test_maps_of_a_page_are_drawn_once(open_page, monkeypatch):
    drawn = []
    draw = drawing.draw_overlay
    monkeypatch.setattr(drawing, "draw_overlay", lambda *args, **options: drawn.append(args) or draw(*args, **options))
    counts = []
    for _ in range(2):
        open_page("maps")
        counts.append(len(drawn))
    assert counts[0] == counts[1] > 0
