"""The original of an image, larger or smaller than what the detector saw, where its file is to be had."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.image_set import DatasetError, Split
from core.images.layout import Entry
from core.images.preprocessing import PREVIEW
from core.images.sources import Source, open_source, remembered
from core.runs.run import Run
from dashboard.components.uploads import in_turn


def original_of(run: Run, row: int) -> NDArray[np.uint8] | None:
    """Return a preview of an image's file, uint8 (height, width, 3), where it is to be had.

    None where the file has the detector's own size, or is not there any more.
    """
    image = run.predictions.iloc[row]
    size = (image.get("width"), image.get("height"))
    if run.scores_only or None in size or size == (run.side, run.side):
        return None
    try:
        return _preview(str(run.manifest["set_fingerprint"]), run.split, str(image["name"]), str(image["sha256"]))
    except (ImageError, DatasetError, OSError):
        return None


# a picture that cannot be read now raises, and so is not kept
@st.cache_data(max_entries=64, show_spinner=False)
def _preview(fingerprint: str, split: Split, name: str, sha256: str) -> NDArray[np.uint8]:
    """Read and shrink a picture, once nobody else decodes; raises ImageError where the file is gone or another one."""

    def read() -> Image.Image:
        source, entries = _opened(fingerprint, split)
        data = source.read(entries[name], MAX_BYTES) if name in entries else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ImageError("it is not the file of the run")
        image = Image.fromarray(decode(data))
        image.thumbnail((PREVIEW, PREVIEW))
        return image

    return np.asarray(in_turn(read))


# listing a large folder takes seconds
@lru_cache(maxsize=2)
def _opened(fingerprint: str, split: Split) -> tuple[Source, Mapping[str, Entry]]:
    """Open the set of a fingerprint where it was last read from; raises DatasetError."""
    place = remembered(fingerprint)
    if place is None:
        raise DatasetError("it is not known where the set lies")
    source = open_source(place)
    return source, {entry.name: entry for entry in source.entries(split)}
