"""What Streamlit lacks: elements of our own, parts of a page that open as the address says, and lasting downloads.

An element is a .js and a .css file beside its module, appended to base.js and base.css. A file is made when a browser
asks for its address, which holds a secret of the page's session.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

import pandas as pd
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from core.images.labels import CLASS_COLOURS
from core.runs.filter import Filter
from core.storage.memory import Bounded
from core.studies.former import FORMER_NAMES
from dashboard import library
from dashboard.library import Opened
from dashboard.visitors import base_path, for_visitors

HERE = Path(__file__).parent
SHARED = f":host {{ --real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}; }}\n"
# `open=all` opens every part: to print a page, or to search it
OPEN = "open"
ALL = "all"
# spreadsheets run a cell that begins like this as a formula; some settings also let `;`, tab, CR or LF start a cell
FORMULA = re.compile(r"(^|[;\t\r\n])(?=\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")

# of the session: the files that its page offers, by the keys of their buttons; far more than one page has
OWN = "files"
MOST = 128
# files that are made at once; others wait, and pages keep a core
AT_ONCE = 2
_making = asyncio.Semaphore(AT_ONCE)


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


@dataclass(frozen=True, eq=False)
class File:
    """A file that is offered.

    Attributes:
        secret: in its address.
        make: returns its bytes; called in a thread without a session.
        name: that it is saved under.
        mime: its type.
    """

    secret: str
    make: Callable[[], bytes]
    name: str
    mime: str


# by secret; a session holds its files, so that they go when it ends
_offered: WeakValueDictionary[str, File] = WeakValueDictionary()


def offer(key: str, make: Callable[[], bytes], *, name: str, mime: str) -> str:
    """Return the address of a file, which stays the same for a key of this session, whatever is offered under it."""
    own = st.session_state.setdefault(OWN, Bounded(MOST))
    secret = own[key].secret if key in own else secrets.token_urlsafe()
    own[key] = _offered[secret] = File(secret, make, name, mime)
    return f"{base_path()}/files/{secret}"


def withdraw(key: str) -> None:
    """Offer a file no longer."""
    st.session_state.get(OWN, {}).pop(key, None)


async def send(request: Request) -> Response:
    """Make the file of an address."""
    file = _offered.get(request.path_params["secret"])
    if file is None:
        return PlainTextResponse("This page is too old to give files; reload it.", 404)
    try:
        async with _making:
            data = await run_in_threadpool(file.make)
    except (ValueError, OSError) as error:
        return PlainTextResponse(for_visitors(error), 409)
    saved = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}", "Cache-Control": "no-store"}
    return Response(data, media_type=file.mime, headers=saved)


_file = component("file")


def file_button(
    label: str,
    make: Callable[[], bytes],
    *,
    file_name: str,
    mime: str,
    key: str,
    icon: str = "download",
    type: str = "tertiary",
    help: str = "",
    disabled: bool = False,
) -> None:
    """Draw a download button.

    Streamlit's own removes what it makes once two pages of any visitors are drawn, often before it is fetched.

    Args:
        label: of the button.
        make: returns the file; called on a press, in a thread without a session.
        file_name: that it is saved under.
        mime: its type.
        key: of the button.
        icon: name of a Material symbol.
        type: "primary", "secondary" or "tertiary".
        help: shown where the pointer rests.
        disabled: there is no file yet.
    """
    url = None
    if disabled:
        withdraw(key)
    else:
        url = offer(key, make, name=file_name, mime=mime)
    data = {"label": label, "icon": icon, "kind": type, "help": help, "name": file_name, "url": url}
    _file(key=key, data=data, width="content")


def csv_button(
    label: str, table: pd.DataFrame | Callable[[], pd.DataFrame], name: str, *, key: str, **options: Any
) -> None:
    """Draw a download button for a table, which is written (and built, if `table` is a function) on a press."""
    file_button(
        label,
        partial(as_csv, table),
        file_name=name,
        mime="text/csv",
        key=key,
        **options,
    )


def as_csv(table: pd.DataFrame | Callable[[], pd.DataFrame]) -> bytes:
    """Write a table as CSV, with "'" before every text that a spreadsheet would run as a formula, headings included."""
    if callable(table):
        table = table()
    written = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    guarded = table.assign(**{name: table[name].astype(object).map(_guarded) for name in written})
    # with both letters in the line's end, a cell that holds one of them is quoted
    text: str = guarded.rename(columns=_guarded).to_csv(index=False, lineterminator="\r\n")
    # without the mark at its beginning, spreadsheets take it for another encoding
    return text.encode("utf-8-sig")


def _guarded(value: object) -> object:
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def report_download(opened: Opened, wanted: Filter | None = None, *, key: str) -> None:
    """Draw the button for a report: one HTML file to keep or to send.

    Args:
        opened: the run.
        wanted: the filter of the images that are reported; None for the whole run.
        key: of the button.
    """
    name = f"{opened.run.name}.html"
    about = "Figures, findings of all studies, limits, settings and hashes of this run"
    if wanted is not None:
        name = f"{opened.run.name}-selection.html"
        about = "Numbers, pictures and settings of the images found here"
    file_button(
        "Report",
        partial(report_file, opened, wanted),
        file_name=name,
        mime="text/html",
        icon="article",
        type="tertiary" if wanted is None else "secondary",
        key=key,
        help=f"{about}, as one page that opens in any browser and needs no network. Making it takes some seconds.",
    )


def report_file(opened: Opened, wanted: Filter | None) -> bytes:
    """Make the report as `telltale report` writes it, of a whole run or of the rows that a filter finds."""
    # read only now: they bring the libraries that draw and compute, which no page waits for
    from core.report.run_report import report_of, selection_report  # noqa: PLC0415

    if wanted is None:
        return report_of(opened.run).encode()
    rows = library.matching(opened, wanted)
    pictures = library.pictures(opened)
    other = "" if opened.beside is None else opened.beside.name
    return selection_report(opened.run, opened.table, wanted, rows, other=other, pictures=pictures).encode()
