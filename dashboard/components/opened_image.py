"""The image that is open on the page Mistakes: its verdict, what flips it, where the detector looks, tags and note."""

from collections.abc import Sequence
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from core.explainers.stored import stored_map
from core.findings.numbers import plus
from core.images.statistics import FILE_FACTS, STATISTICS
from core.runs.filter import Filter
from core.runs.metrics import HALF, predicted_real
from core.runs.rows import Location
from core.runs.tags import TagError
from dashboard import catalogue, library, state
from dashboard.components.agreement import other_maps
from dashboard.components.component import fold, key_of, opens_all
from dashboard.components.dial import CHANGE, draw_dial
from dashboard.components.experiments import draw_flips, experiments
from dashboard.components.explanations import View, draw_explanations, draw_stored
from dashboard.components.filters import is_filtered, short_label, value_name
from dashboard.components.glossary import explain
from dashboard.components.original import original_of
from dashboard.components.picture import plain_picture
from dashboard.components.plain import plain, with_code
from dashboard.components.probing import last_changes
from dashboard.components.requests import Subject
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.datasets import how_to_get_pictures
from dashboard.library import Opened
from dashboard.state import Setting
from dashboard.visitors import for_visitors


def draw_image(opened: Opened, wanted: Filter, row: int, location: Location) -> None:
    """Draw all that is to be seen and done with one image.

    Args:
        opened: the run.
        wanted: the filter.
        row: the image's position in the run.
        location: its place among the images that the filter finds.
    """
    found, image = opened.table.iloc[row], library.pictures(opened).get(row)
    verdict, known = found["predicted"], catalogue.detectors()
    own = catalogue.maker(opened.run)
    # a second detector gets the very same pixels, so its input size must be equal
    sized = [name for name, detector in known.items() if detector.about.side == opened.run.side]
    beside = Setting("beside", "", choices=("", *(name for name in sized if own is None or name != own.name)))
    asked = [detector for detector in (own, known.get(beside.value)) if detector is not None]
    original = original_of(opened.run, row)
    # side by side where there is room
    beside_it = st.container(horizontal=True, gap="medium")
    with beside_it.container(width=176):
        if image is not None:
            plain_picture(image, key="image", alt=f"{found['name']}, called {verdict}.", edge=verdict, hint=False)
        elif opened.run.maps is not None:
            none = np.zeros((opened.run.side, opened.run.side, 3), np.uint8)
            draw_stored(stored_map(opened.run, row, none), alone=True)
        if original is not None and image is not None:
            st.caption(f"What the detector saw: {opened.run.side} x {opened.run.side} pixels")
    if original is not None:
        with beside_it.container(width=176):
            st.image(original, alt=f"{found['name']}, the original", width="stretch")
            st.caption(f"The original: {found['width']:,.0f} x {found['height']:,.0f} pixels")
    with beside_it.container(width="stretch"):
        _draw_verdict(opened.table.iloc[[row]], wanted)
        _draw_way(opened, wanted, location)
        with st.container(horizontal=True, gap="small"):
            with st.popover("Tag", icon=":material/sell:", type="tertiary"):
                st.caption(plain(found["name"]))
                draw_about(opened, row, unfolded=image is None)
            with st.popover("Share", icon=":material/link:", type="tertiary"):
                st.caption("This address opens the same view, settings and all.")
                query = urlencode(st.query_params.to_dict() | {"id": str(found["id"])})
                st.code(f"{(st.context.url or '').partition('?')[0]}?{query}", language=None, wrap_lines=True)
            if asked and len(beside.choices or ()) > 1:
                with st.popover("Compare", icon=":material/compare_arrows:", type="tertiary"):
                    beside.choose("Another detector beside it", st.selectbox, format_func=lambda name: name or "none")
    if image is None:
        st.info(f"This image's picture is not available. {how_to_get_pictures()}", icon=":material/hide_image:")
    else:
        stored = None if opened.run.maps is None else stored_map(opened.run, row, image)
        if not asked and stored is not None:
            draw_stored(stored, alone=False)
        if own is None:
            here = "Of this detector only scores are here" if opened.run.scores_only else "Its detector is not here"
            st.caption(f"{here}, so nothing new can be asked of it.")
            for sentence in catalogue.refused_detectors().values():
                st.error(with_code(sentence))
        if asked:
            subject = Subject(image, found["name"])
            label = found["label"] if opened.run.classes else None
            others = other_maps(opened, verdict=verdict, label=label, row=row) if own else None
            _draw_why(opened, row, View(
                subject,
                asked,
                stored if own else None,
                label,
                others,
                whose=f"other images that are {f'{label} and ' if label else ''}called {verdict}",
                probes=lambda: last_changes(subject, asked[0]),
            ))  # fmt: skip


