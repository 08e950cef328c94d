"""Explore: browse the images."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from core.images.statistics import STATISTICS
from core.metrics.classification import HALF
from core.runs.browsing.filter import PAGE_SIZES, Filter
from core.runs.browsing.table import at_threshold, page_rows, pages
from core.runs.browsing.tags import TagError
from dashboard.components.glossary import explain
from dashboard.components.images.filter_controls import change, wanted_rows
from dashboard.components.images.filter_names import full_label, sort_names
from dashboard.components.images.grid import TILES, image_grid, picks
from dashboard.components.images.group_differences import draw_group_differences
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.plain import with_code
from dashboard.components.studies.report import report_download
from dashboard.components.studies.study import csv_button
from dashboard.components.words import heading, percent
from dashboard.services import address, library, study_files
from dashboard.services.address import Setting
from dashboard.services.sentences import for_visitors
from dashboard.views.explore import filters

MAPS = Setting("maps", "off", choices=("off", "on"))
TILE = Setting("tile", "medium", choices=tuple(TILES))
COMPARE = Setting("compare", "off", choices=("off", "on"))
MAX_PICKED = 60

opened = library.current()
table = opened.table
wanted = wanted_rows(opened)
pictures = library.pictures(opened)

heading(
    "Browse the images",
    "Every image of the run with the detector's verdict as its border: :blue[**blue for REAL**], :orange[**orange for "
    "FAKE**]; dashed where it is wrong.",
    "Look for what the errors have in common, then open one and ask why.",
)

band = st.grid(2, min_column_width=330, gap="large")
with band.cell():
    filters.draw_matrix(opened, wanted)
with band.cell():
    filters.draw_main(opened, wanted)
about = "file, looks, and what studies found" if opened.studied or opened.further else "file and looks"
with st.expander(f"More filters: {about}", icon=":material/tune:", key="explore.more", on_change="rerun") as more:
    # a folded expander costs nothing
    if more.open:
        filters.draw_more(opened, wanted)
        for sentence in study_files.refused_studies(opened):
            st.warning(with_code(sentence))
if filters.is_filtered(wanted):
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        filters.draw_active(opened, wanted)
        st.button(
            "Show all",
            type="tertiary",
            icon=":material/filter_alt_off:",
            on_click=filters.clear,
            args=(opened,),
            key="explore.clear",
        )

positions = library.matching(opened, wanted)
draw_group_differences(opened, wanted, positions)
shown = page_rows(positions, wanted)
tags = library.tags()
nothing_kept = tags.empty
if tags.problem:
    st.warning(with_code(for_visitors(tags.problem)))


def set_order() -> None:
    """Write the chosen order to the URL."""
    change(opened, lambda now: replace(now, sort=st.session_state["explore.sort"], page=1))


def set_page() -> None:
    """Write the chosen page to the URL."""
    change(opened, lambda now: replace(now, page=st.session_state["explore.page"]))


def set_per_page() -> None:
    """Write the page's size to the URL."""
    change(opened, lambda now: replace(now, per_page=st.session_state["explore.per"] or PAGE_SIZES[0], page=1))


def found_rows() -> pd.DataFrame:
    """Return the rows that the filter finds, in its order and at its threshold, with tags and notes."""
    return at_threshold(table.iloc[positions], wanted.threshold).merge(tags.frame(), on="id", how="left")


with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    st.session_state["explore.sort"] = wanted.sort
    names = sort_names(opened, wanted.sort)
    st.selectbox("Order", names, format_func=names.__getitem__, key="explore.sort", on_change=set_order, width=280)
    TILE.choose("Size")
    st.session_state["explore.per"] = wanted.per_page
    st.segmented_control("Per page", PAGE_SIZES, key="explore.per", on_change=set_per_page, required=True)
    MAPS.toggle(
        "Overlay margin maps",
        help=explain(
            "Margin map", also="Blue speaks for REAL, orange for FAKE, on one scale for the whole run; smoothed."
        ),
    )

asked = st.query_params.get("pick", "").split(",")
picked = [id_ for id_ in dict.fromkeys(asked) if id_ in opened.rows][:MAX_PICKED]
tags_of = tags.of_each(list(dict.fromkeys([*picked, *table["id"].iloc[shown]])))


def take_picks() -> None:
    """Write the selection on this page to the URL."""
    address.put("pick", ",".join(picks(st.session_state["explore.grid"].pick)[:MAX_PICKED]))


def select_these() -> None:
    """Select all images of this page in addition to those already selected."""
    address.put("pick", ",".join(dict.fromkeys([*picked, *table["id"].iloc[shown]][:MAX_PICKED])))


