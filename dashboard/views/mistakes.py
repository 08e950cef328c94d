"""Mistakes: which images the detector gets wrong, and the case of each of them: what flips it."""

import numpy as np
import pandas as pd
import streamlit as st

from core.runs.filter import PAGE_SIZES
from core.runs.metrics import HALF
from core.runs.rows import at_threshold, location_of, page_rows, pages
from dashboard import catalogue, library, state
from dashboard.components.comparison import (
    MOST_PICKED,
    draw_comparison,
    draw_group_differences,
    draw_select_page,
    draw_selection,
    draw_verdict_pairs,
    pair_words,
    picked_ids,
    verdict_pair,
)
from dashboard.components.component import csv_button, fold, one_of, report_download
from dashboard.components.filters import (
    admitted,
    bound,
    change,
    draw_active,
    draw_choice,
    draw_filters,
    draw_matrix,
    is_filtered,
    sort_names,
    unfiltered,
    wanted_rows,
)
from dashboard.components.grid import TILES, draw_sheet, image_grid
from dashboard.components.opened_image import PRESSED, draw_image
from dashboard.components.words import explain, heading, percent, with_code
from dashboard.state import Setting
from dashboard.visitors import for_visitors

MAPS = Setting("maps", "off", choices=("off", "on"))
TILE = Setting("tile", "medium", choices=tuple(TILES))
VIEW = Setting("view", "grid", choices=("grid", "case", "sheet"))
# parameters of an address that are about an open image
ABOUT_IMAGE = frozenset({"id", "evidence", "methods", "change"})
# the one cell that is shown -> the page's title, after the number of images in it
TITLES = {
    ("FAKE", "REAL"): "generated pictures passed as REAL",
    ("REAL", "FAKE"): "photographs called FAKE",
    ("FAKE", "FAKE"): "generated pictures recognised",
    ("REAL", "REAL"): "photographs recognised",
}

opened = library.current()
table = opened.table
wanted = wanted_rows(opened)
pictures = library.pictures(opened)
positions = library.matching(opened, wanted)
shown = page_rows(positions, wanted)
picked = picked_ids(opened)
tags = library.tags()


def title() -> str:
    """Return the page's title: what the filter shows."""
    cells = admitted(wanted) or set()
    pair = verdict_pair(opened, wanted)
    if pair:
        return f"{pair_words(opened, pair)}: {len(positions):,} of them"
    if len(cells) == 1:
        return f"{len(positions):,} {TITLES[next(iter(cells))]}"
    if is_filtered(wanted) or not opened.run.classes:
        return f"{len(positions):,} of {len(table):,} pictures"
    return f"Wrong on {(table['correct'] == 'wrong').sum():,} of {len(table):,} pictures"


def take_click() -> None:
    """Write to the URL which image was opened in the grid, and which are selected."""
    # what a browser sends may be anything
    grid = st.session_state["mistakes.grid"]
    id_ = one_of(grid.open, opened.rows)
    if id_:
        open_image(id_)
    if isinstance(grid.pick, list):
        state.put("pick", ",".join([id_ for id_ in grid.pick if one_of(id_, opened.rows)][:MOST_PICKED]))


def open_image(id_: str) -> None:
    """Open an image, and move the keyboard's focus to it."""
    st.session_state[PRESSED] = id_
    state.put("id", id_)


def walk(step: int) -> None:
    """Open the image before (-1) or after (1) the open one, and the page of the grid that it is on."""
    to = location.before if step < 0 else location.after
    if to is not None:
        number = (location.number or 0) + step
        page = 1 + (number - 1) // wanted.per_page
        state.put("page", str(page) if page > 1 else None)
        open_image(table["id"].iloc[to])


def take_walk() -> None:
    """Follow the keys for the image before and after."""
    step = st.session_state["mistakes.grid"].walk
    if step in (-1, 1):
        walk(step)


def draw_controls() -> None:
    """Draw what is one level down: filters, order and view, the sheet, and the files; where narrow, in two rows."""
    with st.container(horizontal=True, gap="small"):
        with st.container(horizontal=True, gap="small", width="content"):
            more = st.popover(
                "Filters", icon=":material/tune:", type="tertiary", key="mistakes.more", on_change="rerun"
            )
            # a closed popover costs nothing
            if more.open:
                with more:
                    draw_filters(opened, wanted)
                    for sentence in library.refused_studies(opened):
                        st.warning(with_code(sentence))
            if is_filtered(wanted):
                st.button(
                    "All", icon=":material/filter_alt_off:", type="tertiary", key="filter.clear", on_click=change,
                    args=(opened, unfiltered), help="Remove all filters.",
                )  # fmt: skip
            with st.popover("Order", icon=":material/sort:", type="tertiary"):
                draw_view()
        with st.container(horizontal=True, gap="small", width="content"):
            st.button(
                "Reasons", icon=":material/view_list:", type="primary", key="mistakes.sheet",
                on_click=VIEW.set, args=("sheet",), disabled=not len(positions),
                help="A sheet of these images, or of those selected, with what flips each of them and its map.",
            )  # fmt: skip
            with st.popover("Save", icon=":material/download:", type="tertiary"):
                draw_select_page(table["id"].iloc[shown], picked)
                draw_files()


def draw_view() -> None:
    """Draw how images are ordered and shown."""
    orders = sort_names(opened, wanted.sort)
    by_order = bound(opened, "mistakes.sort", wanted.sort, "sort")
    st.selectbox("Order", orders, format_func=orders.__getitem__, **by_order)
    TILE.choose("Size")
    by_size = bound(opened, "mistakes.per", wanted.per_page, "per_page")
    st.segmented_control("Per page", PAGE_SIZES, required=True, **by_size)
    if opened.run.maps is not None:
        also = "Blue speaks for REAL, orange for FAKE, on one scale for the whole run; smoothed."
        MAPS.toggle("Overlay margin maps", help=explain("Margin map", also=also))


