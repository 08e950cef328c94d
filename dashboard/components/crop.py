"""The whole image with the square that the detector is shown: dragged with the pointer, or moved by keys."""

import math
from typing import Any

import streamlit as st

from core.images.encoding import data_url
from core.images.preprocessing import Location, Prepared, Preprocessing
from dashboard.components.component import component, nothing

_mount = component(__file__, "crop")


def most_zoom(width: int, height: int, preprocessing: Preprocessing) -> float:
    """Return the zoom at which the square has the detector's own size, but no less than its preprocessing's."""
    return max(preprocessing.zoom, min(width, height) / preprocessing.size)


def place_of(key: str, *, most: float) -> Location | None:
    """Read where the square of an image was put last; None where nobody moved it.

    Args:
        key: of the image.
        most: zoom that it may have.
    """
    kept = st.session_state.get("upload.place", {}).get(key)
    return sound_place(kept, most=most)


def sound_place(value: Any, *, most: float) -> Location | None:
    """Check a place sent by a browser and clip it to its limits; None for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in value):
        return None
    try:
        x, y, zoom = map(float, value)
    except OverflowError:
        return None
    if not all(map(math.isfinite, (x, y, zoom))):
        return None
    return Location(min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0), min(max(zoom, 1.0), most))


def draw_crop(ready: Prepared, *, key: str, name: str) -> None:
    """Draw the image with its square; moving that is remembered, and draws the page again.

    Args:
        ready: the image, as the detector sees it now.
        key: of the image.
        name: of its file.
    """
    width, height = ready.width, ready.height
    most = most_zoom(width, height, ready.preprocessing)

    def keep() -> None:
        found = st.session_state[element].place
        st.session_state.setdefault("upload.place", {})[key] = sound_place(found, most=most)

    element = f"upload.crop.{key}"
    # where the detector's own preprocessing stretches the image there is no square
    stretches = ready.preprocessing.crop == "none" and width != height
    first = None if stretches else list(Location(zoom=ready.preprocessing.zoom))
    data = {
        "key": key,
        "source": data_url(ready.preview),
        "width": width,
        "height": height,
        "place": first if ready.location is None else list(ready.location),
        "first": first,
        "most": most,
        "alt": f"{name}, all of which the detector is shown"
        if ready.stretched
        else f"{name} with the square that the detector is shown",
    }
    moves = most > 1 or width != height or ready.location is not None
    _mount(key=element, data=data, on_place_change=keep if moves else nothing)
