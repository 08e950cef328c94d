"""The few elements that Streamlit lacks: each a .js and a .css file beside its module, after base.js and base.css."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.images.decoding import encode_png
from core.images.palette import CLASS_COLOURS

HERE = Path(__file__).parent
SHARED = f":host {{ --real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}; }}\n"


def component(module: str, name: str) -> Any:
    """Register `<name>.js` with `<name>.css`; what it returns mounts it. Class colours are `--real` and `--fake`.

    Args:
        module: the `__file__` of the module that both files lie beside.
        name: of the files, and of the element's class.
    """
    own = Path(module).with_name(name)
    css, js = (
        "".join(file.with_suffix(kind).read_text("utf-8") for file in (HERE / "base", own)) for kind in (".css", ".js")
    )
    return st.components.v2.component(
        f"telltale_{name}",
        html=f'<div class="{name}"></div>\n',
        css=SHARED + css,
        js=js,
    )


def nothing() -> None:
    """A callback for what is read after the run."""


def data_url(pixels: NDArray[np.uint8]) -> str:
    """A (height, width, 3 or 4) uint8 picture as text that a browser shows."""
    return "data:image/png;base64," + base64.b64encode(encode_png(pixels)).decode()
