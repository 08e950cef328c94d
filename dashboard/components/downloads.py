"""Download buttons for files that are made on demand."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.runs.filter import Filter
from core.runs.folders import find_detectors
from core.runs.pictures import Pictures
from core.storage import MANIFEST
from dashboard import catalogue, library
from dashboard.library import Opened


def file_button(label: str, make: Callable[[], bytes], *, file_name: str, mime: str, **options: Any) -> None:
    """Draw a download button; `options` are those of `st.download_button`."""
    # a rerun would remove the file before the browser has fetched it
    st.download_button(label, make, file_name=file_name, mime=mime, on_click="ignore", **options)


def report_download(
    opened: Opened, *, key: str, wanted: Filter | None = None, rows: NDArray[np.intp] | None = None
) -> None:
    """Draw the button; the file is made when it is pressed, and the button turns a wheel until it is there.

    Args:
        opened: the run.
        key: of the button.
        wanted: the filter of the images that are reported; None for the whole run.
        rows: intp (K,), the positions that it finds, in its order.
    """
    name, about = f"{opened.run.name}.html", "Figures, findings of all studies, limits, settings and hashes of this run"
    pictures = None
    if wanted is not None:
        name, about = f"{opened.run.name}-selection.html", "Numbers, pictures and settings of the images found here"
        pictures = library.pictures(opened)
    file_button(
        "Report",
        partial(report_file, opened, catalogue.homes(), pictures, wanted, rows),
        file_name=name,
        mime="text/html",
        icon=":material/article:",
        type="tertiary" if wanted is None else "secondary",
        key=key,
        help=f"{about}, as one page that opens in any browser and needs no network. Making it takes some seconds.",
    )


def report_file(
    opened: Opened,
    homes: tuple[Path, ...],
    pictures: Pictures | None = None,
    wanted: Filter | None = None,
    rows: NDArray[np.intp] | None = None,
) -> bytes:
    """The report as it is written by `python -m core.report`; the last few are remembered for whoever asks again."""
    asked = None if wanted is None else replace(wanted, page=Filter.page, per_page=Filter.per_page)
    selected = None if wanted is None or rows is None else rows.tobytes()
    at_hand = None if pictures is None else pictures.where.tobytes()
    # the detector's training is told too, where it is here
    manifests = (path / MANIFEST for path in find_detectors(homes).values())
    stamp = " ".join([opened.stamp, *(f"{file}:{file.stat().st_mtime_ns}" for file in manifests)])
    return _made(opened, homes, pictures, rows, stamp, asked, selected, at_hand)


# a few hundred kilobytes each
@st.cache_resource(max_entries=8, show_spinner=False)
def _made(
    _opened: Opened,
    _homes: tuple[Path, ...],
    _pictures: Pictures | None,
    _rows: NDArray[np.intp] | None,
    stamp: str,  # noqa: ARG001 - the key, as all after it
    wanted: Filter | None,
    selected: bytes | None,  # noqa: ARG001
    at_hand: bytes | None,  # noqa: ARG001
) -> bytes:
    # read only now: it brings the libraries that draw and compute, which no page waits for
    from core.report.page import gather, report_of  # noqa: PLC0415
    from core.report.selection import Selection  # noqa: PLC0415

    other = "" if _opened.beside is None else _opened.beside.name
    selection = None if wanted is None or _rows is None else Selection(wanted, _rows, other)
    parts = gather(_opened.run, _homes)
    return report_of(_opened.run, **parts, table=_opened.table, selection=selection, pictures=_pictures).encode()
