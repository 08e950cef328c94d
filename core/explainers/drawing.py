"""Explanations drawn, as maps over images at any size, and as `.npz` for programs.

Colours diverge from a neutral middle at 0 to the palette's two ends in steps that look equally large (CIEDE2000). 0 is
always the middle: a map is never stretched to fill its colours.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

from core.arrays import Array, Float64, Floats, Pixels
from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.images.encoding import enlarged
from core.images.labels import ENDS, NEUTRAL, OPACITY, UNDECIDED, Palette, rgb
from core.images.statistics import LUMA

SIZE = 384
STEPS = 128
HATCH = 8
# levels of the grey picture under a map: a tint is invisible on full black and white
DARKEST = 36
LIGHTEST = 232
# share of full colour for parts that are not decided alike under every fill, whatever their weight
LIGHT = 0.25
Drawing = Literal["overlay", "alone"]
DRAWINGS = {"overlay": "over the grey picture", "alone": "map alone"}


@dataclass(frozen=True)
class Style:
    """The drawing style of a map, on a page and in every file made of it.

    Attributes:
        palette: "class" or "paper".
        opacity: of the map over the image, 0 to 1.
        smooth: blend between a map's positions, where otherwise 4 x 4 values are 4 x 4 squares; maps of regions have
            edges, and stay as they are.
        scale: the value drawn in full colour, the same for panels that are compared; when None, that of `scale_of` for
            an explanation and the largest for plain values.
        drawing: over the grey picture, or alone.
        pixels: draw the picture's pixels as crisp rectangles; the map is drawn the same either way.
    """

    palette: Palette = "class"
    opacity: float = OPACITY
    smooth: bool = False
    scale: float | None = None
    drawing: Drawing = "overlay"
    pixels: bool = False


DEFAULT = Style()


def draw_image(image: Pixels, size: int, *, pixels: bool = False) -> Pixels:
    """Draw a square uint8 image as uint8 (size, size, 3): smooth, or with every pixel a crisp rectangle."""
    large = enlarged(image, size, pixels=pixels)
    if len(large) > size:
        large = _nearest(image, size)
    return large


def draw_map(values: Floats, size: int, style: Style = DEFAULT) -> Pixels:
    """A map alone, neutral where it is 0.

    Args:
        values: float (h, w), any size; positive is the palette's positive end.
        size: pixels a side of what is returned.
        style: palette, smoothness and scale.

    Returns:
        uint8 (size, size, 3).
    """
    return _colours(style.palette)[np.rint((_share(values, size, style) + 1) * STEPS).astype(int)]


def draw_overlay(image: Pixels, values: Floats, size: int, style: Style = DEFAULT) -> Pixels:
    """Draw a map over a greyscale image: grey where the map is 0, `style.opacity` of the end colour at full scale.

    The image is greyscale so that every visible colour is the map's. Arguments as for `draw_map`; `image` is uint8
    (height, width, 3).

    Returns:
        uint8 (size, size, 3).
    """
    share = _share(values, size, style)[..., None]
    negative, positive = (np.array(rgb(colour), np.float64) for colour in ENDS[style.palette])
    grey = draw_image(grey_picture(image), size, pixels=style.pixels)
    weight = style.opacity * np.abs(share)
    return np.rint(grey * (1 - weight) + np.where(share > 0, positive, negative) * weight).astype(np.uint8)


def draw_explanation(explanation: Explanation, size: int = SIZE, *, style: Style = DEFAULT) -> Pixels:
    """Draw an explanation's map in a style as uint8 (size, size, 3); regions are outlined, undecided ones hatched.

    The size is at least the image's.
    Parts that are decided, but not alike under every fill, get a light tint of their class, whatever their weight.
    """
    image = explanation.image
    values = explanation.decided_values
    regions = explanation.regions
    scale = scale_of(explanation, style)
    style = replace(style, scale=scale, smooth=style.smooth and regions is None)
    # smaller than the image it would leave out values
    size = max(size, len(image))
    if explanation.depends_on_fill is not None:
        values = np.where(explanation.depends_on_fill, LIGHT * scale * np.sign(values), values)
    if style.palette == "paper" and explanation.verdict == "FAKE":
        # its colours stand for and against the verdict
        values = -values
    if style.drawing == "overlay":
        drawn = draw_overlay(image, values, size, style)
    else:
        drawn = draw_map(values, size, style)
    if explanation.undecided is not None:
        stripes = np.add.outer(np.arange(size), np.arange(size)) % HATCH < 1 + HATCH // 8
        drawn[_nearest(explanation.undecided, size) & stripes] = rgb(UNDECIDED)
    if regions is not None:
        # a thin line where regions meet, grey enough for light and dark ground
        large = _nearest(regions, size)
        down = np.diff(large, axis=0, prepend=large[:1])
        right = np.diff(large, axis=1, prepend=large[:, :1])
        edge = (down != 0) | (right != 0)
        drawn[edge] = drawn[edge] // 3 + np.uint8(80)
    return drawn


def grey_picture(image: Pixels) -> Pixels:
    """Convert uint8 (height, width, 3) to grey of the same shape: its luma, scaled to `DARKEST`..`LIGHTEST`."""
    luma = image.astype(np.float64) @ LUMA.astype(np.float64)
    grey = np.rint(DARKEST + luma * ((LIGHTEST - DARKEST) / 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def common_scale(maps: Iterable[Floats]) -> float:
    """Return the largest magnitude in any of the maps: one scale for panels side by side."""
    return max((float(np.abs(np.nan_to_num(values)).max(initial=0)) for values in maps), default=0.0)


def scale_of(explanation: Explanation, style: Style = DEFAULT) -> float:
    """Return the value drawn in full colour: the style's, else the largest decided magnitude, with a minimum.

    The minimum is the score spread evenly over all positions or parts, so that a map without salient parts does not
    look like one with them; the values of a margin map average to the score less the bias, so there this is only a
    fraction of an even spread. Units other than "margin" and "probability" have none, nor has the "paper" palette, as
    in the paper.
    """
    if style.scale is not None:
        return style.scale
    score = 0.0
    if explanation.unit == "margin" and style.palette != "paper":
        score = abs(explanation.margin)
    if explanation.unit == "probability" and style.palette != "paper":
        # of the likelier class, as LIME explains it: without the temperature
        score = float(0.5 * (1 + np.tanh(abs(explanation.margin) / 2)))
    count = explanation.values.size
    if explanation.parts is not None:
        count = len(explanation.parts.weights)
    return max(common_scale([explanation.decided_values]), score / count)


def bar_colours(palette: Palette) -> tuple[str, ...]:
    """Return the colours of a legend, "#rrggbb", evenly spaced from the lowest value to the highest."""
    return tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in _colours(palette)[:: STEPS // 16].tolist())


def _share(values: Floats, size: int, style: Style) -> Float64:
    """Resize a map to (size, size), divide it by the scale and clip it to -1..1; NaN becomes 0."""
    largest = style.scale
    if largest is None:
        largest = common_scale([values])
    if largest <= 0:
        return np.zeros((size, size))
    finite = np.nan_to_num(np.asarray(values, np.float32), nan=0.0)
    if style.smooth:
        large = np.asarray(Image.fromarray(finite).resize((size, size), Image.Resampling.BILINEAR), np.float64)
    else:
        large = _nearest(finite, size).astype(np.float64)
    return np.clip(large / largest, -1, 1)


def _nearest(array: Array, size: int) -> Array:
    rows = np.arange(size) * array.shape[0] // size
    columns = np.arange(size) * array.shape[1] // size
    return array[rows[:, None], columns]


@lru_cache
def _colours(palette: Palette) -> Pixels:
    """uint8 (2 * STEPS + 1, 3), from the negative end over neutral to the positive end."""
    negative, positive = (_arm(end) for end in ENDS[palette])
    return np.concatenate([negative[:0:-1], positive])


def _arm(end: str) -> Pixels:
    """STEPS + 1 colours from neutral to `end` on a straight line in CIELAB, in steps of equal CIEDE2000 difference."""
    start, stop = (rgb2lab(np.array(rgb(colour)) / 255) for colour in (NEUTRAL, end))
    fine = start + np.linspace(0, 1, 2001)[:, None] * (stop - start)
    length = np.concatenate([[0], np.cumsum(deltaE_ciede2000(fine[:-1], fine[1:]))])  # type: ignore[no-untyped-call]
    even = np.interp(np.linspace(0, length[-1], STEPS + 1), length, np.arange(len(fine)))
    path = start + even[:, None] / (len(fine) - 1) * (stop - start)
    return np.asarray(np.rint(np.clip(lab2rgb(path), 0, 1) * 255), np.uint8)


def npz_of(explanation: Explanation) -> bytes:
    """Return every array of an explanation under its name, and the rest as JSON text under "about", as an .npz.

    Raises:
        ValueError: a number in it is not finite where JSON has to hold it.
    """
    everything = vars(explanation)
    if explanation.parts is not None:
        everything = everything | vars(explanation.parts)
        everything["labels"] = np.array(explanation.parts.labels)
    arrays = {key: value for key, value in everything.items() if isinstance(value, np.ndarray)}
    names = ("method", "verdict", "margin", "p_real", "unit", "one_sided", "done")
    about = {key: getattr(explanation, key) for key in names} | {
        "title": find_explainer(explanation.method).title,
        "settings": explanation.settings.model_dump(),
        "diagnostics": asdict(explanation.diagnostics),
        "provenance": asdict(explanation.provenance),
    }
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, about=np.array(json.dumps(about, allow_nan=False)), **arrays)
    return file.getvalue()
