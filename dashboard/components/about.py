"""What is known of an image of a run: its original file, statistics, what studies found, tags and note."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from core.arrays import Pixels
from core.images.decoding import MAX_BYTES, ImageError, decode
from core.images.image_set import DatasetError, Split
from core.images.layout import Entry
from core.images.preprocessing import PREVIEW
from core.images.sources import Source, open_source, remembered
from core.images.statistics import FILE_FACTS, STATISTICS
from core.runs.run import Run
from core.runs.tags import TagError
from dashboard import library
from dashboard.components.component import key_of, opens_all
from dashboard.components.filters import short_label, value_name
from dashboard.components.uploads import in_turn
from dashboard.components.words import plain, with_code
from dashboard.library import Opened
from dashboard.visitors import for_visitors


def original_of(run: Run, row: int) -> Pixels | None:
    """Return a preview of an image's file, uint8 (height, width, 3), where it is to be had.

    None where the file has the detector's own size, or is not there any more.
    """
    image = run.predictions.iloc[row]
    size = (image.get("width"), image.get("height"))
    if run.scores_only or None in size or size == (run.side, run.side):
        return None
    try:
        return _preview(str(run.manifest["set_fingerprint"]), run.split, str(image["name"]), str(image["sha256"]))
    except (ImageError, DatasetError, OSError):
        return None


# a picture that cannot be read now raises, and so is not kept
@st.cache_data(max_entries=64, show_spinner=False)
def _preview(fingerprint: str, split: Split, name: str, sha256: str) -> Pixels:
    """Read and shrink a picture, once nobody else decodes; raises ImageError where the file is gone or another one."""

    def read() -> Image.Image:
        source, entries = _opened(fingerprint, split)
        data = source.read(entries[name], MAX_BYTES) if name in entries else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ImageError("it is not the file of the run")
        image = Image.fromarray(decode(data))
        image.thumbnail((PREVIEW, PREVIEW))
        return image

    return np.asarray(in_turn(read))


# listing a large folder takes seconds
@lru_cache(maxsize=2)
def _opened(fingerprint: str, split: Split) -> tuple[Source, Mapping[str, Entry]]:
    """Open the set of a fingerprint where it was last read from; raises DatasetError."""
    place = remembered(fingerprint)
    if place is None:
        raise DatasetError("it is not known where the set lies")
    source = open_source(place)
    return source, {entry.name: entry for entry in source.entries(split)}


def draw_original(opened: Opened, row: int) -> None:
    """Draw the file's own picture, where the detector saw it resized."""
    original = original_of(opened.run, row)
    if original is None:
        return
    values = opened.table.iloc[row]
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        st.image(original, alt=f"{values['name']}, the original", width=120)
        side = opened.run.side
        st.caption(
            f"The original: {values['width']:,.0f} x {values['height']:,.0f} pixels. "
            f"What the detector saw: {side} x {side} pixels."
        )


def draw_about(opened: Opened, row: int, *, unfolded: bool = False) -> None:
    """Draw statistics, studies, tags and note, each folded unless they are all that there is to see."""
    unfolded = unfolded or opens_all()
    with st.expander("Image statistics", expanded=unfolded):
        _draw_values(opened, row, [name for name in (*STATISTICS, *FILE_FACTS) if name in opened.table])
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
        if name in opened.extents:
            shown = f"{value:.4g}"
        else:
            shown = value_name({True: "yes", False: "no"}.get(value, str(value)))
        lines.append(f"| {plain(short_label(opened, name))} | {plain(shown)} |")
    # Markdown, because a table of pandas takes ten times longer
    st.markdown("\n".join(lines))


def _draw_own(id_: str) -> None:
    """Draw the visitor's tags and note; what cannot be saved stays in the box, with the reason."""
    store = library.tags()
    tags = store.of([id_]).get(id_, [])
    note = store.note_of(id_)
    with st.expander("Tags and note", expanded=bool(tags or note) or opens_all()):
        st.session_state["inspect.tags"] = tags
        st.multiselect(
            "Tags",
            sorted({*store.names(), *tags}),
            key="inspect.tags",
            accept_new_options=True,
            on_change=_keep,
            args=(id_, tuple(tags)),
            placeholder="choose or type",
        )
        # a box of its own for each image: the browser keeps in a box what was typed and not yet sent
        key = key_of("inspect.note", id_)
        # what could not be saved stays in the box
        st.session_state.setdefault(key, note)
        st.text_area("Note", key=key, on_change=_keep, args=(id_,), max_chars=2000, height=90)
        problem = st.session_state.pop("inspect.problem", None)
        if problem:
            st.error(with_code(problem))


def _keep(id_: str, drawn: Sequence[str] | None = None) -> None:
    """Save the note or, where those drawn before are given, the changes to the tags; changes made by others stay."""
    store = library.tags()
    try:
        if drawn is None:
            store.note(id_, st.session_state[key_of("inspect.note", id_)])
            return
        chosen = set(st.session_state["inspect.tags"])
        for tag in chosen.difference(drawn):
            store.add([id_], tag)
        # a tag that somebody else has removed meanwhile is gone already
        for tag in set(drawn).difference(chosen).intersection(store.of([id_]).get(id_, [])):
            store.remove([id_], tag)
    except TagError as error:
        st.session_state["inspect.problem"] = for_visitors(error)
