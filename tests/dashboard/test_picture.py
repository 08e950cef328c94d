"""Pictures on pages: drawn once for an answer and a style, and equal to what core draws."""

import base64
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.detectors.detector import Detector
from core.explainers.cam import GRADCAM, CamSettings
from core.explainers.drawing import Style, draw_explanation
from core.explainers.lime.regions import LIME, LimeSettings
from dashboard.components import picture
from tests.conftest import textured

IMAGES = textured(2, fine=True, seed=11)


def test_a_picture_is_drawn_once_for_an_answer_and_a_style(
    tiny_detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, shown = [], []

    def draw(result: Any, size: int, **options: Any) -> Any:
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
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["source"].partition(",")[2]))))
        np.testing.assert_array_equal(pixels, draw_explanation(result, picture.SIZE, style=style))
        assert (data["rgb"] == "") == blind
        assert (data["legend"]["outline"] is not None) == (style.drawing == "outline")
