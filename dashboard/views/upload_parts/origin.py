"""The image that is explained, as its deliveries need it, and those that have been made."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.images.labels import ClassName
from core.perturbations.postprocessing import DELIVERIES, Delivered, Delivery

# seconds of a page's time that deliveries take before it is drawn again
SLICE = 0.8


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the image that is explained comes from.

    Attributes:
        key: of the image, its crop and the detector's preprocessing.
        steps: of that preprocessing.
        send: gives the image after one delivery, as the detector sees it.
        label: what it is, where that is known.
    """

    key: str
    steps: str
    send: Callable[[Delivery], Delivered]
    label: ClassName | None = None


def sent_so_far(origin: Origin) -> list[Delivered]:
    """Make deliveries for about `SLICE` seconds and return all made so far; kept for the last image."""
    # by name: the thread of the page before may still be making one when the page is drawn anew
    found: dict[str, Delivered]
    key, found = st.session_state.get("upload.sent", ("", {}))
    if key != origin.key:
        found = {}
        st.session_state["upload.sent"] = origin.key, found
    started = time.monotonic()
    for delivery in DELIVERIES:
        if delivery.name in found:
            continue
        found[delivery.name] = origin.send(delivery)
        if time.monotonic() - started > SLICE:
            break
    return [found[one.name] for one in DELIVERIES if one.name in found]
