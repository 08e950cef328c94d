"""A grid of images: bordered by their verdict, each a button; and a sheet of them with the reason for each.

Streamlit lacks pictures that are buttons, a grid of them that the arrow keys move in, and their selection.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from core.arrays import Float32, Pixels, Positions
from core.console import one_direction
from core.images.encoding import SMOOTH, thumbnail_url
from core.images.labels import CLASS_COLOURS
from core.runs.pictures import Pictures
from core.runs.rows import at_threshold
from dashboard import library
from dashboard.components.component import component, nothing, one_of
from dashboard.components.picture import thumbnail
from dashboard.components.probing import smallest_flips_of
from dashboard.components.study import command
from dashboard.components.words import code, percent, thing_of
from dashboard.library import Opened
from dashboard.state import shows_pixels

_mount = component("grid")
COLUMNS = ["id", "label", "predicted", "correct", "p_real", "confidence", "category", "name", "sha256"]
# maps that are kept
MOST = 512
TILES = {"small": 80, "medium": 110, "large": 172}
# pixels that a tile's picture has at most, for screens with two a CSS pixel
FINEST = 2 * TILES["large"]


def image_grid(
    opened: Opened,
    rows: Positions,
    *,
    key: str,
    picked: Sequence[str] = (),
    tags: Mapping[str, Sequence[str]] | None = None,
    threshold: float = 0.5,
    maps: bool = False,
    size: str,
    on_open: Callable[[], None] = nothing,
    most: int = 0,
    judged: bool = True,
    current: str | None = None,
    on_walk: Callable[[], None] | None = None,
) -> str | None:
    """Draw images.

    Args:
        opened: the run.
        rows: positions to show, in this order; a map stands in for a missing picture.
        key: of the element.
        picked: ids shown as selected.
        tags: the tags of each id.
        threshold: of p(REAL), 0 to 1.
        maps: lay the margin map over every image.
        size: a key of `TILES`.
        on_open: called before the rerun that opening or selecting images causes; in its state `.open` is the id of the
            one that was opened, `.pick` the ids of those that are selected.
        most: how many can be selected; 0 for none.
        judged: border and badge show the prediction; otherwise the label.
        current: id of the image that the page is about, which is highlighted.
        on_walk: draws a filmstrip beside the image that is open; called before the rerun that the keys for the image
            before and after cause, `.walk` of its state is -1 or 1.

    Returns:
        The id that was just opened, or None.
    """
    table = opened.judged[COLUMNS].iloc[rows]
    badges = at_threshold(table, threshold)["predicted"] if judged else table["label"].astype(str)
    table = table.assign(twice=table["sha256"].duplicated(keep=False))
    pictures = library.pictures(opened)
    tiles = []
    for position, badge, row in zip(rows, badges, table.itertuples(), strict=True):
        tile = _tile(row, badge, judged=judged)
        tile["source"] = tile_source(opened, int(position), pictures, maps=maps)
        tile["tags"] = list(map(one_direction, (tags or {}).get(row.id, ())))
        tiles.append(tile)
    data = {
        "tiles": tiles,
        "picked": list(picked),
        "most": most,
        "tile": TILES[size],
        "current": current,
        "crisp": shows_pixels(),
        "strip": on_walk is not None,
    }
    result = _mount(
        key=key, data=data, on_open_change=on_open, on_pick_change=on_open, on_walk_change=on_walk or nothing
    )
    return one_of(result.open, opened.rows)


def _tile(row: Any, badge: str, *, judged: bool) -> dict[str, Any]:
    """Return what a tile shows of an image, and the sentence that a screen reader says.

    Args:
        row: of `COLUMNS`, and `twice`.
        badge: the class that the tile shows: of the prediction if it is `judged`, else of the label.
        judged: whether it says how sure the detector is.
    """
    # an image without a label is neither right nor wrong
    label = row.label if isinstance(row.label, str) else ""
    about = one_direction(thing_of(row.category))
    name = one_direction(row.name)
    called = ""
    if judged:
        how = f"with {percent(float(row.confidence))}"
        if badge != row.predicted:
            # the confidence that filters use; where the threshold flips the verdict it belongs to the other class
            how = f"at this threshold, though {row.predicted} is likelier: {percent(float(row.confidence))}"
        called = f"called {badge} {how}, "
    is_wrong = label not in ("", badge)
    called += f"is {label}" if label else "no label"
    wrong = ", wrong" if is_wrong else ""
    twice = "This picture is here twice. " if row.twice else ""
    return {
        "id": row.id,
        "said": badge,
        "wrong": is_wrong,
        "name": name,
        "twice": bool(row.twice),
        "label": f"{', '.join(filter(None, (name, about)))}: {called}{wrong}. {twice}Open.",
    }


def tile_source(opened: Opened, row: int, pictures: Pictures, *, maps: bool) -> str | None:
    """Return the picture of a tile for the browser, None where there is neither an image nor a map."""
    image = pictures.get(row)
    if opened.run.maps is None or (image is not None and not maps):
        return None if image is None else thumbnail(image, FINEST)
    return _mapped(np.asarray(opened.run.maps[row], np.float32), opened.map_scale, image, shows_pixels())


# most visitors turn the same pages
@st.cache_resource(max_entries=MOST, show_spinner=False)
def _mapped(values: Float32, scale: float, image: Pixels | None, pixels: bool) -> str:
    """A map, over its image where that is available."""
    # scikit-image, which gives the colours, is imported only for maps
    from core.explainers.drawing import Style, draw_map, draw_overlay  # noqa: PLC0415

    if image is None:
        return thumbnail_url(draw_map(values, SMOOTH, Style(scale=scale)), FINEST)
    side = len(image) if pixels else max(SMOOTH, len(image))
    return thumbnail_url(draw_overlay(image, values, side, Style(scale=scale, smooth=True)), FINEST, pixels=pixels)


def draw_sheet(opened: Opened, rows: Positions, *, threshold: float) -> None:
    """Draw each image beside its margin map, and beneath what it is, what it is called, and its smallest flip.

    Args:
        opened: the run.
        rows: positions of the images, in this order.
        threshold: of p(REAL), 0 to 1.
    """
    flips = smallest_flips_of(opened)
    pictures = library.pictures(opened)
    cards = []
    for position, row in zip(rows, at_threshold(opened.table.iloc[rows], threshold).itertuples(), strict=True):
        source = tile_source(opened, int(position), pictures, maps=False)
        map_source = None
        if opened.run.maps is not None:
            map_source = tile_source(opened, int(position), pictures, maps=True)
        cards.append(_card(row, flips.get(row.id), source, map_source))
    colours = f"--real: {CLASS_COLOURS['REAL']}; --fake: {CLASS_COLOURS['FAKE']}"
    st.html(Path(__file__).with_name("sheet.css"))
    st.html(f'<div class="sheet" style="{colours}">{"".join(cards)}</div>')
    st.caption(
        "Beneath each image the smallest change that flips its verdict while its controls do not; beside it, its "
        "margin map: blue speaks for REAL, orange for FAKE. To keep it, print this page."
    )
    if not flips:
        st.caption(f"The flips are not measured for this run; {code(command(opened, 'probes'))} does so.")


def _card(row: Any, flip: str | None, source: str | None, map_source: str | None) -> str:
    """Write an image of the sheet as HTML: its picture, its map where there is one, and the words beneath."""
    frame = f"{row.predicted} wrong" if row.correct == "wrong" else row.predicted
    alt = html.escape(one_direction(row.name))
    images = f'<img class="{frame}" src="{source}" alt="{alt}">'
    if source is None:
        images = f'<span class="none {frame}">not available</span>'
    if map_source is not None:
        images += f'<img src="{map_source}" alt="{alt}, its map">'
    about = html.escape(one_direction(thing_of(row.category, row.name)))
    label = f"{row.label} " if isinstance(row.label, str) else ""
    called = f"{label}called {row.predicted}, {percent(row.confidence)} sure"
    flipped = "" if flip is None else f"<br>Flipped by {html.escape(flip)}"
    caption = f"<figcaption><b>{about}</b>: {called}{flipped}</figcaption>"
    return f'<figure><div class="pair">{images}</div>{caption}</figure>'
