"""Details of one image: its statistics, the studies' findings, and the visitor's own tags and note."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from core.images.statistics import STATISTICS
from core.runs.tags import TagError
from dashboard import library
from dashboard.components.column_names import short_label, value_name
from dashboard.components.component import key_of
from dashboard.components.fold import opens_all
from dashboard.components.plain import plain, with_code
from dashboard.library import Opened
from dashboard.visitors import for_visitors


def draw_about(opened: Opened, row: int, *, unfolded: bool = False) -> None:
    """Draw statistics, studies, tags and note, each folded unless they are all that there is to see."""
    unfolded = unfolded or opens_all()
    with st.expander("Image statistics", expanded=unfolded):
        _draw_values(opened, row, [name for name in STATISTICS if name in opened.table])
    values = opened.table.iloc[row]
    by_study: dict[str, list[str]] = {}
    for column, about in opened.studied.items():
        # studies of earlier versions wrote "no such image" as an infinite distance
        if column in values and not pd.isna(values[column]) and values[column] not in (np.inf, -np.inf):
            by_study.setdefault(about.study, []).append(column)
    if opened.studied:
        with st.expander("What studies found", expanded=unfolded):
            for title, columns in by_study.items():
                st.markdown(f"**{plain(title)}**", help=plain(opened.studied[columns[0]].question) or None)
                _draw_values(opened, row, columns)
    _draw_own(str(values["id"]))


def _draw_values(opened: Opened, row: int, columns: Sequence[str]) -> None:
    """Draw a line per column with its value."""
    lines = ["| Value | here |", "| --- | ---: |"]
    for name in columns:
        value = opened.table[name].iloc[row]
        shown = (
            f"{value:.4g}" if name in opened.extents else value_name({True: "yes", False: "no"}.get(value, str(value)))
        )
        lines.append(f"| {plain(short_label(opened, name))} | {plain(shown)} |")
    # Markdown, because a table of pandas takes ten times longer
    st.markdown("\n".join(lines))


def _draw_own(id_: str) -> None:
    """Draw the visitor's tags and note; what cannot be saved stays in the box, with the reason."""
    tags, note = library.tags().of([id_]).get(id_, []), library.tags().note_of(id_)
    with st.expander("Tags and note", expanded=bool(tags or note) or opens_all()):
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
        # a box of its own for each image: the browser keeps in a box what was typed and not yet sent
        key = key_of("inspect.note", id_)
        # what could not be saved stays in the box
        st.session_state[key] = st.session_state.get(f"{key}.unsaved", note)
        st.text_area("Note", key=key, on_change=_keep_note, args=(id_,), max_chars=2000, height=90)
        if problem := st.session_state.pop("inspect.problem", None):
            st.error(with_code(problem))


def _keep_note(id_: str) -> None:
    """Save the note in the place of what was saved before."""
    key = key_of("inspect.note", id_)
    try:
        library.tags().note(id_, st.session_state[key])
        st.session_state.pop(f"{key}.unsaved", None)
    except TagError as error:
        st.session_state[f"{key}.unsaved"] = st.session_state[key]
        st.session_state["inspect.problem"] = for_visitors(error)


def _keep_tags(id_: str, drawn: Sequence[str]) -> None:
    """Save the changes to the tags as they were drawn; changes made by others meanwhile stay."""
    tags, now = library.tags(), set(st.session_state["inspect.tags"])
    try:
        for tag in now.difference(drawn):
            tags.add([id_], tag)
        # a tag that somebody else has removed meanwhile is gone already
        for tag in set(drawn).difference(now).intersection(tags.of([id_]).get(id_, [])):
            tags.remove([id_], tag)
    except TagError as error:
        st.session_state["inspect.problem"] = for_visitors(error)
