"""Explanations drawn and saved: maps over images as RGBA at any size, `.npz` for programs, PNG for slides.

Colours diverge from a neutral middle at 0 to the palette's two ends in steps that look equally large (CIEDE2000). 0 is
always the middle: a map is never stretched to fill its colours.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage.color import deltaE_ciede2000, lab2rgb, rgb2lab

from core.explainers.explanation import Explanation
from core.explainers.registry import find_explainer
from core.images.encoding import encode_png, enlarged
from core.images.palette import END_LABELS, ENDS, NEUTRAL, OPACITY, PALETTES, UNDECIDED, Palette, rgb
from core.images.statistics import LUMA
from core.storage import write_bytes_atomically

STEPS = 128
HATCH = 8
# levels of the grey picture under a map: in full black and white a tint would not be seen
DARKEST, LIGHTEST = 36, 232
# of the area, the part that an outline encloses
STRONGEST = 0.25
Values = NDArray[np.floating]


@dataclass(frozen=True)
class Legend:
    """A colour bar, left to right.

    Attributes:
        colours: "#rrggbb", evenly spaced from the lowest value to the highest.
        ticks: the values at the left end, the middle and the right end.
        labels: what the left and the right end mean.
        unit: of the ticks.
    """

    colours: tuple[str, ...]
    ticks: tuple[float, float, float]
    labels: tuple[str, str]
    unit: str


def draw_image(image: NDArray[np.uint8], size: int, *, pixels: bool = False) -> NDArray[np.uint8]:
    """Draw a square uint8 image as opaque RGBA (size, size, 4): smooth, or with every pixel a crisp rectangle."""
    large = enlarged(image, size, pixels=pixels)
    large = _nearest(image, size) if len(large) > size else large
    return np.dstack([large, np.full((size, size), 255, np.uint8)])


def draw_map(
    values: Values,
    size: int,
    *,
    scale: float | None = None,
    palette: Palette = "class",
    smooth: bool = False,
    undecided: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """A map alone, opaque, neutral where it is 0.

    Args:
        values: float (h, w), any size; positive is the palette's positive end, see `orient`.
        size: pixels a side of what is returned.
        scale: the value drawn in full colour; the map's own largest when None. Give one `common_scale` to panels
            that are compared.
        palette: "class" or "paper".
        smooth: interpolate between positions; otherwise 4 x 4 values are 4 x 4 squares.
        undecided: bool, of any size, hatched in grey instead, without any colour.

    Returns:
        uint8 RGBA (size, size, 4).
    """
    share = _share(values, size, scale, smooth)
    colours = _colours(palette)[np.rint((share + 1) * STEPS).astype(int)]
    drawn = np.dstack([colours, np.full((size, size), 255, np.uint8)])
    return drawn if undecided is None else _hatch(drawn, undecided, rgb(NEUTRAL))


def draw_overlay(
    image: NDArray[np.uint8],
    values: Values,
    size: int,
    *,
    scale: float | None = None,
    palette: Palette = "class",
    smooth: bool = False,
    undecided: NDArray[np.bool_] | None = None,
    opacity: float = OPACITY,
    pixels: bool = False,
) -> NDArray[np.uint8]:
    """Draw a map over a greyscale image: grey where the map is 0, `opacity` of the end colour at full scale.

    The image is greyscale so that every visible colour is the map's. Arguments as for `draw_map`; `image` is uint8
    (height, width, 3), `opacity` 0 to 1, and `pixels` as for `draw_image`.

    Returns:
        uint8 RGBA (size, size, 4), opaque.
    """
    share = _share(values, size, scale, smooth)[..., None]
    ends = np.array([rgb(colour) for colour in ENDS[palette]], np.float64)
    drawn = draw_image(grey_picture(image), size, pixels=pixels)
    weight = opacity * np.abs(share)
    if undecided is not None:
        weight[_nearest(undecided, size)] = 0
    blended = drawn[..., :3] * (1 - weight) + np.where(share > 0, ends[1], ends[0]) * weight
    drawn[..., :3] = np.rint(blended).astype(np.uint8)
    return drawn if undecided is None else _hatch(drawn, undecided, None)


def draw_outline(
    image: NDArray[np.uint8],
    values: Values,
    size: int,
    *,
    palette: Palette = "class",
    smooth: bool = False,
    pixels: bool = False,
) -> NDArray[np.uint8]:
    """Draw an image in its own colours, with lines around the strongest quarter of a map, coloured by sign.

    Arguments as for `draw_overlay`. Zeros are never enclosed; positions that tie with the weakest enclosed ones are.

    Returns:
        uint8 RGBA (size, size, 4), opaque.
    """
    share = _share(values, size, None, smooth)
    strength = np.abs(share)
    least = np.quantile(strength, 1 - STRONGEST)
    drawn = draw_image(image, size, pixels=pixels)
    line, halo = max(1, size // 100), max(1, size // 200)
    for end, positive in zip(ENDS[palette], (False, True), strict=True):
        inside = (strength >= least) & (strength > 0) & ((share > 0) == positive)
        # a white rim beside the line: one of the two shows on any background; all around the picture is outside
        for width, colour in ((line + halo, (255, 255, 255)), (line, rgb(end))):
            drawn[inside & ~ndimage.binary_erosion(inside, iterations=width), :3] = colour
    return drawn


def grey_picture(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert uint8 (height, width, 3) to grey of the same shape: its luma, scaled to `DARKEST`..`LIGHTEST`."""
    luma = image.astype(np.float64) @ LUMA.astype(np.float64)
    grey = np.rint(DARKEST + luma * ((LIGHTEST - DARKEST) / 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def draw_edges(drawn: NDArray[np.uint8], segments: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A copy of RGBA (size, size, 4) with a thin line, grey enough for light and dark ground, where segments meet."""
    large = _nearest(segments, len(drawn))
    edge = np.zeros(large.shape, bool)
    edge[1:] |= large[1:] != large[:-1]
    edge[:, 1:] |= large[:, 1:] != large[:, :-1]
    lined = drawn.copy()
    lined[edge, :3] = drawn[edge, :3] // 3 + np.array([80, 80, 80], np.uint8)
    return lined


def orient(values: Values, *, verdict: str, palette: Palette) -> Values:
    """`values` with the sign the palette wants: positive for REAL ("class") or for the verdict ("paper").

    Args:
        values: positive speaks for REAL.
        verdict: what the detector calls the image, "REAL" or "FAKE".
        palette: "class" or "paper".
    """
    if palette not in PALETTES:
        raise ValueError(f"palette must be one of {', '.join(PALETTES)}, not {palette!r}")
    return values if palette == "class" or verdict == "REAL" else -values


def common_scale(maps: Iterable[Values]) -> float:
    """The largest size of any value in any of the maps: one scale for panels that stand side by side."""
    return max((float(np.abs(np.nan_to_num(values)).max(initial=0)) for values in maps), default=0.0)


def legend(scale: float, *, palette: Palette = "class", unit: str = "margin") -> Legend:
    """The colour bar of a map drawn with this scale and palette."""
    colours = tuple("#{:02x}{:02x}{:02x}".format(*colour) for colour in _colours(palette)[:: STEPS // 16].tolist())
    return Legend(colours, (-scale, 0.0, scale), END_LABELS[palette], unit)


def _share(values: Values, size: int, scale: float | None, smooth: bool) -> NDArray[np.float64]:
    """Resize a map to (size, size), divide it by the scale and clip it to -1..1; NaN becomes 0."""
    largest = common_scale([values]) if scale is None else scale
    finite = np.nan_to_num(np.asarray(values, np.float32), nan=0.0)
    if smooth:
        large = np.asarray(Image.fromarray(finite).resize((size, size), Image.Resampling.BILINEAR), np.float64)
    else:
        large = _nearest(finite, size).astype(np.float64)
    return np.clip(large / largest, -1, 1) if largest > 0 else np.zeros((size, size))


def _nearest(array: NDArray[Any], size: int) -> NDArray[Any]:
    rows, columns = (np.arange(size) * extent // size for extent in array.shape[:2])
    return np.asarray(array[rows[:, None], columns])


def _hatch(
    drawn: NDArray[np.uint8], undecided: NDArray[np.bool_], ground: tuple[int, int, int] | None
) -> NDArray[np.uint8]:
    """Diagonal grey lines over what is undecided, on `ground` or on what is there."""
    size = len(drawn)
    where = _nearest(undecided, size)
    if ground is not None:
        drawn[where, :3] = ground
    line = np.add.outer(np.arange(size), np.arange(size)) % HATCH < 1 + HATCH // 8
    drawn[where & line, :3] = rgb(UNDECIDED)
    return drawn


@lru_cache
def _colours(palette: Palette) -> NDArray[np.uint8]:
    """uint8 (2 * STEPS + 1, 3), from the negative end over neutral to the positive end."""
    if palette not in PALETTES:
        raise ValueError(f"palette must be one of {', '.join(PALETTES)}, not {palette!r}")
    negative, positive = (_arm(end) for end in ENDS[palette])
    return np.concatenate([negative[:0:-1], positive])


def _arm(end: str) -> NDArray[np.uint8]:
    """STEPS + 1 colours from neutral to `end` on a straight line in CIELAB, in steps of equal CIEDE2000 difference."""
    start, stop = (rgb2lab(np.array(rgb(colour)) / 255) for colour in (NEUTRAL, end))
    fine = start + np.linspace(0, 1, 2001)[:, None] * (stop - start)
    length = np.concatenate([[0], np.cumsum(deltaE_ciede2000(fine[:-1], fine[1:]))])  # type: ignore[no-untyped-call]
    even = np.interp(np.linspace(0, length[-1], STEPS + 1), length, np.arange(len(fine)))
    path = start + even[:, None] / (len(fine) - 1) * (stop - start)
    return np.asarray(np.rint(np.clip(lab2rgb(path), 0, 1) * 255), np.uint8)


SIZE = 384
# share of full colour for parts that are not decided alike under every fill, whatever their weight
LIGHT = 0.25
Drawing = Literal["overlay", "alone", "outline"]
DRAWINGS: dict[Drawing, str] = {
    "overlay": "over the grey picture",
    "alone": "map alone",
    "outline": "outline of the strongest parts",
}


@dataclass(frozen=True)
class Style:
    """The drawing style of an explanation, on a page and in every file made of it.

    Attributes:
        palette: "class" or "paper".
        opacity: of the map over the image, 0 to 1.
        smooth: blend between a map's positions; maps of regions have edges, and stay as they are.
        scale: the value drawn in full colour; see `scale_of` when None.
        drawing: over the grey picture, alone, or as lines around the strongest quarter of the area on the picture.
        pixels: draw the picture's pixels as crisp rectangles; the map is drawn the same either way.
    """

    palette: Palette = "class"
    opacity: float = OPACITY
    smooth: bool = False
    scale: float | None = None
    drawing: Drawing = "overlay"
    pixels: bool = False


DEFAULT = Style()


def save_npz(path: Path, explanation: Explanation) -> None:
    """Write `npz_of` an explanation to a file.

    Raises:
        OSError: the folder cannot be written; nothing half-written stays.
        ValueError: a number in it is not finite where JSON has to hold it.
    """
    data = npz_of(explanation)
    write_bytes_atomically(path, lambda file: file.write_bytes(data))


def npz_of(explanation: Explanation) -> bytes:
    """Return every array of an explanation under its name, and the rest as JSON text under "about", as an .npz.

    Raises:
        ValueError: a number in it is not finite where JSON has to hold it.
    """
    arrays: dict[str, Any] = {key: getattr(explanation, key) for key in ("image", "values", "undecided")}
    if (parts := explanation.parts) is not None:
        weights = ("weights", "low", "high", "decisions", "regions", "holds")
        arrays |= {key: getattr(parts, key) for key in weights} | {"labels": np.array(parts.labels)}
    names = ("method", "verdict", "margin", "p_real", "unit", "one_sided", "done")
    about = {key: getattr(explanation, key) for key in names} | {
        "title": find_explainer(explanation.method).title,
        "settings": explanation.settings.model_dump(),
        "diagnostics": asdict(explanation.diagnostics),
        "provenance": asdict(explanation.provenance),
    }
    arrays = {key: array for key, array in arrays.items() if array is not None}
    arrays["about"] = np.array(json.dumps(about, allow_nan=False))
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def save_png(path: Path, drawn: NDArray[np.uint8]) -> None:
    """Write a drawing of overlay.py as a PNG file."""
    write_bytes_atomically(path, lambda file: file.write_bytes(encode_png(drawn)))


def scale_of(explanation: Explanation, style: Style = DEFAULT) -> float:
    """Return the value drawn in full colour: the largest decided magnitude, but at least `least_scale`.

    A scale set in the style takes precedence. The "paper" palette has no minimum, as in the paper.
    """
    if style.scale is not None:
        return style.scale
    largest = common_scale([explanation.tinted])
    return largest if style.palette == "paper" else max(largest, least_scale(explanation))


def least_scale(explanation: Explanation) -> float:
    """Return the least value that may be drawn in full colour: the score spread evenly over all positions or parts.

    This keeps a map without salient parts from looking like one with them. It is 0 for units other than "margin" and
    "probability". The values of a margin map average to the score less the
    bias, so there this is only a fraction of an even spread.
    """
    # the probability of the likelier class as LIME explains it is without the temperature
    likelier = float(0.5 * (1 + np.tanh(abs(explanation.margin) / 2)))
    size = {"margin": abs(explanation.margin), "probability": likelier}.get(explanation.unit, 0.0)
    return size / (explanation.map.size if explanation.parts is None else len(explanation.parts.weights))


def draw_explanation(explanation: Explanation, size: int = SIZE, *, style: Style = DEFAULT) -> NDArray[np.uint8]:
    """Draw an explanation's map in a style as uint8 RGBA (size, size, 4); regions are outlined, undecided ones hatched.

    The size is at least the image's.
    Parts that are decided, but not alike under every fill, get a light tint of their class, whatever their weight.

    Raises:
        ExplanationError: its method gives no map.
    """
    values, scale = explanation.tinted, scale_of(explanation, style)
    # smaller than the image it would leave out values
    size = max(size, len(explanation.image))
    # an outline is drawn around what is strongest, and a tint is no strength
    if explanation.light is not None and style.drawing != "outline":
        values = np.where(explanation.light, LIGHT * scale * np.sign(values), values)
    values = orient(values, verdict=explanation.verdict, palette=style.palette)
    image, regions = explanation.image, explanation.regions
    how: dict[str, Any] = {"palette": style.palette, "smooth": style.smooth and regions is None}
    if style.drawing == "outline":
        return draw_outline(image, values, size, pixels=style.pixels, **how)
    how |= {"scale": scale, "undecided": explanation.undecided}
    if style.drawing == "overlay":
        drawn = draw_overlay(image, values, size, opacity=style.opacity, pixels=style.pixels, **how)
    else:
        drawn = draw_map(values, size, **how)
    return drawn if regions is None else draw_edges(drawn, regions)
