"""The few elements that Streamlit lacks, each a .js and a .css file beside this one."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.images import encode_png
from core.palette import CLASS_COLOURS

HERE = Path(__file__).parent
SHARED = f":host {{ --real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}; }}\n"


def component(name: str) -> Any:
    """Register `<name>.js` with `<name>.css`; what it returns mounts it. Class colours are `--real` and `--fake`."""
    css = SHARED + (HERE / "base.css").read_text(encoding="utf-8") + (HERE / f"{name}.css").read_text(encoding="utf-8")
    return st.components.v2.component(
        f"telltale_{name}",
        html=f'<div class="{name}"></div>\n',
        css=css,
        js=(HERE / f"{name}.js").read_text(encoding="utf-8"),
    )


def nothing() -> None:
    """A callback for what is read after the run."""


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A (height, width, 3 or 4) uint8 picture as text that a browser shows."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()
