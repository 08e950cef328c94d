"""A sheet of images with the reason for each: its smallest flip and its map, to read or to print."""

import html

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.console import one_direction
from core.images.palette import CLASS_COLOURS
from core.runs.metrics import predicted_real
from dashboard import library
from dashboard.components.grid import tile_source
from dashboard.components.plain import code
from dashboard.components.probing import smallest_flips_of
from dashboard.components.study import command
from dashboard.components.words import percent
from dashboard.library import Opened

STYLE = """<style>
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1rem; }
.sheet figure { margin: 0; break-inside: avoid; }
.sheet .pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
.sheet img, .sheet .none { width: 100%; aspect-ratio: 1; border-radius: .4rem; box-sizing: border-box; display: block; }
.sheet .FAKE { border: 4px solid FAKE_COLOUR; }
.sheet .REAL { border: 4px solid REAL_COLOUR; }
.sheet .wrong { border-style: dashed; }
.sheet figcaption { font-size: .85rem; line-height: 1.4; margin-top: .3rem; overflow-wrap: anywhere; }
</style>"""


def draw_sheet(opened: Opened, rows: NDArray[np.intp], *, threshold: float) -> None:
    """Draw each image beside its margin map, and beneath what it is, what it is called, and its smallest flip.

    Args:
        opened: the run.
        rows: positions of the images, in this order.
        threshold: of p(REAL), 0 to 1.
    """
    pictures, flips = library.pictures(opened), smallest_flips_of(opened)
    has_maps = opened.run.maps is not None
    table = opened.table.iloc[rows]
    cards = []
    for position, row, real in zip(rows, table.itertuples(), predicted_real(table, threshold), strict=True):
        prediction = "REAL" if real else "FAKE"
        frame = f"{prediction} wrong" if prediction != row.label else prediction
        name = html.escape(one_direction(row.name))
        sources = [tile_source(opened, int(position), pictures, maps=maps) for maps in (False, True)[: 1 + has_maps]]
        images = [
            f'<img class="{frame if number == 0 else ""}" src="{source}" alt="{name}{", its map" if number else ""}">'
            if source
            else f'<span class="none {frame}">not available</span>'
            for number, source in enumerate(sources)
        ]
        called = f"{row.label} called {prediction}, {percent(row.confidence)} sure"
        about = row.category.replace("_", " ") if isinstance(row.category, str) else row.name
        flip = flips.get(row.id)
        words = [
            f"<b>{html.escape(one_direction(about))}</b>: {called}",
            f"Flipped by {html.escape(flip)}" if flip else "",
        ]
        caption = "<br>".join(filter(None, words))
        cards.append(f'<figure><div class="pair">{"".join(images)}</div><figcaption>{caption}</figcaption></figure>')
    style = STYLE.replace("FAKE_COLOUR", CLASS_COLOURS["FAKE"]).replace("REAL_COLOUR", CLASS_COLOURS["REAL"])
    st.html(f'{style}<div class="sheet">{"".join(cards)}</div>')
    st.caption(
        "Beneath each image the smallest change that flips its verdict while its controls do not; beside it, its "
        "margin map: blue speaks for REAL, orange for FAKE. To keep it, print this page."
    )
    if not flips:
        st.caption(f"The flips are not measured for this run; {code(command(opened, 'probes'))} does so.")
