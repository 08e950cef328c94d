"""Inspect: why this verdict?"""

from dataclasses import replace

import numpy as np
import streamlit as st

from core.explainers.cam import stored_map
from core.findings.numbers import plus
from core.runs.metrics import HALF, predicted_real
from core.runs.rows import location_of
from dashboard import catalogue, library, state
from dashboard.components import panels
from dashboard.components.about import draw_about
from dashboard.components.agreement import agreement_panel, other_maps
from dashboard.components.choice import chosen_methods, draw_controls, draw_methods
from dashboard.components.experiments import experiments, last_probes
from dashboard.components.filters import wanted_rows
from dashboard.components.glossary import explain
from dashboard.components.missing import how_to_get_pictures
from dashboard.components.panels import verdict_line
from dashboard.components.picture import plain_picture
from dashboard.components.plain import plain, with_code
from dashboard.components.requests import Subject, known_detectors
from dashboard.components.words import CLASS_WORDS, heading, percent
from dashboard.state import Setting

opened = library.current()
table, run = opened.table, opened.run.name
wanted = wanted_rows(opened)
positions = library.matching(opened, wanted)
asked_id = st.query_params.get("id", "")
row = opened.row_of(asked_id)
if row is None:
    row = int(positions[0]) if len(positions) else 0
if table.empty:
    st.info("This run holds no image; choose another one on the left.")
    st.stop()

found = table.iloc[row]
# an image that has just lost its tag keeps its place between the others
place = location_of(positions, row, among=library.matching(opened, replace(wanted, tag=None)) if wanted.tag else None)
image = library.pictures(opened).get(row)
known = known_detectors()
own = known.get(catalogue.maker(opened.run) or "")
refused = catalogue.refused_detectors()
# a second detector gets the very same pixels, so its input size must be equal
sized = [name for name, one in catalogue.detectors().items() if one.about.side == opened.run.side]
BESIDE = Setting("beside", "", choices=("", *(name for name in sized if own is None or name != own.name)))


def move(to: int | None) -> None:
    """Go to another row of the filter."""
    if to is not None:
        state.put("id", table["id"].iloc[to])


panels.forget_drawn()
verdict, sure = found["predicted"], float(found["confidence"])
right = found["correct"] == "right"
heading(
    "Why this verdict?",
    "One image, and methods that say which parts of it the verdict rests on. Where they disagree, trust neither.",
)
if asked_id and opened.row_of(asked_id) is None:
    st.info("The image in this address is not in this run; showing another one.", icon=":material/link_off:")
if sentence := refused.get(st.query_params.get("beside", "")):
    st.info(f"The detector in this address cannot be asked: {with_code(sentence)}", icon=":material/link_off:")
with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    if st.button("All images", icon=":material/grid_view:", key="inspect.back"):
        page = 1 if place.number is None else 1 + (place.number - 1) // wanted.per_page
        state.go("mistakes", run=run, wanted=replace(wanted, page=page), at=str(found["id"]))
    st.button(
        "Previous", icon=":material/chevron_left:", key="inspect.before", on_click=move, args=(place.before,),
        disabled=place.before is None, shortcut="P",
    )  # fmt: skip
    st.button(
        "Next", icon=":material/chevron_right:", key="inspect.after", on_click=move, args=(place.after,),
        disabled=place.after is None, shortcut="N",
    )  # fmt: skip
    here = f"{place.number:,} of {place.of:,}" if place.number else f"not among the {place.of:,} that the filter finds"
    about = f" · {plain(found['category'].replace('_', ' '))}" if isinstance(found["category"], str) else ""
    st.caption(f"{here} · {plain(found['name'])}{about}")

