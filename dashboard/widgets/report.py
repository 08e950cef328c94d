"""A button for the report of a run, or of the images that a filter finds: one HTML file to keep or to send."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.browse import Filter
from core.pictures import Pictures
from dashboard import library
from dashboard.library import Opened
from dashboard.widgets.handing import file_button


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
        partial(report_file, opened, library.homes(), pictures, wanted, rows),
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
    """The report as it is written by `python -m core.report`."""
    # read only now: it brings the libraries that draw and compute, which no page waits for
    from core.report.page import gather, report_of  # noqa: PLC0415
    from core.report.selection import Selection  # noqa: PLC0415

    selection = None if wanted is None or rows is None else Selection(wanted, rows)
    parts = gather(opened.run, homes)
    return report_of(opened.run, **parts, table=opened.table, selection=selection, pictures=pictures).encode()