def _draw_verdict(row: pd.DataFrame, wanted: Filter) -> None:
    found = row.iloc[0]
    truth = f" It is {CLASS_WORDS[found['label']]}." if found["label"] in CLASS_WORDS else ""
    called = CLASS_WORDS[str(found["predicted"])]
    st.markdown(f"### Called {called}, {percent(float(found['confidence']))} sure.{truth}")
    about = found["category"].replace("_", " ") if isinstance(found["category"], str) else found["name"]
    st.caption(plain(about), help=explain("Margin", "Confidence", also=f"Its margin is {plus(found['margin'])}."))
    notes = []
    if found["in_train"]:
        notes.append("This very file was in the detector's training set.")
    if found["is_repeat"]:
        notes.append("It is a copy of an earlier file.")
    if wanted.threshold != HALF:
        called = "REAL" if predicted_real(row, wanted.threshold)[0] else "FAKE"
        notes.append(f"At the threshold of {percent(wanted.threshold, 0)} that you came with it is called {called}.")
    if notes:
        st.caption(" ".join(notes))


def _draw_way(opened: Opened, wanted: Filter, location: Location) -> None:
    """Draw the way to the images before and after this one."""

    def move(to: int, number: int) -> None:
        page = 1 + (number - 1) // wanted.per_page
        state.put_all({"id": str(opened.table["id"].iloc[to]), "page": str(page) if page > 1 else None})

    number = location.number or 0
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, icon, to, step in (
            ("Previous", "chevron_left", location.before, -1), ("Next", "chevron_right", location.after, 1)
        ):  # fmt: skip
            st.button(
                label, icon=f":material/{icon}:", key=f"image.{label.lower()}", on_click=move, args=(to, number + step),
                disabled=to is None, shortcut=label[0],
            )  # fmt: skip
        if not number:
            st.caption(f"not among the {location.of:,} that the filter finds", width="content")
        elif is_filtered(wanted):
            # of a whole run the number would be taken for one of its mistakes
            st.caption(f"{number:,} of {location.of:,}", width="content")


def _draw_why(opened: Opened, row: int, view: View) -> None:
    """Draw what flips the verdict, the maps, and further experiments."""
    draw_flips(view.subject, view.detectors[0], opened, row)
    if CHANGE.value:
        st.session_state.setdefault("fold_dial", True)
    with fold("dial", "Change it bit by bit") as is_open:
        if is_open:
            draw_dial(view.subject, view.detectors[0], opened, row)
    draw_explanations(view)
    if "evidence" in st.query_params:
        st.session_state.setdefault("fold_experiments", True)
    with fold("experiments", "More experiments on this image") as is_open:
        if is_open:
            experiments(view.subject, view.detectors[0], opened, row)


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
        st.session_state.setdefault(key, note)
        st.text_area("Note", key=key, on_change=_keep_note, args=(id_,), max_chars=2000, height=90)
        if problem := st.session_state.pop("inspect.problem", None):
            st.error(with_code(problem))


def _keep_note(id_: str) -> None:
    """Save the note in the place of what was saved before."""
    key = key_of("inspect.note", id_)
    try:
        library.tags().note(id_, st.session_state[key])
    except TagError as error:
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
