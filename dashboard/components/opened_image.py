"""The image that is open on the page Mistakes: its verdict, what flips it, and where the detector looks."""

from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from core.explainers.cam import stored_map
from core.findings.numbers import plus
from core.runs.filter import Filter
from core.runs.metrics import HALF, predicted_real
from core.runs.rows import Location
from dashboard import catalogue, library, state
from dashboard.components.about import draw_about
from dashboard.components.agreement import other_maps
from dashboard.components.dial import CHANGE, draw_dial
from dashboard.components.experiments import draw_flips, experiments
from dashboard.components.explanations import View, draw_explanations, draw_stored
from dashboard.components.fold import fold
from dashboard.components.glossary import explain
from dashboard.components.picture import plain_picture
from dashboard.components.plain import plain, with_code
from dashboard.components.probing import last_changes
from dashboard.components.requests import Subject
from dashboard.components.words import CLASS_WORDS, percent
from dashboard.datasets import how_to_get_pictures
from dashboard.library import Opened
from dashboard.state import Setting


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
    own = known.get(catalogue.maker(opened.run) or "")
    # a second detector gets the very same pixels, so its input size must be equal
    sized = [name for name, detector in known.items() if detector.about.side == opened.run.side]
    beside = Setting("beside", "", choices=("", *(name for name in sized if own is None or name != own.name)))
    asked = [detector for detector in (own, known.get(beside.value)) if detector is not None]
    picture, words = st.columns([2, 3], gap="medium")
    with picture:
        if image is not None:
            plain_picture(image, key="image", alt=f"{found['name']}, called {verdict}.", edge=verdict, hint=False)
        elif opened.run.maps is not None:
            none = np.zeros((opened.run.side, opened.run.side, 3), np.uint8)
            draw_stored(stored_map(opened.run, row, none), alone=True)
    with words:
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
            st.caption("The detector that made this run is not here, so nothing new can be asked of it.")
            for sentence in catalogue.refused_detectors().values():
                st.error(with_code(sentence))
        if asked:
            subject = Subject.of(image, found["name"])
            others = other_maps(opened, verdict=verdict, label=found["label"], row=row) if own else None
            _draw_why(opened, row, View(
                subject,
                asked,
                stored if own else None,
                found["label"],
                others,
                whose=f"other images that are {found['label']} and called {verdict}",
                probes=lambda: last_changes(subject, asked[0]),
            ))  # fmt: skip


def _draw_verdict(row: pd.DataFrame, wanted: Filter) -> None:
    found = row.iloc[0]
    called, label = CLASS_WORDS[str(found["predicted"])], CLASS_WORDS[str(found["label"])]
    st.markdown(f"### Called {called}, {percent(float(found['confidence']))} sure. It is {label}.")
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
        here = f"{number:,} of {location.of:,}" if number else f"not among the {location.of:,} that the filter finds"
        st.caption(here, width="content")


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