def change_tag(put: Callable[[list[str], str], None], done: str) -> None:
    """Add the entered tag to the selected images, or remove it, and keep a line with `done` in it."""
    tag = (st.session_state["explore.tag_text"] or "").strip()
    if not tag and st.session_state.get("explore.tagged", (None,))[0] == picked:
        # Enter did it already, and the button was pressed as well
        return
    try:
        put(picked, tag)
    except TagError as error:
        st.session_state["explore.tag_error"] = for_visitors(error)
    else:
        st.session_state["explore.tag_text"] = ""
        st.session_state["explore.tagged"] = picked, f"{len(picked)} {done} “{tag}”", tag


def show_tag(tag: str) -> None:
    """Show only the images with a tag."""
    address.put_filter(Filter(tag=tag, per_page=wanted.per_page), keep=("run",))


def compare() -> None:
    """Draw the selected images, plain and under their maps, and their numbers."""
    chosen = np.array([opened.row_of(id_) for id_ in picked], np.intp)
    for laid, key in ((False, "explore.compared"), (True, "explore.compared_maps")):
        st.caption("As they are" if not laid else "Under their margin maps, all on one scale")
        if id_ := image_grid(
            opened, chosen, pictures, key=key, threshold=wanted.threshold, maps=laid, size="large", tags=tags_of
        ):
            address.go("inspect", run=opened.run.name, wanted=wanted, id=id_)
    judged_by = ["threshold", "p_real"] if wanted.threshold != HALF else []
    columns = ["label", "predicted", *judged_by, "confidence", "margin", *STATISTICS, *opened.studied]
    rows = at_threshold(table.iloc[chosen], wanted.threshold).set_index("name")
    st.dataframe(
        rows[[name for name in columns if name in rows]],
        column_config={name: full_label(opened, name) for name in columns},
        alt="Verdicts, statistics and studies' columns of the selected images",
    )


if picked:
    with st.container(border=True):
        with st.form("explore.tagging", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
            most = ", the most at a time" if len(picked) == MAX_PICKED else ""
            st.markdown(f"**{len(picked)} selected**{most}", width="content")
            st.text_input(
                "Tag",
                key="explore.tag_text",
                placeholder="a tag",
                max_chars=40,
                label_visibility="collapsed",
                width=200,
            )
            st.form_submit_button(
                "Tag them", icon=":material/sell:", on_click=change_tag, args=(tags.add, "tagged"), key="explore.tag"
            )
            st.form_submit_button(
                "Remove tag",
                type="tertiary",
                on_click=change_tag,
                args=(tags.remove, "without the tag"),
                key="explore.untag",
            )
        if problem := st.session_state.pop("explore.tag_error", None):
            st.error(with_code(problem))
        tagged, line, tag = st.session_state.get("explore.tagged", ((), "", ""))
        if tagged == picked:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                # a tag is not Markdown
                st.text(line, width="content")
                if tags.ids(tag):
                    st.button("Show all with this tag", key="explore.tagged.show", on_click=show_tag, args=(tag,))
        with st.container(horizontal=True):
            compared = COMPARE.toggle("Compare them")
            st.button("Select none", key="explore.none", type="tertiary", on_click=address.put, args=("pick", None))
        if compared:
            compare()

if not len(positions):
    st.info("No image fits all of these filters. Remove one, or show all.", icon=":material/filter_alt_off:")
    st.stop()

count = pages(len(positions), wanted.per_page)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    share = "" if len(positions) == len(table) else f" of {len(table):,}"
    st.markdown(f"**{len(positions):,}**{share} images", width="content")
    with st.container(horizontal=True, width="content"):
        st.button(
            f"Select this page ({len(shown)})",
            key="explore.these",
            icon=":material/select_all:",
            on_click=select_these,
            help=f"All on this page, to compare or to tag; at most {MAX_PICKED} at a time.",
        )
        csv_button(
            "CSV",
            found_rows,
            f"{opened.run.name}.csv",
            key="explore.csv",
            type="secondary",
            help="All rows that the filter finds, with tags and notes.",
        )
        report_download(opened, key="explore.report", wanted=wanted, rows=positions)
        csv_button(
            "Tags",
            tags.frame,
            "tags.csv",
            key="explore.tags",
            type="secondary",
            icon=":material/sell:",
            help="Every tag and note on this machine.",
            disabled=nothing_kept,
        )
    if count > 1:
        st.session_state["explore.page"] = min(wanted.page, count)
        st.pagination(count, key="explore.page", on_change=set_page)
if wanted.threshold != HALF:
    st.caption(
        f"The % under an image is the detector's own confidence; REAL takes {percent(wanted.threshold, 0)}. Where that "
        "flips the verdict, the class that the % belongs to stands beside it."
    )
if pictures.found < len(table):
    st.caption(
        f"{len(table) - pictures.found:,} pictures are not available: their margin maps stand in for them. "
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
    maps=MAPS.value == "on",
    size=TILE.value,
    on_pick=take_picks,
):
    address.go("inspect", run=opened.run.name, wanted=wanted, id=id_)
