"""The slide: what it says, in which colours, and where its picture and maps stand."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.explainers.cam import GRADCAM
from core.explainers.drawing import Style, bar_colours, draw_explanation, scale_of
from core.explainers.explanation import Diagnostics, Explanation, shuffled
from core.explainers.integrated_gradients import INTEGRATED_GRADIENTS
from core.findings.numbers import percent
from core.images.encoding import enlarged
from core.images.palette import CLASS_COLOURS, END_LABELS, UNDECIDED, rgb
from core.report import slide
from core.report.slide import GAP, MARGIN, PICTURE, SIZE, TOP, draw_slide
from tests.conftest import make_detector, textured

REVERSED = "\N{RIGHT-TO-LEFT OVERRIDE}"


class Recorded(ImageDraw.ImageDraw):
    """Draws, and keeps each text with its corner and colour."""

    texts: list[tuple[str, tuple[float, float], str]]

    def text(self, xy: Any, text: str, fill: Any = None, **options: Any) -> None:
        self.keep(xy, text, fill, options["font"])
        super().text(xy, text, fill=fill, **options)

    def multiline_text(self, xy: Any, text: str, fill: Any = None, **options: Any) -> None:
        for number, line in enumerate(text.splitlines()):
            self.keep((xy[0], xy[1] + 20 * number), line, fill, options["font"])

    def keep(self, xy: tuple[float, float], text: str, fill: str, font: Any) -> None:
        Recorded.texts.append((text, xy, fill))
        assert xy[0] + self.textlength(text, font=font) <= SIZE[0], "it ends on the slide"
        assert font.size >= 18, "it is legible"
        assert xy[1] < SIZE[1]


@pytest.fixture
def made() -> list[Explanation]:
    """Two explanations of an image, of which the first leaves a corner undecided."""
    detector = make_detector()
    image = textured(1, fine=True, seed=3)[0]
    first, second = (next(iter(method.explain_batch(detector, image[None], method.settings(**few))))
                     for method, few in ((GRADCAM, {}), (INTEGRATED_GRADIENTS, {"steps": 4})))  # fmt: skip
    return [replace(first, undecided=np.indices(first.map.shape).sum(axis=0) < 2), second]


@pytest.mark.parametrize(("margin", "label"), [(1.5, "REAL"), (-1.5, "REAL"), (-1.5, None)])
def test_a_slide(made: list[Explanation], monkeypatch: pytest.MonkeyPatch, margin: float, label: Any) -> None:
    monkeypatch.setattr(slide.ImageDraw, "Draw", Recorded)
    Recorded.texts = []
    maps = [replace(own, margin=margin, p_real=0.9 if margin > 0 else 0.1) for own in made]
    style = Style("paper")
    random = shuffled(maps[0], seed=1)
    file = draw_slide(
        [(own, style) for own in maps],
        random=[random],
        label=label,
        title=f"a {REVERSED}title",
        notes=("First.", "Second."),
    )
    drawn = np.asarray(Image.open(io.BytesIO(file)).convert("RGB")).astype(int)
    verdict = "REAL" if margin > 0 else "FAKE"
    texts = Recorded.texts
    said = [("Called ", slide.INK), (verdict, CLASS_COLOURS[verdict]), (f", {percent(0.9)} sure.", slide.INK)]
    said += [(" It is ", slide.INK), ("REAL", CLASS_COLOURS["REAL"]), (".", slide.INK)] * (label is not None)
    assert [(text, colour) for text, _, colour in texts[: len(said)]] == said
    written = " ".join(text for text, _, _ in texts)
    for text in ("a title. Detector: ", "First. Second.", "A random map", GRADCAM.title, INTEGRATED_GRADIENTS.title):
        assert text in written
    # the picture in its frame, on white
    frame = drawn[TOP : TOP + PICTURE, MARGIN : MARGIN + PICTURE]
    assert (frame[[0, 9, -1, -10]] == rgb(CLASS_COLOURS[verdict])).all()
    assert (frame[:, [0, 9, -1, -10]] == rgb(CLASS_COLOURS[verdict])).all()
    inner = (PICTURE - 20, PICTURE - 20)
    np.testing.assert_array_equal(
        frame[10:-10, 10:-10], Image.fromarray(enlarged(made[0].image, PICTURE)).resize(inner)
    )
    assert (drawn[[TOP - 1, TOP + PICTURE], MARGIN : MARGIN + PICTURE] == 255).all()
    # each map beneath its title, side by side, with its scale beneath it
    places = {text: at for text, at, _ in texts}
    titles = (GRADCAM.title, INTEGRATED_GRADIENTS.title, "A random map")
    lefts = [int(places[title][0]) for title in titles]
    side = lefts[1] - lefts[0] - GAP
    assert lefts[0] >= MARGIN + PICTURE + GAP
    assert lefts[2] + side <= SIZE[0] - MARGIN
    for left, explanation in zip(lefts, [*maps, random], strict=True):
        top = TOP + 50
        expected = Image.fromarray(draw_explanation(explanation, max(side, 256), style=style)).convert("RGB")
        np.testing.assert_array_equal(drawn[top : top + side, left : left + side], expected.resize((side, side)))
        colours = bar_colours("paper")
        bar = drawn[top + side + 14 + 8, left : left + side]
        assert (bar[[1, -2]] == [rgb(colours[0]), rgb(colours[-1])]).all()
        scale = scale_of(explanation, style)
        low, high = END_LABELS["paper"]
        beneath = {text for text, at, _ in texts if at[1] > top + side and left <= at[0] < left + side}
        assert {f"{-scale:.2g} {low}", f"{high} {scale:+.2g}"} <= beneath
        assert ("Hatched: undecided" in beneath) == (explanation.undecided is not None)
    assert ("Hatched: undecided", UNDECIDED) in [(text, colour) for text, _, colour in texts]


def test_an_explanation_without_a_map_is_its_sentence_above_its_settings(
    made: list[Explanation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slide.ImageDraw, "Draw", Recorded)
    Recorded.texts = []
    bare = replace(made[0], values=None, diagnostics=Diagnostics(" ".join(["Nothing is in a place."] * 9)))
    draw_slide([(bare, Style("paper")), (made[1], Style("paper"))])
    ((x, top),) = (at for text, at, _ in Recorded.texts if text == GRADCAM.title)
    heights = {
        colour: [at[1] for _, at, own in Recorded.texts if at[0] == x and own == colour]
        for colour in (slide.INK, slide.QUIET)
    }
    assert top < heights[slide.INK][1]
    assert max(heights[slide.INK]) < min(heights[slide.QUIET])
