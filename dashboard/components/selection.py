"""The images that are selected on Explore: tagged, compared, or let go."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.console import one_direction
from core.images.statistics import STATISTICS
from core.runs.filter import Filter
from core.runs.metrics import HALF
from core.runs.pictures import Pictures
from core.runs.rows import at_threshold
from core.runs.tags import TagError
from dashboard import library, state
from dashboard.components.filters import full_label
from dashboard.components.grid import image_grid
from dashboard.components.plain import with_code
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.visitors import for_visitors

COMPARE = Setting("compare", "off", choices=("off", "on"))
MOST = 60


def picked(opened: Opened) -> list[str]:
    """The ids that the URL selects and the run has."""
    asked = st.query_params.get("pick", "").split(",")
    return [id_ for id_ in dict.fromkeys(asked) if id_ in opened.rows][:MOST]


def draw(opened: Opened, wanted: Filter, shown: NDArray[np.intp], ids: Sequence[str]) -> None:
    """Draw what can be done with the selected images.

    Args:
        opened: the run.
        wanted: the filter.
        shown: positions of the images on this page.
        ids: that are selected.
    """
    page = list(opened.table["id"].iloc[shown])
    st.button(
        f"Select this page ({len(page)})",
        key="explore.these",
        icon=":material/select_all:",
        on_click=state.put,
        args=("pick", ",".join(list(dict.fromkeys([*ids, *page]))[:MOST])),
        disabled=not page,
        help=f"Selects this page to compare or tag; at most {MOST} at a time. For a single image, tick its box or "
        "press Space on it.",
        width="stretch",
    )
    if not ids:
        return
    with st.container(border=True, gap="small"):
        st.markdown(f"**{len(ids)} selected**{', the most at a time' if len(ids) == MOST else ''}")
        _draw_tagging(ids)
        _draw_tagged(wanted, ids)
        with st.container(horizontal=True, vertical_alignment="center"):
            COMPARE.toggle("Compare them")
            st.button("Select none", key="explore.none", type="tertiary", on_click=state.put, args=("pick", None))


def _draw_tagging(ids: Sequence[str]) -> None:
    tags = library.tags()
    with st.form("explore.tagging", border=False):
        st.text_input("Tag", key="explore.tag_text", placeholder="a tag", max_chars=40, label_visibility="collapsed")
        with st.container(horizontal=True):
            st.form_submit_button(
                "Tag them",
                icon=":material/sell:",
                on_click=_change_tag,
                args=(ids, tags.add, "tagged"),
                key="explore.tag",
            )
            st.form_submit_button(
                "Remove tag",
                type="tertiary",
                on_click=_change_tag,
                args=(ids, tags.remove, "without the tag"),
                key="explore.untag",
            )
    if problem := st.session_state.pop("explore.tag_error", None):
        st.error(with_code(problem))


def _draw_tagged(wanted: Filter, ids: Sequence[str]) -> None:
    """Draw the result of the last tagging, as long as the same images are selected."""
    tagged, line, tag = st.session_state.get("explore.tagged", ((), "", ""))
    if tagged == ids:
        # a tag is not Markdown
        st.text(line)
        if library.tags().ids(tag):
            st.button("Show all with this tag", key="explore.tagged.show", on_click=_show_tag, args=(tag, wanted))


def _change_tag(ids: Sequence[str], put: Callable[[Sequence[str], str], None], done: str) -> None:
    """Add the entered tag to the images, or remove it (`put`), and keep a message that contains `done`."""
    tag = (st.session_state["explore.tag_text"] or "").strip()
    if not tag and st.session_state.get("explore.tagged", (None,))[0] == ids:
        # Enter did it already, and the button was pressed as well
        return
    try:
        put(ids, tag)
    except TagError as error:
        st.session_state["explore.tag_error"] = for_visitors(error)
    else:
        st.session_state["explore.tag_text"] = ""
        st.session_state["explore.tagged"] = ids, f"{len(ids)} {done} “{one_direction(tag)}”", tag


def _show_tag(tag: str, wanted: Filter) -> None:
    """Show only the images with a tag."""
    kept = [name for name in ("run", *state.CARRIED) if name not in ("pick", "compare")]
    state.put_filter(Filter(tag=tag, per_page=wanted.per_page, sort=wanted.sort), keep=kept)


def draw_comparison(
    opened: Opened, wanted: Filter, ids: Sequence[str], pictures: Pictures, tags: Mapping[str, Sequence[str]]
) -> None:
    """Draw the selected images, plain and under their maps, and their numbers, where that is asked for."""
    if COMPARE.value != "on":
        return
    chosen = np.array([opened.row_of(id_) for id_ in ids], np.intp)
    for laid, key in ((False, "explore.compared"), (True, "explore.compared_maps")):
        if laid and opened.run.maps is None:
            continue
        st.caption("As they are" if not laid else "Under their margin maps, all on one scale")
        if id_ := image_grid(
            opened, chosen, pictures, key=key, threshold=wanted.threshold, maps=laid, size="large", tags=tags
        ):
            state.go("inspect", run=opened.run.name, wanted=wanted, id=id_)
    judged_by = ["threshold", "p_real"] if wanted.threshold != HALF else []
    columns = ["label", "predicted", *judged_by, "confidence", "margin", *STATISTICS, *opened.studied]
    rows = at_threshold(opened.table.iloc[chosen], wanted.threshold).set_index("name")
    st.dataframe(
        rows[[name for name in columns if name in rows]],
        column_config={name: full_label(opened, name) for name in columns},
        alt="Verdicts, statistics and studies' columns of the selected images",
    )
