"""The images that are selected on the page Mistakes, and how those that a filter finds differ from others."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from core.arrays import Positions
from core.images.statistics import STATISTICS
from core.runs.filter import Filter
from core.runs.metrics import HALF
from core.runs.pictures import Pictures
from core.runs.rows import at_threshold
from core.runs.tags import TagError
from core.studies.shared.differences import Difference, columns_of, differing
from dashboard import library, state
from dashboard.components.component import opens_all
from dashboard.components.filters import full_label
from dashboard.components.grid import image_grid
from dashboard.components.words import explain, percent, plain, with_code
from dashboard.library import BY_STAMP, Opened
from dashboard.state import Setting
from dashboard.visitors import for_visitors

COMPARE = Setting("compare", "off", choices=("off", "on"))
MOST = 60
MOST_SHOWN = 12
FEWEST = 5


def picked(opened: Opened) -> list[str]:
    """The ids that the URL selects and the run has."""
    asked = st.query_params.get("pick", "").split(",")
    return [id_ for id_ in dict.fromkeys(asked) if id_ in opened.rows][:MOST]


def draw_select_page(page: Sequence[str], ids: Sequence[str]) -> None:
    """Draw the button that selects the images of this page beside those that are selected."""
    st.button(
        f"Select this page ({len(page)})",
        key="selection.page",
        icon=":material/select_all:",
        on_click=state.put,
        args=("pick", ",".join(list(dict.fromkeys([*ids, *page]))[:MOST])),
        disabled=not len(page),
        type="tertiary",
        help=f"Selects this page to compare or tag; at most {MOST} at a time. For a single image, tick its box or "
        "press Space on it.",
    )


def draw(ids: Sequence[str]) -> None:
    """Draw what can be done with the selected images, where there are any."""
    if not ids:
        return
    tags = library.tags()
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center"):
            full = ", the most at a time" if len(ids) == MOST else ""
            st.markdown(f"**{len(ids)} selected**{full}", width="content")
            COMPARE.toggle("Compare them")
            st.button("Select none", key="selection.none", type="tertiary", on_click=state.put, args=("pick", None))
        with st.form("selection.tagging", border=False):
            st.text_input("Tag", key="selection.tag_text", placeholder="a tag", label_visibility="collapsed")
            with st.container(horizontal=True):
                for label, key, put, done in (
                    ("Tag them", "tag", tags.add, "tagged"),
                    ("Remove tag", "untag", tags.remove, "without the tag"),
                ):
                    st.form_submit_button(
                        label, key=f"selection.{key}", type="tertiary", on_click=_change_tag, args=(ids, put, done)
                    )
        problem = st.session_state.pop("selection.tag_error", None)
        if problem:
            st.error(with_code(problem))


def _change_tag(ids: Sequence[str], put: Callable[[Sequence[str], str], None], done: str) -> None:
    """Add the entered tag to the images, or remove it (`put`), and say so with the words `done`."""
    tag = st.session_state["selection.tag_text"].strip()
    try:
        put(ids, tag)
    except TagError as error:
        st.session_state["selection.tag_error"] = for_visitors(error)
    else:
        st.session_state["selection.tag_text"] = ""
        st.toast(f"{len(ids)} {done} “{plain(tag)}”")


def draw_comparison(opened: Opened, wanted: Filter, ids: Sequence[str], pictures: Pictures) -> None:
    """Draw the selected images, plain and under their maps, and their numbers, where that is asked for."""
    if COMPARE.value != "on":
        return
    chosen = np.array([opened.row_of(id_) for id_ in ids], np.intp)
    for with_map, caption in ((False, "As they are"), (True, "Under their margin maps, all on one scale")):
        if with_map and opened.run.maps is None:
            continue
        st.caption(caption)
        id_ = image_grid(
            opened,
            chosen,
            pictures,
            key=f"selection.compared.{with_map}",
            threshold=wanted.threshold,
            maps=with_map,
            size="large",
        )
        if id_:
            state.put("id", id_)
            st.rerun()
    judged_by = ["threshold", "p_real"] if wanted.threshold != HALF else []
    columns = ["label", "predicted", *judged_by, "confidence", "margin", *STATISTICS, *opened.studied]
    rows = at_threshold(opened.table.iloc[chosen], wanted.threshold).set_index("name")
    st.dataframe(
        rows[[name for name in columns if name in rows]],
        column_config={name: full_label(opened, name) for name in columns},
        alt="Verdicts, statistics and studies' columns of the selected images",
    )


def draw_group_differences(opened: Opened, wanted: Filter, positions: Positions) -> None:
    """Draw a folded comparison; nothing where the filter finds everything, or too few to compare."""
    everything = np.arange(len(opened.table))
    if not FEWEST <= len(positions) <= len(everything) - FEWEST:
        return
    title = f"How do these {len(positions):,} differ from the rest?"
    if opens_all():
        st.session_state.setdefault("mistakes.apart", True)
    with st.expander(title, icon=":material/compare_arrows:", key="mistakes.apart", on_change="rerun") as folded:
        if not folded.open:
            return
        # what got the other verdict, where there is enough of it
        lifted = replace(wanted.choosing("predicted", []).choosing("correct", []), sort=Filter.sort)
        others = library.matching(opened, lifted)
        whose = "that all filters but verdicts find"
        if len(others) - len(positions) < FEWEST:
            others = everything
            whose = "of this run"
        others = np.setdiff1d(others, positions)
        st.markdown(f"Compared with the {len(others):,} other images {whose}:")
        # the columns that the filter fixes differ by definition, and how sure verdicts are goes with every verdict
        fixed = {"margin", *(column for column, *_ in (*wanted.choices, *wanted.ranges))}
        found = _differences(opened, positions, others)
        difference_table([difference for difference in found if difference.column not in fixed][:MOST_SHOWN])
        st.caption(
            "Listed are differences that are not tiny and unlikely to be chance (four standard errors), largest first. "
            "They go with the verdict; only changing the image can show whether they cause it.",
            help=explain("Cohen's h"),
        )


def difference_table(differences: Sequence[Difference]) -> None:
    """Draw differences between groups of images, largest first, as a table."""
    if not differences:
        st.caption("no clear difference")
        return
    rows = [
        (plain(f"{label}: {value}" if value else label), *(percent(one) if share else f"{one:.3g}" for one in means))
        for _, _, label, *means, share, value in differences
    ]
    st.table(pd.DataFrame(rows, columns=["of", "these", "others"]).set_index("of"), border="horizontal")


# Streamlit hashes large arrays by a sample of their values
@st.cache_resource(max_entries=32, show_spinner="Comparing", hash_funcs=BY_STAMP | {np.ndarray: np.ndarray.tobytes})
def _differences(opened: Opened, inside: Positions, others: Positions) -> list[Difference]:
    """Compare the images themselves, and the studies' columns."""
    group, rest = (np.isin(np.arange(len(opened.table)), positions) for positions in (inside, others))
    return differing(columns_of(opened.run, np.arange(len(group)), np.ones(len(group))), group, rest)
