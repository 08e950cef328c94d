"""The slide: what it says, and where its pictures and maps stand."""

import io
import tomllib
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image, ImageDraw, ImageFont

from core.explainers.cam import GRADCAM
from core.explainers.drawing import Style, bar_colours, draw_explanation
from core.explainers.explanation import Diagnostics, shuffled
from core.explainers.integrated_gradients import INTEGRATED_GRADIENTS
from core.homes import ROOT
from core.images.encoding import enlarged
from core.images.labels import CLASS_COLOURS, END_LABELS
from core.report import slide
from core.report.slide import GAP, MAP, MAPS_TOP, MARGIN, PICTURE, SIZE, TOP, Side, Story, draw_slide
from tests.conftest import make_detector, textured

REVERSED = "\N{RIGHT-TO-LEFT OVERRIDE}"


class Recorded(ImageDraw.ImageDraw):
    """Draws, and keeps texts with their corners and boxes, and filled rectangles with their colours."""

    def text(self, xy, text, **options):
        self.keep(xy, text, options["font"], self.textbbox(xy, text, font=options["font"]))
        super().text(xy, text, **options)

    def multiline_text(self, xy, text, **options):
        if text:
            self.keep(xy, text, options["font"], self.multiline_textbbox(xy, text, font=options["font"], spacing=8))

    def keep(self, xy, text, font, box):
        Recorded.texts.append((text.replace("\n", " "), xy))
        Recorded.boxes[text] = box
        assert box[2] <= SIZE[0], "it ends on the slide"
        assert font.size >= 18, "it is legible"
        assert xy[1] < SIZE[1]

    def rectangle(self, xy, **options):
        Recorded.filled.append((options["fill"], *xy))
        super().rectangle(xy, **options)

    def rounded_rectangle(self, xy, *radius, **options):
        Recorded.filled.append((options["fill"], *xy))
        super().rounded_rectangle(xy, *radius, **options)


@pytest.fixture
def made(monkeypatch):
    """Two explanations of an image; what is drawn is recorded."""
    monkeypatch.setattr(slide.ImageDraw, "Draw", Recorded)
    Recorded.texts = []
    Recorded.boxes = {}
    Recorded.filled = []
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
    # each picture is itself above its verdict
    for number, side in enumerate(sides):
        x = MARGIN + number * (PICTURE + GAP)
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
        expected = Image.fromarray(draw_explanation(explanation, max(MAP, 256), style=style))
        assert_array_equal(drawn[MAPS_TOP : MAPS_TOP + MAP, left : left + MAP], expected.resize((MAP, MAP)))


@pytest.mark.parametrize("label", ["REAL", None])
def test_without_a_story_the_verdict_is_the_headline(made, label):
    bare = replace(
        made[0],
        undecided=np.ones_like(made[0].values, bool),
        diagnostics=Diagnostics(" ".join(["Nothing is in a place."] * 3)),
    )
    draw_slide([(bare, Style("paper")), (made[1], Style("paper"))], label=label)
    headline = Recorded.texts[0][0]
    assert headline.startswith(f"Called {bare.verdict}")
    written = [text for text, _ in Recorded.texts]
    assert any("Nothing is in a place." in text for text in written)
    assert any("It is REAL." in text for text in written) == (label is not None)


def test_a_slide_is_written_in_the_apps_font_where_that_ships(made, monkeypatch, tmp_path):
    theme = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
    # Streamlit's name for Source Sans
    assert theme["font"] == "sans-serif"
    assert ImageFont.truetype(slide.FONT).getname()[0].startswith("SourceSans")
    explanations = [(one, Style()) for one in made]
    own = draw_slide(explanations)
    slide.font_of.cache_clear()
    monkeypatch.setattr(slide, "FONT", tmp_path / "none.woff2")
    assert draw_slide(explanations) != own
    slide.font_of.cache_clear()


def lies_in(inner, outer):
    """Whether a box lies within another."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def overlap(first, second):
    """Whether two boxes share a place."""
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]


@pytest.mark.parametrize("length", [1, 60])
def test_nothing_on_a_slide_lies_on_anything_else_however_long_its_texts(made, length):
    story = {
        name: " ".join([f"{name} of what is told"] * length)
        for name in ("headline", "note", "answer", "first", "second")
    }
    placeless = replace(
        made[1],
        undecided=np.ones_like(made[1].values, bool),
        diagnostics=Diagnostics(" ".join(["placeless words"] * length)),
    )
    sides = [Side(made[0].image, "FAKE", story["first"]), Side(made[0].image, "REAL-like", story["second"])]
    told = Story(story["headline"], sides, story["note"], story["answer"])
    draw_slide(
        [(made[0], Style("paper")), (placeless, Style("paper"))], told, random=[shuffled(made[0], seed=1)],
        label="FAKE", title="title", notes=[" ".join(["noted words"] * length)], address="http://here",
    )  # fmt: skip
    places = [(MARGIN + n * (PICTURE + GAP), TOP) for n in range(2)]
    pictures = [(x, y, x + PICTURE, y + PICTURE) for x, y in places]
    width = (SIZE[0] - 2 * MARGIN) // 3
    maps = [(x, MAPS_TOP, x + MAP, MAPS_TOP + MAP) for x in (MARGIN, MARGIN + 2 * width)]
    texts = dict(Recorded.boxes)
    verdicts = [texts.pop("FAKE"), texts.pop("REAL-like")]
    badges = Recorded.filled[:2]
    legend = Recorded.filled[2:]
    # each verdict is on a badge of its class, in its picture
    for (colour, *badge), text, picture, class_name in zip(badges, verdicts, pictures, ("FAKE", "REAL"), strict=True):
        assert colour == CLASS_COLOURS[class_name]
        assert lies_in(text, badge)
        assert lies_in(badge, picture)
    # the colours of both ends stand before their words
    assert [colour for colour, *_ in legend] == [bar_colours("paper")[0], bar_colours("paper")[-1]]
    assert all(texts[words][0] - square[2] > 0 for (_, *square), words in zip(legend, END_LABELS["paper"], strict=True))
    everything = [*texts.values(), *pictures, *maps, *(square for _, *square in legend)]
    slide_box = (MARGIN - 4, 0, SIZE[0] - MARGIN / 2, SIZE[1])
    assert all(lies_in(box, slide_box) for box in everything)
    crowded = [(a, b) for a, b in combinations(everything, 2) if overlap(a, b)]
    assert crowded == []
