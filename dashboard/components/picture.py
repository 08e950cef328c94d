"""One picture, large: as it is, or with a map over it, its legend, and the values under the pointer.

Streamlit lacks a picture that says what is under the pointer.
"""

import base64
import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from PIL import Image, ImageOps

from core.arrays import Array, Integers, Pixels
from core.explainers.drawing import DRAWINGS, Style, bar_colours, draw_explanation, scale_of
from core.explainers.explanation import SIDES, Explanation
from core.explainers.registry import find_explainer
from core.findings.numbers import MINUS, plus
from core.images.encoding import SMOOTH, enlarged, lossless_url, thumbnail_url
from core.images.labels import CLASS_COLOURS, UNDECIDED, Palette, rgb
from dashboard.components.component import component
from dashboard.state import shows_pixels

_mount = component("picture")
SIZE = 512
# least pixels along a side of a small picture
LEAST = 256
# pictures that are kept, about 100 kB each with what pointing at them tells
MOST = 128
# and small ones, about 10 kB each
MOST_CELLS = 2048
# Streamlit hashes large arrays by a sample of their values
BY_BYTES: dict[str | type[Any], Callable[[Any], Any]] = dict.fromkeys((np.ndarray, Explanation), pickle.dumps)
ENDS: dict[Palette, tuple[str, str]] = {"class": ("FAKE", "REAL"), "paper": ("against", "for the verdict")}


def explained_picture(
    explanation: Explanation,
    *,
    key: str,
    style: Style,
    blind: bool = False,
    dim: bool = False,
    title: str = "",
) -> None:
    """An image with its explanation over it and a legend under it.

    Args:
        explanation: with a map.
        key: of the element.
        style: how it is drawn.
        blind: the image is not available; `style` then draws the map alone.
        dim: it is not the one that is asked for now.
        title: instead of its method's.
    """
    _mount(key=key, data=_drawn(explanation, replace(style, pixels=shows_pixels()), blind, title) | {"dim": dim})


_thumbnail = st.cache_resource(max_entries=MOST_CELLS, show_spinner=False)(thumbnail_url)


def thumbnail(image: Pixels, most: int = SMOOTH) -> str:
    """Return a small picture for the browser, of up to `most` pixels a side, enlarged as the visitor has chosen."""
    url: str = _thumbnail(image, most, pixels=shows_pixels())
    return url


class Cell(NamedTuple):
    """A small picture of a strip.

    Attributes:
        picture: uint8 (side, side, 3).
        alt: what it shows.
        caption: a few words of Markdown under it.
        verdict: class whose colour frames it; None for no frame.
    """

    picture: Pixels
    alt: str
    caption: str = ""
    verdict: str | None = None


def picture_strip(cells: Iterable[Cell], *, width: int = 128) -> None:
    """Draw small pictures beside each other, as many in a row as there is room for."""
    with st.container(horizontal=True, gap="small"):
        for cell in cells:
            with st.container(width=width, gap=None):
                _draw_cell(cell, width)


def picture_grid(cells: Iterable[Cell], *, columns: int, least: int) -> None:
    """Draw pictures in so many columns, or in as many as have `least` pixels each; they grow with the page."""
    with st.grid(columns, min_column_width=least, gap="small") as grid:
        for cell in cells:
            with grid.cell(), st.container(gap=None):
                _draw_cell(cell, "stretch")


def _draw_cell(cell: Cell, width: Any) -> None:
    st.image(_framed(cell.picture, cell.verdict, shows_pixels()), alt=cell.alt, width=width)
    if cell.caption:
        st.caption(cell.caption)


@st.cache_resource(max_entries=MOST_CELLS, show_spinner=False, hash_funcs=BY_BYTES)
def _framed(image: Pixels, verdict: str | None, pixels: bool) -> str:
    """Enlarge an image, uint8 (side, side, 3), frame it in the colour of a class, and encode it."""
    large = enlarged(image, LEAST, pixels=pixels)
    if verdict is not None:
        # in pixels of the enlarged picture: half as many on the page, where it is shown half as wide
        edge = max(2, len(large) // 32)
        large = np.asarray(ImageOps.expand(Image.fromarray(large), edge, rgb(CLASS_COLOURS[verdict])))
    return lossless_url(large) if pixels else thumbnail_url(large, len(large))


# cached because a page requests its picture again at every poll
@st.cache_resource(max_entries=MOST, show_spinner=False, hash_funcs=BY_BYTES)
def _drawn(explanation: Explanation, style: Style, blind: bool, title: str) -> dict[str, Any]:
    """Return the data of the element."""
    colours = bar_colours(style.palette)
    scale = scale_of(explanation, style)
    left, right = ENDS[style.palette]
    name = title or find_explainer(explanation.method).title
    legend: dict[str, Any] = {
        "colours": colours,
        "low": f"{-scale:.2g}",
        "high": f"{scale:+.2g}",
        "left": left,
        "right": right,
        "hatch": None,
        "light": None,
    }
    if explanation.undecided is not None and explanation.undecided.any():
        legend["hatch"] = UNDECIDED
    if explanation.depends_on_fill is not None:
        legend["light"] = [colours[len(colours) * end // 8] for end in (3, 5)]
    return {
        "source": lossless_url(draw_explanation(explanation, SIZE, style=style)),
        "alt": f"{name}, {DRAWINGS[style.drawing]}, called {explanation.verdict}.",
        "rgb": "" if blind else _base64(explanation.image),
        "side": len(explanation.image),
        "cells": _cells(explanation),
        "legend": legend,
    }


def _base64(array: Array) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def _cells(explanation: Explanation) -> dict[str, Any]:
    """Write what is shown at each place: a region's weight with its interval, elsewhere the value.

    Returns:
        `texts`, each once; `codes`, uint32 in base64: which of them stands where, row by row; `rows`, `columns`.
    """
    parts = explanation.parts
    if parts is None:
        # many values read alike, with as many digits as the legend has
        texts, alike = np.unique([_value(value) for value in explanation.values.ravel().tolist()], return_inverse=True)
        codes: Integers = alike.reshape(explanation.values.shape)
    else:
        ends = zip(parts.labels, parts.weights, parts.low, parts.high, strict=True)
        written = [f"{label}: {plus(weight)} ({plus(low)} to {plus(high)})" for label, weight, low, high in ends]
        texts = np.array([f"{text} {parts.reading(number)}" for number, text in enumerate(written)])
        codes = parts.regions
    rows, columns = codes.shape
    return {"texts": texts.tolist(), "codes": _base64(codes.astype("<u4")), "rows": rows, "columns": columns}


def _value(value: float) -> str:
    if value == 0:
        return "0"
    side = SIDES[1 if value > 0 else -1]
    number = f"{value:+.2g}".replace("-", MINUS)
    return f"{number} {side}"
