"""Details of one image: its statistics, the studies' findings, and the visitor's own tags and note."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.images.statistics import STATISTICS
from core.runs.tags import TagError
from dashboard import library
from dashboard.components.component import key_of
from dashboard.components.filters import short_label, value_name
from dashboard.components.plain import plain, with_code
from dashboard.components.words import percent
from dashboard.library import Opened
from dashboard.visitors import for_visitors

LOWER = "Lower: of the run's images that have this value, the share whose value is lower."
SAMPLED = " A sample holds a larger share of mistakes than the run, so for its studies this is not the run's share."


def draw_about(opened: Opened, row: int, *, unfolded: bool = False) -> None:
    """Draw statistics, studies, tags and note, each folded unless they are all that there is to see."""
    with st.expander("Image statistics", expanded=unfolded):
        if _draw_values(opened, row, [name for name in STATISTICS if name in opened.table]):
            st.caption(LOWER)
    if opened.studied:
        with st.expander("What studies found", expanded=unfolded):
            _draw_studies(opened, row)
    _draw_own(str(opened.table["id"].iloc[row]))


def _draw_studies(opened: Opened, row: int) -> None:
    by_study: dict[str, list[str]] = {}
    for column, one in opened.studied.items():
        if column in opened.table:
            by_study.setdefault(one.study, []).append(column)
    asked = {
        title: known
        for title, columns in by_study.items()
        if (known := [name for name in columns if _has(opened.table[name].iloc[row])])
    }
    compared = False
    for title, columns in asked.items():
        st.markdown(f"**{plain(title)}**", help=plain(opened.studied[columns[0]].question) or None)
        compared |= _draw_values(opened, row, columns)
        if "agreement.rank" in columns:
            st.caption(
                "Over the 64 cells of a grid, so that all images can be compared; under “Do they agree?” the rank "
                "correlation is over the regions of this image, and so is another number."
            )
    if compared:
        st.caption(LOWER + SAMPLED)
    if silent := [title for title in by_study if title not in asked]:
        st.caption(f"No results for this image: {', '.join(map(plain, silent))}.")


def _has(value: Any) -> bool:
    # studies of earlier versions wrote "no such image" as an infinite distance
    return not (pd.isna(value) or (isinstance(value, float | np.floating) and np.isinf(value)))


def _draw_values(opened: Opened, row: int, columns: Sequence[str]) -> bool:
    """Draw a line per column: its value here and, for numbers, the share of known values that are lower.

    Returns:
        True where any such share is shown.
    """
    lines: list[tuple[str, ...]] = []
    for name in columns:
        values = opened.table[name]
        value, here, lower = values.iloc[row], "", ""
        if name in opened.extents:
            here = f"{value:.4g}"
            # the number of a cluster is a name, without an order
            if (known := int(values.notna().sum())) > 1 and not name.endswith("_cluster"):
                lower = percent(int((values.to_numpy() < value).sum()) / known, 0)
        elif isinstance(value, bool | np.bool_):
            here = "yes" if value else "no"
        lines.append((plain(short_label(opened, name)), here or plain(value_name(str(value))), lower))
    compared = any(lower for *_, lower in lines)
    width = 3 if compared else 2
    heads = [("Value", "here", "lower"), ("---", "---:", "---:")]
    # Markdown, because a table of pandas takes ten times longer
    st.markdown("\n".join(f"| {' | '.join(line[:width])} |" for line in (*heads, *lines)))
    return compared


def _draw_own(id_: str) -> None:
    tags, note = library.tags().of(id_), library.tags().note_of(id_)
    with st.expander("Tags and note", expanded=bool(tags or note)):
        st.session_state["inspect.tags"] = tags
        st.multiselect(
            "Tags",
            sorted({*library.tags().names(), *tags}),
            key="inspect.tags",
            accept_new_options=True,
            on_change=_keep_tags,
            args=(id_, tuple(tags)),
            placeholder="choose or type",
        )
        unkept, why = st.session_state.get(f"inspect.unkept.{id_}", (None, ""))
        # a box of its own for each image: the browser keeps in a box what was typed and not yet sent
        key = key_of("inspect.note", id_)
        st.session_state[key] = note if unkept is None else unkept
        st.text_area("Note", key=key, on_change=_keep_note, args=(id_, note), max_chars=2000, height=90)
        if unkept is not None:
            _draw_unkept(id_, note, why)
        if problem := st.session_state.pop("inspect.problem", None):
            st.error(with_code(problem))


def _draw_unkept(id_: str, note: str, why: str) -> None:
    """Draw why a note was not saved, the note that is saved, and a way to keep either."""
    st.warning(with_code(why), icon=":material/edit_note:")
    st.caption("Saved now:")
    # verbatim: a note is not Markdown
    st.text(note or "no note")
    with st.container(horizontal=True):
        st.button("Keep mine", key="inspect.mine", on_click=_keep_note, args=(id_, note))
        st.button("Take what is kept", key="inspect.theirs", on_click=_forget, args=(id_,), type="tertiary")


def _keep_note(id_: str, drawn: str) -> None:
    """Save the note unless it changed since it was drawn; what cannot be saved stays in the box, with the reason."""
    text = st.session_state[key_of("inspect.note", id_)]
    try:
        library.tags().note(id_, text, over=drawn)
    except TagError as error:
        st.session_state[f"inspect.unkept.{id_}"] = text, for_visitors(error)
    else:
        _forget(id_)


def _forget(id_: str) -> None:
    st.session_state.pop(f"inspect.unkept.{id_}", None)


def _keep_tags(id_: str, drawn: Sequence[str]) -> None:
    """Save the changes to the tags as they were drawn; changes made by others meanwhile stay."""
    before, now = set(drawn), set(st.session_state["inspect.tags"])
    try:
        for tag in now - before:
            library.tags().add([id_], tag)
        # a tag that somebody else has removed meanwhile is gone already
        for tag in (before - now).intersection(library.tags().of(id_)):
            library.tags().remove([id_], tag)
    except TagError as error:
        st.session_state["inspect.problem"] = for_visitors(error)
