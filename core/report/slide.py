"""One picture for a slide: the reason for a verdict, the image before and after, and its maps, 1920 x 1080 pixels."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from core.arrays import Pixels
from core.console import one_direction
from core.explainers.drawing import Style, bar_colours, draw_explanation
from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.explainers.settings import settings_text
from core.findings.numbers import percent
from core.homes import SHIPPED
from core.images.encoding import enlarged
from core.images.labels import CLASS_COLOURS, END_LABELS, ClassName

SIZE = (1920, 1080)
MARGIN = 80
GAP = 40
# top and side of the pictures, and of the maps beneath them
TOP, PICTURE = 230, 470
MAPS_TOP, MAP = 800, 170
INK = "#1b1f27"
QUIET = "#5b626e"
# the app's font, of which Streamlit sends browsers the same file
FONT = SHIPPED / "fonts" / "SourceSans3VF-Upright.ttf.woff2"


@dataclass(frozen=True, eq=False)
class Side:
    """An image of a slide.

    Attributes:
        image: uint8 (side, side, 3).
        verdict: on it, a class or another answer.
        words: what was done to it.
    """

    image: Pixels
    verdict: str
    words: str


@dataclass(frozen=True, eq=False)
class Story:
    """What a slide tells of an image.

    Attributes:
        headline: the change that flips the verdict, or that none does.
        sides: the image, and after that change.
        note: what its control does, and how often it flips such verdicts.
        answer: on the image, where that is not the verdict.
    """

    headline: str
    sides: Sequence[Side]
    note: str = ""
    answer: str = ""


def draw_slide(
    explanations: Sequence[tuple[Explanation, Style]],
    story: Story | None = None,
    *,
    random: Sequence[Explanation] = (),
    label: ClassName | None = None,
    title: str = "",
    notes: Sequence[str] = (),
    address: str = "",
) -> bytes:
    """Draw a slide of one image.

    Args:
        explanations: of the image by one detector, one to three, each with its style; complete.
        story: what flips the verdict; without it the headline is the verdict.
        random: a map that knows nothing, for comparison, drawn like the first explanation with a picture.
        label: the image's class; None if unknown.
        title: of the image.
        notes: sentences that must be read with it.
        address: where the page is.

    Returns:
        A PNG file.
    """
    slide = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(slide)
    first = explanations[0][0]
    verdict = f"Called {first.verdict}, {percent(max(first.p_real, 1 - first.p_real))} sure."
    if story is None:
        story = Story(verdict, [Side(first.image, first.verdict, "")])
    _write(draw, story.headline, (MARGIN, 64), 64, INK, columns=52, lines=2, bold=True)
    x = MARGIN
    for side in story.sides:
        _paste_picture(slide, draw, side, x)
        x += PICTURE + GAP
    said = story.answer or verdict
    if label is not None:
        said += f" It is {label}."
    y = _write(draw, said, (x + GAP, TOP), 38, INK, columns=(SIZE[0] - MARGIN - x) // 22, lines=3)
    _write(draw, story.note, (x + GAP, y + 16), 30, QUIET, columns=(SIZE[0] - MARGIN - x) // 18, lines=9)
    _paste_maps(slide, draw, explanations, random)
    footer = [f"{title}. Detector: {first.provenance.detector}.".removeprefix(". "), *notes, address]
    _write(draw, " ".join(footer), (MARGIN, SIZE[1] - 84), 20, QUIET, columns=165, lines=3)
    file = io.BytesIO()
    slide.save(file, format="PNG")
    return file.getvalue()


def _paste_picture(slide: Image.Image, draw: ImageDraw.ImageDraw, side: Side, x: int) -> None:
    """Paste an image with its verdict on it, and what was done to it beneath."""
    slide.paste(Image.fromarray(enlarged(side.image, PICTURE)).resize((PICTURE, PICTURE)), (x, TOP))
    font = font_of(36, bold=True)
    width = draw.textlength(side.verdict, font=font)
    corner = (x + 16, TOP + PICTURE - 74)
    colour = CLASS_COLOURS.get(side.verdict.removesuffix("-like"), QUIET)
    draw.rounded_rectangle((*corner, corner[0] + width + 36, corner[1] + 58), 10, fill=colour)
    draw.text((corner[0] + 18, corner[1] + 6), side.verdict, fill="white", font=font)
    _write(draw, side.words, (x, TOP + PICTURE + 12), 28, QUIET, columns=34, lines=1)


def _paste_maps(
    slide: Image.Image,
    draw: ImageDraw.ImageDraw,
    explanations: Sequence[tuple[Explanation, Style]],
    random: Sequence[Explanation],
) -> None:
    """Paste the maps in a row, each beside its method and settings."""
    shown = [
        (find_explainer(explanation.method).title, explanation, style, settings_text(explanation.settings))
        for explanation, style in explanations
    ]
    pictured = [style for explanation, style in explanations if explanation.has_picture]
    for explanation in random:
        shown.append(("A random map", explanation, pictured[0], "The first map's values in random places."))
    if pictured:
        _draw_legend(draw, pictured[0])
    width = (SIZE[0] - 2 * MARGIN) // len(shown)
    for number, (name, explanation, style, settings) in enumerate(shown):
        x = MARGIN + number * width
        words = settings
        if explanation.has_picture:
            drawn = Image.fromarray(draw_explanation(explanation, max(MAP, 256), style=style))
            slide.paste(drawn.resize((MAP, MAP)), (x, MAPS_TOP))
        else:
            words = explanation.diagnostics.sentence
        at = (x + MAP + 20, MAPS_TOP - 4)
        y = _write(draw, name, at, 28, INK, columns=20, lines=1, bold=True)
        _write(draw, words, (at[0], y), 18, QUIET, columns=(width - MAP - 40) // 9, lines=6)


def _draw_legend(draw: ImageDraw.ImageDraw, style: Style) -> None:
    """Draw what the colours of the maps speak for, above the last of them."""
    colours = bar_colours(style.palette)
    x = MARGIN + 2 * (PICTURE + GAP) + GAP
    y = MAPS_TOP - 64
    for colour, words in zip((colours[0], colours[-1]), END_LABELS[style.palette], strict=True):
        draw.rectangle((x, y + 4, x + 22, y + 26), fill=colour)
        draw.text((x + 34, y), words, fill=INK, font=font_of(24))
        x += 300


def _write(
    draw: ImageDraw.ImageDraw,
    text: str,
    at: tuple[int, int],
    size: int,
    colour: str,
    *,
    columns: int,
    lines: int,
    bold: bool = False,
) -> int:
    """Write a text in lines of at most so many letters; return where what is beneath it begins."""
    font = font_of(size, bold=bold)
    written = "\n".join(wrap(one_direction(text), columns)[:lines])
    draw.multiline_text(at, written, fill=colour, font=font, spacing=8)
    return round(draw.multiline_textbbox(at, written, font=font, spacing=8)[3]) + 14


@cache
def font_of(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the app's font, or Pillow's own where that does not ship or this Pillow cannot read it."""
    try:
        font = ImageFont.truetype(FONT, size)
        font.set_variation_by_name("Bold" if bold else "Regular")
    except OSError:
        return ImageFont.load_default(size)
    return font
