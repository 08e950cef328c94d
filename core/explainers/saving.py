"""Explanations kept: `.npz` for programs, PNG for slides."""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.explainers.explanation import Explanation
from core.explainers.overlay import common_scale, draw_edges, draw_map, draw_outline, draw_overlay, orient
from core.explainers.registry import find_explainer
from core.explainers.settings import to_json
from core.images.encoding import encode_png
from core.images.palette import OPACITY, Palette
from core.storage import write_bytes_atomically

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
    """

    palette: Palette = "class"
    opacity: float = OPACITY
    smooth: bool = False
    scale: float | None = None
    drawing: Drawing = "overlay"


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
    parts = explanation.parts
    arrays: dict[str, Any] = {"image": explanation.image}
    if explanation.values is not None:
        arrays["values"] = explanation.values
    if explanation.undecided is not None:
        arrays["undecided"] = explanation.undecided
    if parts is not None:
        arrays |= {"weights": parts.weights, "low": parts.low, "high": parts.high, "decisions": parts.decisions}
        arrays["labels"] = np.array(parts.labels)
        if parts.regions is not None:
            arrays["regions"] = parts.regions
        if parts.holds is not None:
            arrays["holds"] = parts.holds
    about = {
        "method": explanation.method,
        "title": find_explainer(explanation.method).title,
        "settings": to_json(explanation.settings),
        "verdict": explanation.verdict,
        "margin": explanation.margin,
        "p_real": explanation.p_real,
        "unit": explanation.unit,
        "one_sided": explanation.one_sided,
        "done": explanation.done,
        "diagnostics": asdict(explanation.diagnostics),
        "provenance": asdict(explanation.provenance),
    }
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
    size = {"margin": abs(explanation.margin), "probability": _likelier(explanation.margin)}
    places = explanation.map.size if explanation.parts is None else len(explanation.parts.weights)
    return size.get(explanation.unit, 0.0) / places


def _likelier(margin: float) -> float:
    """The probability of the likelier class as LIME explains it: without the temperature."""
    return float(0.5 * (1 + np.tanh(abs(margin) / 2)))


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
    regions = explanation.regions
    smooth = style.smooth and regions is None
    if style.drawing == "outline":
        return draw_outline(explanation.image, values, size, palette=style.palette, smooth=smooth)
    drawing: dict[str, Any] = {
        "scale": scale,
        "palette": style.palette,
        "smooth": smooth,
        "undecided": explanation.undecided,
    }
    drawn = (
        draw_overlay(explanation.image, values, size, opacity=style.opacity, **drawing)
        if style.drawing == "overlay"
        else draw_map(values, size, **drawing)
    )
    return drawn if regions is None else draw_edges(drawn, regions)