st.markdown(
    f"### Called {CLASS_WORDS[verdict]}, {percent(sure)} sure. It is {CLASS_WORDS[found['label']]}: "
    + ("correct." if right else "a mistake."),
)
moved = wanted.threshold != HALF
at_threshold = "REAL" if predicted_real(table.iloc[[row]], wanted.threshold)[0] else "FAKE"
st.caption(
    f"Margin {plus(found['margin'])}: above 0 the verdict is REAL, below FAKE, and the further from 0 the surer."
    + (" This very file was in the detector's training set." if found["in_train"] else "")
    + (" It is a copy of an earlier file." if found["is_repeat"] else "")
    + (
        f" At the threshold of {percent(wanted.threshold, 0)} that you came with it is called {at_threshold}."
        if moved
        else ""
    ),
    help=explain("Margin", "Confidence"),
)

if image is None:
    st.info(
        "This image's picture is not available, so no detector can be run on it: below "
        + ("are the map that the run has kept, and" if opened.run.maps is not None else "is")
        + " what is known of the image. "
        + how_to_get_pictures(),
        icon=":material/hide_image:",
    )
    with st.grid(3, min_column_width=190, gap="large") as grid:
        with grid.cell():
            if opened.run.maps is not None:
                none = np.zeros((opened.run.side, opened.run.side, 3), np.uint8)
                panels.stored_panel(stored_map(opened.run, row, none), alone=True)
        with grid.cell(column_span=2):
            st.markdown("#### What is known of it")
            draw_about(opened, row, unfolded=True)
    st.stop()

stored = None if opened.run.maps is None else stored_map(opened.run, row, image)
subject = Subject.of(image, found["name"])
asked = [method for method in (own, known.get(BESIDE.value)) if method is not None]
methods = chosen_methods(asked[0].about) if asked else ()
side_by_side = panels.SideBySide(subject, asked, methods, stored if own else None)
with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    if asked:
        draw_methods(asked[0].about)
    if len(BESIDE.choices or ()) > 1 and asked:
        BESIDE.choose("Another detector beside it", st.selectbox, format_func=lambda name: name or "none", width=180)
    draw_controls()


def draw_image() -> None:
    """Draw the image and, with two detectors, the verdict of each."""
    st.markdown("#### The image")
    side = opened.run.side
    st.caption(f"What the detector is given: {side} x {side} pixels. The frame is the verdict.")
    plain_picture(subject.image, key="inspect.image", alt=f"{found['name']}, called {verdict}.", edge=verdict)
    for number, detector in enumerate(asked if len(asked) > 1 else ()):
        verdict_line(subject, detector, stored if number == 0 else None)


def draw_agreement() -> list[str]:
    """Draw whether the explanations by the run's own detector agree; return that as text."""
    if asked and own:
        others = other_maps(opened, verdict=verdict, label=found["label"], row=row)
        whose = f"other images that are {found['label']} and called {verdict}"
        return agreement_panel(side_by_side, others, whose=whose)
    return []


if len(asked) > 1:
    # with two detectors, the explanations get their own row: a cell per method, with both maps side by side
    with st.grid(3, min_column_width=190, gap="medium") as grid:
        with grid.cell():
            draw_image()
        with grid.cell():
            agreement = draw_agreement()
        with grid.cell():
            draw_about(opened, row)
    with st.grid(2, min_column_width=400, gap="large") as grid:
        side_by_side.draw(grid)
else:
    # the maps stand side by side, and what is said of them beside the image
    with st.container(key="beside_image"), st.grid(3, min_column_width=190, gap="medium", dense=True) as grid:
        with grid.cell():
            draw_image()
        with grid.cell(column_span=2, row_span=2):
            if asked:
                with st.grid(len(methods), min_column_width=190, gap="medium") as maps:
                    side_by_side.draw(maps)
            elif stored is not None:
                panels.stored_panel(stored, alone=False)
        with grid.cell():
            agreement = draw_agreement()
            draw_about(opened, row)
if asked:
    file = st.container()
    experiments(subject, asked[0], opened, row)
    with file:
        probes = last_probes(subject, asked[0])
        side_by_side.download(label=found["label"], agreement=agreement, probes=probes)
elif own is None:
    st.caption("The detector that made this run is not among the detectors here, so nothing new can be asked of it.")
    for sentence in refused.values():
        st.error(with_code(sentence))
