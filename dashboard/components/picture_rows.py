"""Rows of pictures under shared headings, each picture with its rates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.images.encoding import data_url
from dashboard.components.component import component

_mount = component(__file__, "picture_rows")


@dataclass(frozen=True, eq=False)
class Cell:
    """One picture.

    Attributes:
        picture: uint8 (side, side, 3).
        alt: what it shows.
        caption: a few words under it.
        edge: class whose colour frames it.
        rates: (class, number, sentence) under it.
    """

    picture: NDArray[np.uint8]
    alt: str
    caption: str = ""
    edge: str | None = None
    rates: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, eq=False)
class Row:
    """Pictures that belong together.

    Attributes:
        title: of the row.
        note: what was done in it.
        cells: one a heading; None where there is none.
    """

    title: str
    note: str
    cells: Sequence[Cell | None]


def picture_rows(heads: Sequence[str], rows: Sequence[Row], *, key: str) -> None:
    """Draw rows of pictures under `heads`."""
    drawn = [
        {"title": row.title, "note": row.note, "cells": [None if cell is None else _cell(cell) for cell in row.cells]}
        for row in rows
    ]
    _mount(key=key, data={"heads": list(heads), "rows": drawn})


def _cell(cell: Cell) -> dict[str, object]:
    rates = [{"name": name, "text": text, "label": label} for name, text, label in cell.rates]
    about = {"source": data_url(cell.picture), "alt": cell.alt, "caption": cell.caption, "edge": cell.edge}
    return about | {"rates": rates}
