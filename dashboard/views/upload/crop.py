"""The whole image with the square that the detector is shown: dragged with the pointer, or moved by keys."""

import math
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.images.decoding import data_url
from dashboard.components.component import component, nothing

_mount = component(__file__, "crop")
Place = tuple[float, float, float]
# x and y, 0 to 1, and zoom of the square in the middle that fills the shorter side
WHOLE: Place = (0.5, 0.5, 1.0)


def most_zoom(width: int, height: int, side: int) -> float:
    """Return the zoom at which the square has the detector's own size, 1 for an image that is smaller."""
    return max(1.0, min(width, height) / side)


def place_of(key: str, *, most: float) -> Place:
    """Read where the square of an image was put last.

    Args:
        key: of the image.
        most: zoom that it may have.
    """
    kept = st.session_state.get("upload.place", {}).get(key)
    return sound_place(kept, most=most)


def sound_place(value: Any, *, most: float) -> Place:
    """Return x, y and zoom within their limits; the whole image where what a browser sent is no place."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return WHOLE
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        return WHOLE
    try:
        x, y, zoom = map(float, value)
    except OverflowError:
        return WHOLE
    if not all(map(math.isfinite, (x, y, zoom))):
        return WHOLE
    return min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0), min(max(zoom, 1.0), most)


def draw_crop(preview: NDArray[np.uint8], *, key: str, name: str, size: tuple[int, int], side: int) -> None:
    """Draw the image with its square; moving that is remembered, and draws the page again.

    Args:
        preview: uint8 (h, w, 3), the whole image made small.
        key: of the image.
        name: of its file.
        size: width and height of the image.
        side: of the detector's input.
    """
    most = most_zoom(*size, side)

    def keep() -> None:
        found = st.session_state[element].place
        st.session_state.setdefault("upload.place", {})[key] = sound_place(found, most=most)

    element = f"upload.crop.{key}"
    x, y, zoom = place_of(key, most=most)
    data = {
        "key": key,
        "source": data_url(preview),
        "width": size[0],
        "height": size[1],
        "place": [x, y, zoom],
        "most": most,
        "alt": f"{name} with the square that the detector is shown",
    }
    _mount(key=element, data=data, on_place_change=keep if most > 1 or size[0] != size[1] else nothing)
