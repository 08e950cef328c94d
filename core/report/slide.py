"""One picture for a slide: an image, its verdict, and its maps with their scales and settings, 1920 x 1080 pixels."""

import io
from collections.abc import Sequence
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from core.console import one_direction
from core.explainers.drawing import Style, bar_colours, draw_explanation, scale_of
from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.explainers.settings import settings_text
from core.findings.numbers import percent
from core.images.encoding import enlarged
from core.images.labels import ClassName
from core.images.palette import CLASS_COLOURS, END_LABELS, UNDECIDED

SIZE = (1920, 1080)
MARGIN, GAP, TOP, PICTURE = 80, 32, 230, 540
INK, QUIET = "#1b1f27", "#5b626e"


def draw_slide(
    explanations: Sequence[tuple[Explanation, Style]],
    *,
    random: Sequence[Explanation] = (),
    label: ClassName | None = None,
    title: str = "",
    notes: Sequence[str] = (),
) -> bytes:
    """Draw a slide of one image.

    Args:
        explanations: of the image by one detector, one to three, each with its style; complete.
        random: a map that knows nothing, for comparison, drawn like the first explanation with a picture.
        label: the image's class; None if unknown.
        title: of the image.
        notes: sentences that must be read with it.

    Returns:
        A PNG file.
    """
    slide = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(slide)
    first = explanations[0][0]
    sure = percent(max(first.p_real, 1 - first.p_real))
    words = [("Called ", INK), (first.verdict, CLASS_COLOURS[first.verdict]), (f", {sure} sure.", INK)]
    if label is not None:
        words += [(" It is ", INK), (label, CLASS_COLOURS[label]), (".", INK)]
    x = float(MARGIN)
    for text, colour in words:
        draw.text((x, 90), text, fill=colour, font=_font(72))
        x += draw.textlength(text, font=_font(72))
    # the image, framed in its verdict's colour
    edge = 10
    slide.paste(CLASS_COLOURS[first.verdict], (MARGIN, TOP, MARGIN + PICTURE, TOP + PICTURE))
    picture = Image.fromarray(enlarged(first.image, PICTURE)).resize((PICTURE - 2 * edge, PICTURE - 2 * edge))
    slide.paste(picture, (MARGIN + edge, TOP + edge))
    shown = [(find_explainer(own.method).title, own, style, settings_text(own.settings)) for own, style in explanations]
    style = next((style for own, style in explanations if own.has_picture), explanations[0][1])
    shown += [
        ("A random map", own, style, "The first map's values in random places, for comparison.") for own in random
    ]
    left = MARGIN + PICTURE + 2 * GAP
    side = min(400, (SIZE[0] - MARGIN - left - GAP * (len(shown) - 1)) // len(shown))
    for number, (name, explanation, drawn, settings) in enumerate(shown):
        x, y = left + number * (side + GAP), TOP + 50
        draw.text((x, TOP - 6), name, fill=INK, font=_font(34))
        if explanation.has_picture:
            y = _paste_map(slide, draw, explanation, drawn, x=x, y=y, side=side)
        else:
            y = _write(draw, explanation.diagnostics.sentence, (x, y), 22, INK, columns=side // 10, lines=12)
        _write(draw, settings, (x, y), 20, QUIET, columns=side // 10, lines=8)
    footer = [f"{title}. Detector: {first.provenance.detector}.".removeprefix(". "), *notes]
    _write(draw, " ".join(footer), (MARGIN, SIZE[1] - 120), 22, QUIET, columns=150, lines=3)
    file = io.BytesIO()
    slide.save(file, format="PNG")
    return file.getvalue()


def _paste_map(
    slide: Image.Image, draw: ImageDraw.ImageDraw, explanation: Explanation, style: Style, *, x: int, y: int, side: int
) -> int:
    """Paste a map and its scale at a position, `side` pixels wide; return where what is beneath it begins."""
    drawn = Image.fromarray(draw_explanation(explanation, max(side, 256), style=style)).convert("RGB")
    slide.paste(drawn.resize((side, side)), (x, y))
    y += side + 14
    colours, scale, (low, high) = bar_colours(style.palette), scale_of(explanation, style), END_LABELS[style.palette]
    width = side / len(colours)
    for number, colour in enumerate(colours):
        draw.rectangle((x + number * width, y, x + (number + 1) * width, y + 16), fill=colour)
    font, right = _font(18), f"{high} {scale:+.2g}"
    draw.text((x, y + 22), f"{-scale:.2g} {low}", fill=QUIET, font=font)
    draw.text((x + side - draw.textlength(right, font=font), y + 46), right, fill=QUIET, font=font)
    y += 80
    if explanation.undecided is not None and explanation.undecided.any():
        draw.text((x, y), "Hatched: undecided", fill=UNDECIDED, font=font)
        y += 28
    return y


def _write(
    draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], size: int, colour: str, *, columns: int, lines: int
) -> int:
    """Write a text in lines of at most so many letters; return where what is beneath it begins."""
    written = "\n".join(wrap(one_direction(text), columns)[:lines])
    draw.multiline_text(at, written, fill=colour, font=_font(size), spacing=6)
    return round(draw.multiline_textbbox(at, written, font=_font(size), spacing=6)[3]) + 14


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    # Pillow's own, so that the slide is the same on every machine
    return ImageFont.load_default(size)
