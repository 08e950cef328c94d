"""One picture, large and crisp: as it is, or with a map over it, its legend, and the values under the pointer."""

import base64
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.explainers.overlay import common_scale, legend
from core.explainers.results import CamResult, LimeResult
from core.explainers.saving import DEFAULT, Style, draw_result
from core.images.decoding import data_url
from core.images.palette import UNDECIDED, Palette
from dashboard.components.charts.figure_cache import kept
from dashboard.components.component import component

_mount = component(__file__, "picture")
SIZE = 512
# pictures that are kept, about 50 kB each
MOST = 256
ENDS: dict[Palette, tuple[str, str]] = {"class": ("FAKE", "REAL"), "paper": ("against", "for the verdict")}


def plain_picture(image: NDArray[np.uint8], *, key: str, alt: str, edge: str | None = None) -> None:
    """An image without a map.

    Args:
        image: uint8 (side, side, 3).
        key: of the element.
        alt: what it shows.
        edge: the class whose colour frames it.
    """
    data = {"source": data_url(image), "alt": alt, "edge": edge, "rgb": _rgb(image), "side": len(image)}
    hint = f"{len(image)} x {len(image)} pixels, enlarged"
    _mount(key=key, data=data | {"cells": None, "legend": None, "hint": hint})


def explained_picture(
    result: CamResult | LimeResult,
    *,
    key: str,
    style: Style = DEFAULT,
    alone: bool = False,
) -> None:
    """An image with its explanation over it and a legend under it.

    Args:
        result: from gradcam.py or lime.py.
        key: of the element.
        style: how it is drawn.
        alone: draw the map without the image, which is not available.
    """
    _mount(key=key, data=_drawn(result, style, alone))


# a page asks for its picture again whenever it looks how its question stands
@partial(kept, most=MOST)
def _drawn(result: CamResult | LimeResult, style: Style, alone: bool) -> dict[str, Any]:
    """What the element is given."""
    largest = common_scale([result.values]) if style.scale is None else style.scale
    bar = legend(largest, palette=style.palette)
    is_lime = isinstance(result, LimeResult)
    drawn = draw_result(result, SIZE, style=style, over_image=not alone)
    left, right = ENDS[style.palette]
    return {
        "source": data_url(drawn),
        "alt": f"{'LIME' if is_lime else 'Grad-CAM'}{'' if alone else ' over the image'}, called {result.verdict}.",
        "edge": None,
        "rgb": "" if alone else _rgb(result.image),
        "side": len(result.image),
        "cells": _lime_cells(result) if is_lime else _cam_cells(result),
        "hint": "point at the picture to read its values",
        "legend": {
            "colours": list(bar.colours),
            "low": f"{bar.ticks[0]:.2g}",
            "high": f"{bar.ticks[2]:+.2g}",
            "left": left,
            "right": right,
            "hatch": UNDECIDED if is_lime and result.undecided.any() else None,
        },
    }


def _rgb(image: NDArray[np.uint8]) -> str:
    return base64.b64encode(np.ascontiguousarray(image).tobytes()).decode()


def _cam_cells(result: CamResult) -> list[list[str]]:
    other = "REAL" if result.toward == "FAKE" else "FAKE"
    return [[f"{value:+.2f} for {result.toward if value >= 0 else other}" for value in row] for row in result.values]


def _lime_cells(result: LimeResult) -> list[list[str]]:
    other = "REAL" if result.toward == "FAKE" else "FAKE"
    texts = []
    for number, (weight, low, high, decision) in enumerate(
        zip(result.weights, result.low, result.high, result.decisions, strict=True)
    ):
        side = "undecided" if decision == 0 else f"for {result.toward if weight > 0 else other}"
        texts.append(f"segment {number}: {weight:+.2f} ({low:+.2f} to {high:+.2f}) {side}")
    return [[texts[number] for number in row] for row in result.segments]
