"""A grid of images: bordered by their verdict, each a button; and a sheet of them with the reason for each.

Streamlit lacks pictures that are buttons, a grid of them that the arrow keys move in, and their selection.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.console import one_direction
from core.images.encoding import SMOOTH, thumbnail_url
from core.images.palette import CLASS_COLOURS
from core.runs.metrics import predicted_real
from core.runs.pictures import Pictures
from dashboard import library
from dashboard.components.component import component, nothing, one_of
from dashboard.components.plain import code
from dashboard.components.probing import smallest_flips_of
from dashboard.components.study import command
from dashboard.components.words import NO_BREAK, percent, thing_of
from dashboard.library import Opened
from dashboard.state import shows_pixels

_mount = component(__file__, "grid")
COLUMNS = ["id", "label", "predicted", "p_real", "confidence", "category", "name", "sha256"]
# pictures that are kept
MOST = 512
TILES = {"small": 80, "medium": 110, "large": 172}
# pixels that a tile's picture has at most, for screens with two a CSS pixel
FINEST = 2 * TILES["large"]


def image_grid(
    opened: Opened,
    rows: NDArray[np.intp],
    pictures: Pictures,
    *,
    key: str,
    picked: Sequence[str] = (),
    tags: Mapping[str, Sequence[str]] | None = None,
    threshold: float = 0.5,
    maps: bool = False,
    size: str = "medium",
    on_open: Callable[[], None] = nothing,
    on_pick: Callable[[], None] | None = None,
    most: int = 0,
    judged: bool = True,
    captions: bool = True,
    current: str | None = None,
    on_walk: Callable[[], None] | None = None,
) -> str | None:
    """Draw images.

    Args:
        opened: the run.
        rows: positions to show, in this order.
        pictures: their pixels; a map stands in for a missing one.
        key: of the element.
        picked: ids shown as selected.
        tags: the tags of each id.
        threshold: of p(REAL), 0 to 1.
        maps: lay the margin map over every image.
        size: a key of `TILES`.
        on_open: called before the rerun that opening an image causes; `.open` of its state is the id.
        on_pick: called before the rerun that a selection causes; `.pick` of its state are the ids. Without it
            nothing can be selected.
        most: how many can be selected.
        judged: border and badge show the prediction; otherwise the label.
        captions: write prediction, certainty, label and category under each.
        current: id of the image that the page is about, which is highlighted.
        on_walk: draws a filmstrip beside the image that is open; called before the rerun that the keys for the image
            before and after cause, `.walk` of its state is -1 or 1.

    Returns:
        The id that was just opened, or None.
    """
    table = opened.judged[COLUMNS].iloc[rows]
    predictions = np.where(predicted_real(table, threshold), "REAL", "FAKE")
    badges = predictions if judged else table["label"].astype(str)
    twice = table["sha256"].duplicated(keep=False)
    tiles = []
    for position, prediction, row, again in zip(rows, badges, table.itertuples(), twice, strict=True):
        # the confidence that filters use; where the threshold flips the verdict it belongs to the other class
        sure = percent(float(row.confidence)) if judged else ""
        moved = judged and prediction != row.predicted
        # an image without a label is neither right nor wrong
        truth = row.label if isinstance(row.label, str) else ""
        wrong = bool(truth) and prediction != truth
        about = one_direction(thing_of(row.category))
        name = one_direction(row.name)
        how = f"at this threshold, though {row.predicted} is likelier: {sure}" if moved else f"with {sure}"
        called = f"called {prediction} {how}, " if judged else ""
        said = f"is {truth}" if truth else "no label"
        label = f"{', '.join(filter(None, (name, about)))}: {called}{said}{', wrong' if wrong else ''}. "
        tiles.append(
            {
                "id": row.id,
                "source": tile_source(opened, int(position), pictures, maps=maps),
                "said": prediction,
                "truth": truth,
                "wrong": wrong,
                # a narrow tile has no room for words
                "sure": sure.replace(f"over{NO_BREAK}", ">") + (f" {row.predicted}" if moved else ""),
                "about": about,
                "name": name,
                "twice": bool(again),
                "tags": list(map(one_direction, (tags or {}).get(row.id, ()))),
                "label": f"{label}{'This picture is here twice. ' if again else ''}Open.",
            }
        )
    data = {
        "tiles": tiles,
        "picked": list(picked),
        "most": most,
        "selectable": on_pick is not None,
        "tile": TILES[size],
        "judged": judged,
        "captions": captions,
        "current": current,
        "crisp": shows_pixels(),
        "strip": on_walk is not None,
    }
    result = _mount(
        key=key,
        data=data,
        on_open_change=on_open,
        on_pick_change=on_pick or nothing,
        on_walk_change=on_walk or nothing,
    )
    return one_of(result.open, opened.rows)


def tile_source(opened: Opened, row: int, pictures: Pictures, *, maps: bool) -> str | None:
    """Return the picture of a tile for the browser, None where there is neither an image nor a map."""
    image = pictures.get(row)
    if opened.run.maps is None or (image is not None and not maps):
        return None if image is None else _encoded(image, shows_pixels())
    return _mapped(np.asarray(opened.run.maps[row], np.float32), opened.map_scale, image, shows_pixels())


# most visitors turn the same pages
@st.cache_resource(max_entries=MOST, show_spinner=False)
def _encoded(image: NDArray[np.uint8], pixels: bool) -> str:
    return thumbnail_url(image, FINEST, pixels=pixels)


@st.cache_resource(max_entries=MOST, show_spinner=False)
def _mapped(values: NDArray[np.float32], scale: float, image: NDArray[np.uint8] | None, pixels: bool) -> str:
    """A map, over its image where that is available."""
    # scikit-image, which gives the colours, is imported only for maps
    from core.explainers.drawing import Style, draw_map, draw_overlay  # noqa: PLC0415

    if image is None:
        return thumbnail_url(draw_map(values, SMOOTH, Style(scale=scale)), FINEST)
    side = len(image) if pixels else max(SMOOTH, len(image))
    return thumbnail_url(draw_overlay(image, values, side, Style(scale=scale, smooth=True)), FINEST, pixels=pixels)


def draw_sheet(opened: Opened, rows: NDArray[np.intp], *, threshold: float) -> None:
    """Draw each image beside its margin map, and beneath what it is, what it is called, and its smallest flip.

    Args:
        opened: the run.
        rows: positions of the images, in this order.
        threshold: of p(REAL), 0 to 1.
    """
    pictures = library.pictures(opened)
    flips = smallest_flips_of(opened)
    has_maps = opened.run.maps is not None
    table = opened.table.iloc[rows]
    cards = []
    for position, row, real in zip(rows, table.itertuples(), predicted_real(table, threshold), strict=True):
        prediction = "REAL" if real else "FAKE"
        # an image without a label is neither right nor wrong
        label = row.label if isinstance(row.label, str) else ""
        frame = f"{prediction} wrong" if label and prediction != label else prediction
        name = html.escape(one_direction(row.name))
        sources = [tile_source(opened, int(position), pictures, maps=maps) for maps in (False, True)[: 1 + has_maps]]
        images = [
            f'<img class="{frame if number == 0 else ""}" src="{source}" alt="{name}{", its map" if number else ""}">'
            if source
            else f'<span class="none {frame}">not available</span>'
            for number, source in enumerate(sources)
        ]
        called = f"{label} called {prediction}, {percent(row.confidence)} sure".lstrip()
        about = thing_of(row.category, row.name)
        flip = flips.get(row.id)
        words = [
            f"<b>{html.escape(one_direction(about))}</b>: {called}",
            f"Flipped by {html.escape(flip)}" if flip else "",
        ]
        caption = "<br>".join(filter(None, words))
        cards.append(f'<figure><div class="pair">{"".join(images)}</div><figcaption>{caption}</figcaption></figure>')
    colours = f"--real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}"
    st.html(Path(__file__).with_name("sheet.css"))
    st.html(f'<div class="sheet" style="{colours}">{"".join(cards)}</div>')
    st.caption(
        "Beneath each image the smallest change that flips its verdict while its controls do not; beside it, its "
        "margin map: blue speaks for REAL, orange for FAKE. To keep it, print this page."
    )
    if not flips:
        st.caption(f"The flips are not measured for this run; {code(command(opened, 'probes'))} does so.")