def found_rows() -> pd.DataFrame:
    """Return the rows that the filter finds, in its order and at its threshold, with tags and notes."""
    return at_threshold(table.iloc[positions], wanted.threshold).merge(tags.frame(), on="id", how="left")


def draw_files() -> None:
    """Draw the buttons of the files of what the filter finds."""
    help = "All rows that the filter finds, with tags and notes."
    csv_button("CSV", found_rows, f"{opened.run.name}.csv", key="mistakes.csv", help=help, disabled=not len(positions))
    if len(positions):
        report_download(opened, wanted, key="mistakes.report")


def draw_grid(current: str | None = None) -> None:
    """Draw the images of this page; beside the open one, whose id is `current`, as a filmstrip."""
    image_grid(
        opened,
        shown,
        key="mistakes.grid",
        picked=picked,
        tags=tags.of(list(table["id"].iloc[shown])),
        threshold=wanted.threshold,
        maps=opened.run.maps is not None and MAPS.value == "on",
        size=TILE.value,
        on_open=take_click,
        most=MOST_PICKED,
        current=current,
        on_walk=None if current is None else take_walk,
    )


def draw_pages() -> None:
    """Draw the way to the other pages of the grid, and what must be known of its images."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        # the title has the number of all
        if len(positions) < len(table):
            st.caption(f"{len(positions):,} of {len(table):,} images", width="content")
        count = pages(len(positions), wanted.per_page)
        if count > 1:
            by_page = bound(opened, "mistakes.pages", min(wanted.page, count), "page")
            st.pagination(count, max_visible_pages=5, **by_page)
    if wanted.threshold != HALF:
        st.caption(f"Called REAL where p(REAL) is above {percent(wanted.threshold, 0)}.")
    if pictures.found < len(table):
        st.caption(f"{len(table) - pictures.found:,} pictures are not available. {catalogue.how_to_get_pictures()}")


def draw_images() -> None:
    """Draw the filters and the images."""
    with st.grid(2, min_column_width=330, gap="medium") as grid:
        if opened.run.classes:
            with grid.cell():
                draw_matrix(opened, wanted)
        with grid.cell():
            if opened.beside is not None:
                draw_verdict_pairs(opened, wanted)
            draw_choice(opened, wanted, "category", counted=False)
            draw_controls()
    draw_active(opened, wanted)
    if tags.problem:
        st.warning(with_code(for_visitors(tags.problem)))
    draw_selection(picked)
    if len(positions):
        draw_grid()
        draw_pages()
    else:
        st.info("No image fits all of these filters. Remove one, or show all.", icon=":material/filter_alt_off:")
    draw_group_differences(opened, wanted, positions)
    if opened.beside is not None:
        with fold("compare", "Both detectors in numbers") as is_open:
            if is_open:
                draw_comparison(opened)


def draw_filmstrip(id_: str) -> None:
    """Draw the way back to the grid, the steps through what the filter finds, and those images."""
    at = f"{location.number:,} of {len(positions):,}" if location.number else f"not among the {len(positions):,} found"
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button(
            f"All {len(positions):,}", icon=":material/grid_view:", key="case.close",
            on_click=state.put_all, args=(dict.fromkeys([*ABOUT_IMAGE, VIEW.name]),),
            help="Back to the grid of all pictures that the filter finds.",
        )  # fmt: skip
        for label, arrow, step, to in (
            ("Previous", "\N{LEFTWARDS ARROW}", -1, location.before),
            ("Next", "\N{RIGHTWARDS ARROW}", 1, location.after),
        ):
            st.button(
                arrow, key=f"image.{label.lower()}", type="tertiary", on_click=walk, args=(step,), disabled=to is None,
                help=f"{label}; or press {label[0]} or this arrow key.",
            )  # fmt: skip
    st.markdown(f"**{title()}**  \n:gray[{at}]")
    draw_grid(id_)


def draw_open_image(row: int) -> None:
    """Draw the image that is open beside the filmstrip."""
    strip, case = st.columns([1, 4], gap="medium")
    with strip:
        draw_filmstrip(table["id"].iloc[row])
    with case:
        if asked and opened.row_of(asked) is None:
            st.info("The image in this address is not in this run; showing another one.", icon=":material/link_off:")
        draw_image(opened, wanted, row)


asked = st.query_params.get("id", "")
row = opened.row_of(asked)
if row is None and len(positions):
    row = int(shown[0])
is_case = VIEW.value == "case" or ABOUT_IMAGE.intersection(st.query_params)
if is_case and row is not None:
    location = location_of(positions, row)
    draw_open_image(row)
    st.stop()
what = "Choose a picture."
help_ = None
if opened.run.classes:
    what = "Choose a cell, then a picture. Dashed: wrong."
    frames = "A frame has the colour of the verdict, and its letter; a dashed one is wrong."
    help_ = explain("Confusion matrix", also=frames)
if VIEW.value == "sheet":
    what = "Each with what flips it first."
heading(title(), what, help=help_)
if table.empty:
    st.info("This run holds no image; choose another one on the left.")
elif VIEW.value == "sheet":
    st.button("All images", icon=":material/grid_view:", key="mistakes.back", on_click=VIEW.set, args=("grid",))
    chosen = np.array([opened.row_of(id_) for id_ in picked], np.intp) if picked else shown
    draw_sheet(opened, chosen, threshold=wanted.threshold)
else:
    draw_images()
