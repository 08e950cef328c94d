"""What Streamlit lacks: elements of our own, and parts of a page that open on demand, which the address says.

An element is a .js and a .css file beside its module, appended to base.js and base.css.
"""

import hashlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import streamlit as st

from core.images.palette import CLASS_COLOURS
from core.studies.former import FORMER_NAMES

HERE = Path(__file__).parent
SHARED = f":host {{ --real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}; }}\n"
# `open=all` opens every part: to print a page, or to search it
OPEN = "open"
ALL = "all"


def component(name: str) -> Any:
    """Register `<name>.js` with `<name>.css` and return what mounts it. Class colours are `--real` and `--fake`.

    Args:
        name: of both files in this folder, and of the element's class.
    """
    return st.components.v2.component(
        f"telltale_{name}",
        html=f'<div class="{name}"></div>\n',
        css=SHARED + _with_base(f"{name}.css"),
        js=_with_base(f"{name}.js"),
    )


def _with_base(name: str) -> str:
    """Read a file of this folder, beneath the one that all elements have."""
    base = (HERE / "base").with_suffix(Path(name).suffix)
    return base.read_text("utf-8") + (HERE / name).read_text("utf-8")


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


def opens_all() -> bool:
    """Check whether the address asks for everything to be open."""
    return ALL in st.query_params.get(OPEN, "").split(".")


@contextmanager
def fold(name: str, question: str, answer: str = "", *, explained: str = "", help: str | None = None) -> Iterator[bool]:
    """Draw a part of a page that is folded until a visitor, the address or `fold_<name>` of the session opens it.

    Args:
        name: of the part in the address.
        question: its title, in Markdown.
        answer: what it comes to, beside the title.
        explained: what it shows and how that was measured; drawn where it is open.
        help: the words of the glossary in it.

    Yields:
        Whether it is open; only then is anything to be drawn.
    """
    key = f"fold_{name}"
    # an address that was shared may have a study's former name
    former = [old for old, new in FORMER_NAMES.items() if new == name]
    in_address = set(st.query_params.get(OPEN, "").split("."))
    # what a browser wrote into the address under a former name
    is_bound = any(f"fold_{old}" in st.query_params for old in former)
    if is_bound or in_address & {name, ALL, *former}:
        st.session_state.setdefault(key, True)
    with st.expander(f"**{question}** {answer}".rstrip(), key=key, on_change="rerun", bind="query-params") as part:
        if part.open and explained:
            st.caption(explained, help=help)
        yield bool(part.open)
