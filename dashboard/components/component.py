"""Elements that Streamlit lacks: each a .js and a .css file beside its module, appended to base.js and base.css."""

import hashlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import streamlit as st

from core.images.palette import CLASS_COLOURS

HERE = Path(__file__).parent
SHARED = f":host {{ --real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}; }}\n"


def component(module: str, name: str) -> Any:
    """Register `<name>.js` with `<name>.css` and return what mounts it. Class colours are `--real` and `--fake`.

    Args:
        module: the `__file__` of the module beside both files.
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


def one_of(sent: object, known: Container[str]) -> str | None:
    """Return what a browser sent if it is one of these names; None for anything else, which may not be hashable."""
    return sent if isinstance(sent, str) and sent in known else None


def nothing() -> None:
    """Do nothing: a callback for values that are read after the run."""


def key_of(place: str, *names: object) -> str:
    """Make a key from a place and a hash of names.

    Streamlit refuses some characters in the key of an element and reserves others.

    Args:
        place: chosen by us.
        names: of detectors, columns, studies and whatever else comes from a disk or a URL.
    """
    return f"{place}.{hashlib.sha256(repr(tuple(map(str, names))).encode()).hexdigest()[:16]}"
