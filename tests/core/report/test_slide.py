"""The slide: what it says, and where its pictures and maps stand."""

import io
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageDraw, ImageFont

from core.explainers.cam import GRADCAM
from core.explainers.drawing import Style, draw_explanation
from core.explainers.explanation import Diagnostics, shuffled
from core.explainers.integrated_gradients import INTEGRATED_GRADIENTS
from core.homes import ROOT
from core.images.encoding import enlarged
from core.report import slide
from core.report.slide import GAP, MAP, MAPS_TOP, MARGIN, PICTURE, SIZE, TOP, Side, Story, draw_slide
from tests.conftest import make_detector, textured

REVERSED = "\N{RIGHT-TO-LEFT OVERRIDE}"


class Recorded(ImageDraw.ImageDraw):
    """Draws, and keeps each line of text with its corner."""

    texts: list[tuple[str, tuple[float, float]]]

    def text(self, xy, text, **options):
        self.keep(xy, text, options["font"])
        super().text(xy, text, **options)

    def multiline_text(self, xy, text, **options):
        for line in text.splitlines():
            self.keep(xy, line, options["font"])

    def keep(self, xy, text, font):
        Recorded.texts.append((text, xy))
        assert xy[0] + self.textlength(text, font=font) <= SIZE[0], "it ends on the slide"
        assert font.size >= 18, "it is legible"
        assert xy[1] < SIZE[1]


@pytest.fixture
def made(monkeypatch):
    """Two explanations of an image; what is drawn is recorded."""
    monkeypatch.setattr(slide.ImageDraw, "Draw", Recorded)
    Recorded.texts = []
    detector = make_detector()
    image = textured(1, fine=True, seed=3)[0]
    few = ({}, {"steps": 4})
    methods = (GRADCAM, INTEGRATED_GRADIENTS)
    return [
        next(iter(method.explain_batch(detector, image[None], method.settings(**some))))
        for method, some in zip(methods, few, strict=True)
    ]


def test_a_slide_tells_the_reason_and_shows_both_pictures_and_the_maps(made):
    style = Style("paper")
    random = shuffled(made[0], seed=1)
    other = textured(1, fine=False, seed=4)[0]
    sides = [Side(made[0].image, "FAKE", "as it is"), Side(other, "REAL", "blurring, 2 pixels")]
    file = draw_slide(
        [(explanation, style) for explanation in made],
        Story("Blur it, and it passes.", sides, "Its control leaves it. Of 90 verdicts 61% flip."),
        random=[random],
        label="FAKE",
        title=f"a {REVERSED}title",
        notes=("First.", "Second."),
        address="http://here/mistakes?id=a",
    )
    drawn = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    written = " ".join(text for text, _ in Recorded.texts)
    for text in (
        *("Blur it, and it passes.", "as it is", "blurring, 2 pixels", "61%", "a title. Detector: ", "First. Second."),
        *("http://here/mistakes?id=a", "A random map", GRADCAM.title, INTEGRATED_GRADIENTS.title),
    ):
        assert text in written
    # each picture carries its verdict in its lower corner, and is itself above it
    for number, side in enumerate(sides):
        x = MARGIN + number * (PICTURE + GAP)
        assert any(text == side.verdict and x <= at[0] < x + PICTURE for text, at in Recorded.texts)
        picture = Image.fromarray(enlarged(side.image, PICTURE)).resize((PICTURE, PICTURE))
        half = PICTURE // 2
        assert_array_equal(drawn[TOP : TOP + half, x : x + PICTURE], np.asarray(picture)[:half])
    # each map stands left of its name
    for name, explanation in (
        (GRADCAM.title, made[0]),
        (INTEGRATED_GRADIENTS.title, made[1]),
        ("A random map", random),
    ):
        [right] = [at[0] for text, at in Recorded.texts if text == name]
        left = int(right) - MAP - 20
        expected = Image.fromarray(draw_explanation(explanation, max(MAP, 256), style=style)).convert("RGB")
        assert_array_equal(drawn[MAPS_TOP : MAPS_TOP + MAP, left : left + MAP], expected.resize((MAP, MAP)))


@pytest.mark.parametrize("label", ["REAL", None])
def test_without_a_story_the_verdict_is_the_headline(made, label):
    bare = replace(made[0], values=None, diagnostics=Diagnostics(" ".join(["Nothing is in a place."] * 3)))
    draw_slide([(bare, Style("paper")), (made[1], Style("paper"))], label=label)
    headline = Recorded.texts[0][0]
    assert headline.startswith(f"Called {bare.verdict}")
    written = [text for text, _ in Recorded.texts]
    assert any("Nothing is in a place." in text for text in written)
    assert any("It is REAL." in text for text in written) == (label is not None)


def test_a_slide_is_written_in_the_apps_font_where_that_ships(made, monkeypatch, tmp_path):
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))["theme"]
    # Streamlit's name for Source Sans
    assert theme["font"] == "sans-serif"
    assert ImageFont.truetype(slide.FONT).getname()[0].startswith("SourceSans")
    explanations = [(one, Style()) for one in made]
    own = draw_slide(explanations)
    slide.font_of.cache_clear()
    monkeypatch.setattr(slide, "FONT", tmp_path / "none.woff2")
    assert draw_slide(explanations) != own
    slide.font_of.cache_clear()
