"""Explore: browse the images."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from core.runs.filter import PAGE_SIZES
from core.runs.metrics import HALF
from core.runs.rows import at_threshold, page_rows, pages
from dashboard import library, state
from dashboard.components import filter_panel, selection
from dashboard.components.differences import draw_group_differences
from dashboard.components.downloads import csv_button, report_download
from dashboard.components.filters import change, sort_names, wanted_rows
from dashboard.components.glossary import explain
from dashboard.components.grid import TILES, image_grid, picks
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.plain import plain, with_code
from dashboard.components.words import heading, percent
from dashboard.state import Setting
from dashboard.visitors import for_visitors

MAPS = Setting("maps", "off", choices=("off", "on"))
TILE = Setting("tile", "medium", choices=tuple(TILES))

opened = library.current()
table = opened.table
wanted = wanted_rows(opened)
pictures = library.pictures(opened)
has_maps = opened.run.maps is not None
positions = library.matching(opened, wanted)
shown = page_rows(positions, wanted)
picked = selection.picked(opened)
tags = library.tags()
tags_of = tags.of_each(list(dict.fromkeys([*picked, *table["id"].iloc[shown]])))
count = pages(len(positions), wanted.per_page)
orders = sort_names(opened, wanted.sort)


def set_order() -> None:
    """Write the chosen order to the URL."""
    change(opened, lambda now: replace(now, sort=st.session_state["explore.sort"], page=1))


def set_page() -> None:
    """Write the chosen page to the URL."""
    change(opened, lambda now: replace(now, page=st.session_state["explore.pages"]))


def set_per_page() -> None:
    """Write the page's size to the URL."""
    change(opened, lambda now: replace(now, per_page=st.session_state["explore.per"] or PAGE_SIZES[0], page=1))


def take_picks() -> None:
    """Write the selection on this page to the URL."""
    state.put("pick", ",".join(picks(st.session_state["explore.grid"].pick)[: selection.MOST]))


# of the heading of the filters
FILTERS = "filters"


def found_rows() -> pd.DataFrame:
    """Return the rows that the filter finds, in its order and at its threshold, with tags and notes."""
    return at_threshold(table.iloc[positions], wanted.threshold).merge(tags.frame(), on="id", how="left")


def draw_gallery() -> None:
    """The images of this page, beneath how many there are and the pages."""
    if not len(positions):
        st.info("No image fits all of these filter_panel. Remove one, or show all.", icon=":material/filter_alt_off:")
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        share = "" if len(positions) == len(table) else f" of {len(table):,}"
        shown_are = f": {said}" if (said := filter_panel.in_words(wanted)) else ""
        told = plain(f"{shown_are}; {orders[wanted.sort]}")
        st.markdown(f"**{len(positions):,}**{share} images{told}", width="content")
        with st.container(key="narrow.way", width="content"):
            # beneath the images where there is no room beside them
            st.markdown(f":material/tune: [Filters](#{FILTERS})", width="content")
        if count > 1:
            st.session_state["explore.pages"] = min(wanted.page, count)
            st.pagination(count, key="explore.pages", on_change=set_page)
    if wanted.threshold != HALF:
        st.caption(
            "The % under an image is the detector's own confidence; REAL needs p(REAL) of "
            f"{percent(wanted.threshold, 0)}. Where that flips the verdict, the % is followed by its class."
        )
    if pictures.found < len(table):
        st.caption(
            f"{len(table) - pictures.found:,} pictures are not available"
            + (": their margin maps stand in for them. " if has_maps else ". ")
            + how_to_get_pictures()
        )
    if id_ := image_grid(
        opened,
        shown,
        pictures,
        key="explore.grid",
        picked=picked,
        tags=tags_of,
        threshold=wanted.threshold,
        maps=has_maps and MAPS.value == "on",
        size=TILE.value,
        on_pick=take_picks,
        most=selection.MOST,
        left=st.query_params.get("at", ""),
    ):
        state.go("inspect", run=opened.run.name, wanted=wanted, id=id_)


def draw_column() -> None:
    """What is selected, the filters, how images are shown, and the files."""
    with st.container(key="narrow.title"):
        st.subheader("Filters", anchor=FILTERS)
    selection.draw(opened, wanted, shown, picked)
    if tags.problem:
        st.warning(with_code(for_visitors(tags.problem)))
    st.session_state["explore.sort"] = wanted.sort
    st.selectbox("Order", orders, format_func=orders.__getitem__, key="explore.sort", on_change=set_order)
    if filter_panel.is_filtered(wanted):
        filter_panel.draw_active(opened, wanted)
    filter_panel.draw_matrix(opened, wanted)
    filter_panel.draw_main(opened, wanted)
    with st.expander("More filters", icon=":material/tune:", key="explore.more", on_change="rerun") as more:
        # a folded expander costs nothing
        if more.open:
            filter_panel.draw_more(opened, wanted)
            for sentence in library.refused_studies(opened):
                st.warning(with_code(sentence))
    TILE.choose("Size")
    st.session_state["explore.per"] = wanted.per_page
    st.segmented_control("Per page", PAGE_SIZES, key="explore.per", on_change=set_per_page, required=True)
    if has_maps:
        MAPS.toggle(
            "Overlay margin maps",
            help=explain(
                "Margin map", also="Blue speaks for REAL, orange for FAKE, on one scale for the whole run; smoothed."
            ),
        )
    with st.container(horizontal=True, gap="small"):
        csv_button(
            "CSV",
            found_rows,
            f"{opened.run.name}.csv",
            key="explore.csv",
            type="secondary",
            help="All rows that the filter finds, with tags and notes.",
            disabled=not len(positions),
        )
        if len(positions):
            report_download(opened, key="explore.report", wanted=wanted, rows=positions)
        csv_button(
            "Tags",
            tags.frame,
            "tags.csv",
            key="explore.tags",
            type="secondary",
            icon=":material/sell:",
            help="Every tag and note on this machine.",
            disabled=tags.empty,
        )


heading(
    "Browse the images",
    "The border is the verdict, :blue[**blue for REAL**] and :orange[**orange for FAKE**]; dashed where it is wrong. "
    "The percentage is how sure the detector is.",
)
with st.grid(4, min_column_width=190, gap="medium") as grid:
    with grid.cell(column_span=3):
        if picked:
            selection.draw_comparison(opened, wanted, picked, pictures, tags_of)
        draw_gallery()
        draw_group_differences(opened, wanted, positions)
    with grid.cell():
        draw_column()
