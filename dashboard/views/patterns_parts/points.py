"""The picture of the page Patterns with its controls: what is drawn, boxed in or clicked there opens its images."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import streamlit as st

from core.runs.filter import Area, Filter
from dashboard import library, state
from dashboard.components.component import key_of
from dashboard.components.glossary import explain
from dashboard.components.words import CLASS_WORDS
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.views.patterns_parts.scatter import MOST_POINTS, clicked_row, colourings, column_of, drawn_area, scatter

DRAG = Setting("drag", "box", {"box": "Box", "lasso": "Lasso", "move": "Move"})
PICTURE = "patterns.picture"
AREA, ROW = "patterns.area", "patterns.row"


def draw_points(opened: Opened, spaces: Setting, images: int) -> None:
    """Draw the picture of a space.

    Args:
        opened: the run.
        spaces: the setting that is "features" or "maps".
        images: how many the study has.
    """
    _draw(opened, spaces, images, spaces.value, _colour(colourings(opened)).value)


def _colour(choices: Mapping[str, str]) -> Setting:
    return Setting("colour", "cluster", choices)


# a fragment, so that a change of colour does not redraw the cards
@st.fragment
def _draw(opened: Opened, spaces: Setting, images: int, space: str, coloured: str) -> None:
    """Draw the picture; the page around it was drawn with `space` and `coloured`."""
    _follow(opened)
    choices = colourings(opened)
    colour = _colour(choices)
    new = colour.value != coloured and column_of(colour.value, space) not in opened.table
    if spaces.value != space or new:
        # the cards are of the previous space, or the table needs another column: rerun the page
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        spaces.choose(
            "Group",
            help=explain(
                "Features",
                "Margin map",
                also="By features: what the network makes of an image. By margin map: the map's shape, whatever its "
                "size (the idea of SpRAy, Lapuschkin et al. 2019).",
            ),
        )
        colour.choose("Colour", st.selectbox, width=260)
        DRAG.choose(
            "Drag to",
            help="Box, lasso: drag around images to open them in Explore. Move: drag to pan, scroll to zoom, and "
            "click a point to open it in Inspect.",
        )
    key = colour.value if column_of(colour.value, space) in opened.table else "cluster"
    st.plotly_chart(
        scatter(opened, space, key, drag=DRAG.value),
        key=PICTURE,
        on_select=partial(_take, space, len(opened.table)),
        config={"displayModeBar": False, "scrollZoom": DRAG.value == "move"},
        alt=f"{min(images, MOST_POINTS):,} of {images:,} images as points, coloured by {choices[key].lower()}; the "
        "cards below say in words what is in each cluster",
    )
    thinned = f"{MOST_POINTS:,} of the {images:,} images are drawn; an area opens all that lie in it. "
    st.caption(
        f"{thinned if images > MOST_POINTS else ''}"
        f":gray[●] circles are called {CLASS_WORDS['REAL']}, :gray[◆] diamonds {CLASS_WORDS['FAKE']}; large and hollow "
        "means wrong. Numbers are clusters. What this cannot show: t-SNE keeps which images are near each other and "
        "little else, so distances between groups, their sizes and their shapes mean nothing.",
        help=explain("t-SNE"),
    )
    _choose_by_numbers(opened, space)


def _take(space: str, rows: int) -> None:
    """Remember what was drawn or clicked on the picture; the next run of the page opens it."""
    selection = st.session_state[PICTURE]["selection"]
    st.session_state[AREA] = drawn_area(selection, space)
    st.session_state[ROW] = clicked_row(selection, rows)


def _follow(opened: Opened) -> None:
    """Open what was drawn or clicked."""
    if area := st.session_state.pop(AREA, None):
        _explore(opened, area)
    if (row := st.session_state.pop(ROW, None)) is not None:
        state.go("inspect", run=opened.run.name, id=str(opened.table["id"].iloc[row]))


def _explore(opened: Opened, area: Area) -> None:
    """Open Explore on the images in an area."""
    wanted = Filter(area=area)
    if len(library.matching(opened, wanted)):
        state.go("explore", run=opened.run.name, wanted=wanted)
    st.toast("There is no image in that area.", icon=":material/crop_free:")


def _choose_by_numbers(opened: Opened, space: str) -> None:
    """The same by keyboard: the four sides of a box."""
    with st.expander("Select an area by coordinates", icon=":material/keyboard:"):
        across, up = (opened.table[f"{space}_{end}"].to_numpy(np.float64) for end in "xy")
        middles = opened.table.groupby(f"clusters.{space}_cluster")[[f"{space}_x", f"{space}_y"]].median()
        places = [f"{number:.0f} at {x:.0f} across, {y:.0f} up" for number, x, y in middles.itertuples()]
        st.caption(f"Coordinates only mark positions. Cluster medians: {'; '.join(places)}.")
        # another run has other ends
        run = opened.run.name
        with st.form("patterns.numbers", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            ends = [
                st.number_input(
                    label, value=float(value), format="%.1f", key=key_of(f"patterns.{space}.{label}", run), width=130
                )
                for label, value in (
                    # a little beyond the outermost images, which would else lie on the edge
                    ("Left", np.floor(10 * np.nanmin(across) - 1) / 10),
                    ("Right", np.ceil(10 * np.nanmax(across) + 1) / 10),
                    ("Bottom", np.floor(10 * np.nanmin(up) - 1) / 10),
                    ("Top", np.ceil(10 * np.nanmax(up) + 1) / 10),
                )
            ]
            if st.form_submit_button("Explore it", icon=":material/grid_view:"):
                boxed = Area.drawn(space, ends[:2], ends[2:])
                if boxed is None:
                    st.toast("An area needs a width and a height.", icon=":material/crop_free:")
                else:
                    _explore(opened, boxed)
